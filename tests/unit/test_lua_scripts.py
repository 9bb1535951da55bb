"""Holds the Lua files, their headers and keys.py together."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from headrace.contract import scripts
from headrace.contract.keys import FAMILIES, NAMES

LUA = files("headrace.contract") / "lua"
PLAIN = re.compile(r"\bK\.(\w+)")
QUOTED = re.compile(r"\bK\['([^']+)'")


def _sources() -> dict[str, str]:
    found = {f"{name}.lua": scripts.read_lua(f"{name}.lua") for name in scripts.NAMES}
    for folder in ("lib", *(f"{variant}/lib" for variant in scripts.VARIANTS)):
        found |= {f"{folder}/{part.name}": part.read_text(encoding="utf-8") for part in (LUA / folder).iterdir()}
    return found


SOURCES = _sources()


def test_every_file_is_a_named_script_and_the_names_are_sorted() -> None:
    present = {part.name.removesuffix(".lua") for part in LUA.iterdir() if part.name.endswith(".lua")}
    assert present == set(scripts.NAMES)
    assert list(scripts.NAMES) == sorted(scripts.NAMES)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_key_is_one_that_keys_py_explains(name: str) -> None:
    for key in PLAIN.findall(SOURCES[name]):
        assert key in NAMES, f"{name} uses K.{key}"
    for key in QUOTED.findall(SOURCES[name]):
        assert key in NAMES or key in FAMILIES, f"{name} uses K['{key}']"


@pytest.mark.parametrize("name", scripts.NAMES)
def test_headers_say_what_goes_in_and_out(name: str) -> None:
    head, _, body = SOURCES[f"{name}.lua"].partition("-- RETURNS: ")
    assert head.startswith("-- ")
    assert "\n-- KEYS: [1] the queue's prefix\n" in head
    assert "\n-- ARGV: " in head
    numbers = [int(n) for n in re.findall(r"\[(\d+)\]", head.partition("-- ARGV: ")[2])]
    assert numbers == list(range(1, len(numbers) + 1))
    used = {int(n) for n in re.findall(r"\bARGV\[(\d+)\]", body)}
    assert used <= set(numbers)


def functions_of(name: str) -> set[str]:
    return set(re.findall(r"^local function (\w+)", SOURCES[name], re.M))


@pytest.mark.parametrize("variant", scripts.VARIANTS)
def test_a_variant_has_all_that_others_call(variant: str) -> None:
    own = [part.name for part in (LUA / variant / "lib").iterdir()]
    assert own
    for name in own:
        everywhere = "".join(SOURCES[other] for other in SOURCES if not other.endswith(f"lib/{name}"))
        called = {one for one in functions_of(f"lib/{name}") if re.search(rf"\b{one}\(", everywhere)}
        assert called <= functions_of(f"{variant}/lib/{name}")


@pytest.mark.parametrize("name", [*scripts.NAMES, *(f"{v}/{name}" for v in scripts.VARIANTS for name in scripts.NAMES)])
def test_no_key_but_the_queue_s_own(name: str) -> None:
    source = scripts.script(name).source
    assert "KEYS[2]" not in source
    assert "'KEYS'" not in source
    assert "hr:" not in source

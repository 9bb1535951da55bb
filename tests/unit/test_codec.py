"""E15: arguments as bytes and back, in both codecs; what can't be encoded or decoded; sizes."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from headrace.client.codec import MAX_PAYLOAD, codec_named, decode_arguments, encode_arguments
from headrace.errors import ConfigError, PayloadError

NAMES = ("msgpack", "json")
SECRET = "hunter2"


class Point(BaseModel):
    x: int


class Shut:
    """Nothing that could be encoded."""


def encode(name: str, *args: Any, limit: int = MAX_PAYLOAD, **kwargs: Any) -> bytes:
    return encode_arguments(codec_named(name), "t", args, kwargs, limit)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4),
    max_leaves=15,
)


@pytest.mark.parametrize("name", NAMES)
@given(args=st.lists(PLAIN, max_size=3), kwargs=st.dictionaries(st.text("abc", min_size=1), PLAIN, max_size=3))
def test_plain_values_come_back_as_they_were(name: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    assert decode_arguments(name, encode(name, *args, **kwargs)) == (args, kwargs)


@pytest.mark.parametrize("name", NAMES)
def test_models_dates_and_the_like_have_a_form(name: str) -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    number = UUID("12345678123456781234567812345678")
    (point, when, price, uid), _ = decode_arguments(name, encode(name, Point(x=1), moment, Decimal("1.50"), number))
    assert (point, price, uid) == ({"x": 1}, "1.50", str(number))
    assert when in (moment, "2026-01-02T00:00:00Z")


def test_bytes_pass_as_msgpack_and_are_refused_as_json() -> None:
    assert decode_arguments("msgpack", encode("msgpack", b"\xff"))[0] == [b"\xff"]
    for value in (b"x", bytearray(b"x"), [b"x"], {"a": (1, {"b": b"x"})}):
        with pytest.raises(PayloadError, match="as json: bytes have no form in JSON"):
            encode("json", value)


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in NAMES for value in (Shut(), "\udcff", {1, Shut()})] + [("msgpack", 2**70)],
)
def test_what_can_not_be_encoded_is_an_error_of_the_caller_s(name: str, value: Any) -> None:
    with pytest.raises(PayloadError, match=f"^task t: the arguments can't be encoded as {name}: ") as refused:
        encode(name, value, SECRET)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("name", NAMES)
def test_an_endless_value_is_an_error_not_a_crash(name: str) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(PayloadError):
        encode(name, endless)


@pytest.mark.parametrize("name", NAMES)
def test_sizes(name: str) -> None:
    exact = len(encode(name, "x" * 100))
    assert encode(name, "x" * 100, limit=exact)
    with pytest.raises(PayloadError) as refused:
        encode(name, "x" * 100, limit=exact - 1)
    assert f"has {exact:,} bytes, the limit is {exact - 1:,}; store large data elsewhere" in str(refused.value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [1, [], [[]], [[], []], [{}, {}], [[], {}, []], [1, 2], "ab", {"a": 1, "b": 2}, None])
def test_what_is_no_pair_of_arguments_is_refused(name: str, value: Any) -> None:
    encoder = msgspec.msgpack if name == "msgpack" else msgspec.json
    with pytest.raises(PayloadError):
        decode_arguments(name, encoder.encode(value))


def test_names_of_arguments_are_text() -> None:
    with pytest.raises(PayloadError, match="a map of named ones"):
        decode_arguments("msgpack", msgspec.msgpack.encode([[], {1: 2}]))


@pytest.mark.parametrize("name", [*NAMES, "protobuf", "pickle", ""])
@given(payload=st.binary(max_size=60))
def test_no_bytes_crash_the_decoder(name: str, payload: bytes) -> None:
    try:
        args, kwargs = decode_arguments(name, payload)
    except PayloadError:
        return
    assert isinstance(args, list)
    assert isinstance(kwargs, dict)


def test_an_unknown_codec_is_named() -> None:
    with pytest.raises(ConfigError, match="unknown codec 'yaml'; there are json, msgpack, protobuf"):
        codec_named("yaml")

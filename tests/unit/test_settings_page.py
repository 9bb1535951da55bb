"""docs/settings.md has every variable, with the default and the words of the program itself."""

from __future__ import annotations

import os
import re
import socket
import tempfile

from headrace.cli.worker_command import OPTIONS
from headrace.worker.settings import load_settings
from headrace_operator.api.worker_queue import load_worker_queue
from headrace_operator.operate.settings import VARIABLES as OPERATOR
from headrace_operator.runtimes.kubernetes.environment import environment
from headrace_operator.seams.runtime import VersionSpec
from support.bad_queues import good_queue
from support.pages import PAGES

PAGE = PAGES["docs/settings"].read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    section = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    (found,) = (text for text in section if text.startswith(f"{heading}\n"))
    rows = [line for line in found.splitlines() if line.startswith("| ")][2:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def test_a_worker_s_settings_are_what_print_config_shows() -> None:
    options = {match[1]: option for option, text in OPTIONS.items() if (match := re.search(r"\(([A-Z_]+)\)", text))}
    assert len(options) == len(OPTIONS)
    machine = {
        f"{socket.gethostname()}-{os.getpid()}": "HOST-PID",
        f"-{os.getpid()}.sock": "-PID.sock",
        tempfile.gettempdir(): "/tmp",
    }

    def anywhere(value: str) -> str:
        for here, there in machine.items():
            value = value.replace(here, there)
        return value

    shown = [
        [code(line.name), code(anywhere(line.value)) or "empty", code(options.get(line.name, "")), line.help]
        for line in load_settings({})[1]
    ]
    assert table("Worker") == shown


def test_the_operator_s_settings_are_its_help() -> None:
    assert [[name, f"{text} ({default})"] for name, default, text in table("Operator")] == [
        [code(name), text] for name, text in OPERATOR.items()
    ]


def test_what_the_operator_sets_is_named() -> None:
    spec = load_worker_queue(good_queue()).spec
    ours = {variable["name"] for variable in environment(VersionSpec("one", spec))}
    (sentence,) = re.findall(r"^On a cluster the operator sets these[^:]*:(.*?)\. `", PAGE, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(\w+)`", sentence)) == ours - {variable.name for variable in spec.worker.env}

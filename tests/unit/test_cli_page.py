"""docs/cli.md against the commands: every verb is there, its lines are understood, its exit codes are the real ones."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest
import typer

from headrace.cli.app import build
from headrace.cli.exit_codes import ExitCode
from headrace.cli.verbs import OWN
from headrace_operator.kubectl import entry
from headrace_operator.kubectl.entry import HELP
from headrace_operator.kubectl.words import read_call
from headrace_operator.operate.queue_words import OF_ALL, OF_ONE, command_line
from support.pages import PAGES, blocks

PAGE = PAGES["docs/cli"].read_text(encoding="utf-8")
PLUGIN = re.compile(r"^\$ kubectl headrace ([^#<>\n]+)", re.MULTILINE)


def plugin_lines() -> Iterator[str]:
    """What stands behind `kubectl headrace` on any page."""
    for block in blocks("console"):
        yield from (line.strip() for line in PLUGIN.findall(block.text))


def test_it_has_every_verb() -> None:
    shown = set(re.findall(r"headrace ([a-z]+)", PAGE))
    assert set(OWN) - {"dlq"} <= shown


def test_the_exit_codes_are_the_real_ones() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", PAGE, re.MULTILINE)
    assert rows == [(str(int(code)), code.name.lower()) for code in ExitCode]


@pytest.mark.parametrize("line", list(plugin_lines()))
def test_a_line_of_the_plugin_is_understood(line: str) -> None:
    """Also by the parser of what it runs in the operator's pod."""
    call = read_call(shlex.split(line))
    if entry._find(call) is not entry._through_the_pod:
        return
    arguments = command_line(["emails"], None, [*call.verb.split(), *call.rest])
    command = typer.main.get_command(build())
    with command.make_context("headrace", arguments) as context:
        assert context.invoked_subcommand or context.args is not None


def test_the_plugins_help_has_every_verb() -> None:
    for verb in (*entry._VERBS, *OF_ALL, *OF_ONE):
        assert re.search(rf"\b{verb}\b", HELP), verb

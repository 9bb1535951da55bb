"""`headrace completion`: scripts that their shells accept, and the answers those scripts ask for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.cli.entry import main
from headrace.cli.verbs import VERBS, Verb
from support.cli import Cli
from support.leave_out import leave_out

HEADRACE = Path(sys.executable).with_name("headrace")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_one_of_its_shell(cli: Cli, shell: str) -> None:
    ran = cli("completion", shell)
    assert (ran.code, ran.err) == (0, "")
    assert f"_HEADRACE_COMPLETE=complete_{shell}" in ran.out
    if (program := shutil.which(shell)) is not None:
        subprocess.run([program, "-n"], input=ran.out, text=True, check=True, timeout=30)


def test_an_unknown_shell_is_one_line(cli: Cli) -> None:
    ran = cli("completion", "ksh")
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert "'ksh' is not one of 'bash', 'zsh', 'fish'" in ran.err


def test_bash_completes_verbs_and_options() -> None:
    """By a real bash with the script that the command prints."""
    bash = shutil.which("bash")
    if bash is None:
        leave_out("no bash on this machine")
    for line, expected in {
        "headrace a": {"audit"},
        "headrace dr": {"drain"},
        "headrace dlq re": {"replay"},
        "headrace jobs q --sta": {"--state"},
        "headrace jobs q --state sch": {"scheduled"},
        "headrace completion z": {"zsh"},
    }.items():
        words = line.split()
        probe = (
            f'source <("{HEADRACE}" completion bash); COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; '
            f'_headrace_completion "{HEADRACE}"; printf "%s\\n" "${{COMPREPLY[@]}}"'
        )
        ran = subprocess.run([bash, "-c", probe], capture_output=True, text=True, timeout=60, check=True)
        assert (set(ran.stdout.split()), ran.stderr) == (expected, ""), line


@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: " ".join(verb.words))
def test_each_verb_has_its_help(verb: Verb, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb.words, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"Usage: headrace {' '.join(verb.words)}" in said
    assert verb.help in said

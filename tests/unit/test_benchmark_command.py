"""What the benchmark's command line refuses, and what it says about engines that a machine can't run."""

from __future__ import annotations

import shutil
import sys

import pytest
from benchmarks import __main__ as command
from benchmarks.catalogue import engine_named
from benchmarks.failures import BenchError
from benchmarks.results import Missing
from benchmarks.toolchains import ready


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--engines", "sidekiq"], "bench: no engine 'sidekiq'; there are headrace, saq, "),
        (["--sections", "speed"], "bench: no section 'speed'; there are throughput, work, "),
        (["--seconds", "0"], "bench: --seconds: give 0.05 to 60, got 0"),
    ],
)
def test_bad_values_get_one_line(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    assert command.main() == 2
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize(("name", "needed"), [("bullmq-node", "node"), ("asynq", "go")])
def test_an_engine_whose_language_is_not_installed_is_named_and_left_out(
    name: str, needed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = engine_named(name)
    assert engine is not None
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(BenchError, match=f"{name} needs {needed}"):
        ready(engine)
    contestants, missing = command._prepare([engine])
    assert (contestants, missing) == ([], [Missing(name, f"{name} needs {needed}, which is not installed here")])
    assert f"LEFT OUT {name}" in capsys.readouterr().err

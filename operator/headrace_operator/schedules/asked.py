"""What a run out of turn has come to, as `schedules run` says it, on a cluster and on a laptop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from headrace.cli.exit_codes import ExitCode
from headrace.cli.output import Printer, note
from headrace_operator.core.schedule_events import RunNowPhase

_GOOD: Final = (RunNowPhase.ENQUEUED, RunNowPhase.REPLACED, RunNowPhase.REPEATED)


def tell_run(printer: Printer, status: Mapping[str, Any]) -> int:
    """`status`: the resource's `runNow`, which is the document. 1 when it was skipped, 2 when it was refused."""
    said = status.get("message") or f"{status['phase']} {status.get('jobId', '')}".strip()
    good = status["phase"] in _GOOD
    if good or printer.structured:
        printer.say(said, status)
    if good:
        return ExitCode.DONE
    note(said)
    return ExitCode.MISTAKE if status["phase"] == RunNowPhase.REFUSED else ExitCode.FAILED

"""Verbs about whole queues: stats, pause, resume, limit, purge, audit."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

from headrace.admin.queue_admin import QueueAdmin, stats_many
from headrace.cli.asking import confirm
from headrace.cli.exit_codes import ExitCode
from headrace.cli.load import state_of
from headrace.cli.output import Cell, Format, Printer, note, time_of
from headrace.cli.progress import progress
from headrace.cli.session import ask_link, ask_queue, with_queue
from headrace.cli.unused_queue import note_unused, unused_lines
from headrace.contract.keys import check_queue_name
from headrace.contract.stats import QueueStats
from headrace.errors import HeadraceError, UsageError

if TYPE_CHECKING:
    from headrace.admin.findings import AuditReport

T = TypeVar("T")


def stats(queues: list[str], redis_url: str, output: Format) -> int:
    """Queues that can't be read are named on stderr."""
    names = [check_queue_name(queue) for queue in queues]
    found = ask_link(redis_url, lambda link: stats_many(link, names))
    read = {queue: said for queue, said in found.items() if isinstance(said, QueueStats)}
    Printer(output).rows(_STATS, [_stats_row(said) for said in read.values()], list(read.values()))
    failed = {queue: said for queue, said in found.items() if isinstance(said, HeadraceError)}
    for queue, error in failed.items():
        note(f"queue {queue}: {error}")
    for line in unused_lines(read.values()):
        note(line)
    return ExitCode.FAILED if failed else ExitCode.DONE


_STATS = (
    *("QUEUE", "READY", "DUE", "SCHEDULED", "LEASED", "PARKED", "DEAD", "WORKERS", "OLDEST READY", "NEXT DUE"),
    *("ENQUEUED", "COMPLETED", "FAILED", "STATE", "NEXT TICK"),
)


def _next_tick(said: QueueStats) -> str | None:
    """The earliest planned run of a periodic task; JSON has them all. One in the past is of a task that nobody has any
    more, or of a queue without workers: shown only when there is no other."""
    if not said.ticks:
        return None
    past, due_ms, task = min((tick.due_ms < said.now_ms, tick.due_ms, task) for task, tick in said.ticks.items())
    return f"{task} {time_of(due_ms)}{' (overdue)' if past else ''}"


def _stats_row(said: QueueStats) -> list[Cell]:
    versions = said.versions.values()
    return [
        *(
            said.queue,
            said.ready,
            said.due,
            said.scheduled,
            said.leased,
            said.parked + said.held,
            said.dead,
            len(said.workers),
        ),
        *(time_of(said.oldest_ready_ms), time_of(said.next_due_ms), said.enqueued),
        *(sum(v.completed for v in versions), sum(v.failed for v in versions)),
        state_of(said),
        _next_tick(said),
    ]


async def _told(admin: QueueAdmin, work: Awaitable[T]) -> T:
    """What was done, with a line where the queue's name may be wrong."""
    done = await work
    await note_unused(admin)
    return done


def pause(queue: str, redis_url: str, output: Format) -> None:
    """Says so, too, when it was paused already."""
    changed = ask_queue(redis_url, queue, lambda admin: _told(admin, admin.control.pause()))
    said = f"{queue} is paused" if changed else f"{queue} was paused already"
    Printer(output).say(said, {"queue": queue, "paused": True, "changed": changed})


def resume(queue: str, redis_url: str, output: Format) -> None:
    """Says so, too, when it was not paused."""
    changed = ask_queue(redis_url, queue, lambda admin: _told(admin, admin.control.resume()))
    said = f"{queue} goes on" if changed else f"{queue} was not paused"
    Printer(output).say(said, {"queue": queue, "paused": False, "changed": changed})


def limit(queue: str, jobs: str | None, redis_url: str, output: Format) -> None:
    """Without a number it only shows. Raises UsageError."""
    if jobs is not None:
        wanted = _limit_of(jobs)
        ask_queue(redis_url, queue, lambda admin: _told(admin, admin.control.set_limit(wanted)))
    kept = ask_queue(redis_url, queue, lambda admin: admin.control.limit())
    said = f"{queue} has no limit" if kept is None else f"{queue} takes {kept:,} waiting jobs"
    Printer(output).say(said, {"queue": queue, "limit": kept})


def _limit_of(text: str) -> int | None:
    if text == "none":
        return None
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"limit: give a number of jobs or none, got {text!r}")
    return int(text)


def purge(queue: str, *, yes: bool, redis_url: str, output: Format) -> None:
    """Asks first. Raises UsageError where nobody can answer."""
    if not yes:
        stats = ask_queue(redis_url, queue, lambda admin: admin.stats())
        waiting = stats.ready + stats.held + stats.due + stats.scheduled + stats.parked + stats.awaiting
        confirm(f"call off {waiting} waiting jobs of {queue}?")
    with progress("calling off") as tell:
        purged = with_queue(redis_url, queue, lambda admin: _told(admin, admin.control.purge(on_progress=tell)))
    Printer(output).say(f"{purged} jobs called off", {"queue": queue, "purged": purged})


def audit(queue: str, *, repair: bool, redis_url: str, output: Format) -> int:
    """Findings are shown before they are counted."""
    with progress("ids looked at") as tell:
        report = with_queue(
            redis_url, queue, lambda admin: _told(admin, admin.audit.run(repair=repair, on_progress=tell))
        )
    printer = Printer(output)
    if printer.structured:
        printer.document(_audit_json(report))
    else:
        _show_audit(printer, report)
    return ExitCode.DONE if report.clean else ExitCode.FAILED


def _audit_json(report: AuditReport) -> dict[str, object]:
    findings = [{"kind": type(finding).__name__, "finding": finding} for finding in report.findings]
    return {
        "queue": report.queue,
        "clean": report.clean,
        "states": report.states,
        "counts": report.counts,
        "findings": findings,
        "mended": report.mended,
        "tracebacks_checked": report.tracebacks_checked,
    }


def _show_audit(printer: Printer, report: AuditReport) -> None:
    printer.rows(("STATE", "JOBS"), [(state, count) for state, count in report.states.items()], None)
    if report.findings:
        printer.rows(("FINDING", "WHAT"), [(type(f).__name__, _fields(f)) for f in report.findings], None)
    total = sum(report.counts.values())
    said = "each job stands in exactly one state" if report.clean else f"{total} findings, {report.mended} mended"
    printer.say(f"{report.queue}: {said}", None)
    if not report.tracebacks_checked:
        note("dead letters came and went all the while, so the counts of their tracebacks were not compared")


def _fields(finding: object) -> str:
    return " ".join(f"{name}={value}" for name, value in vars(finding).items())

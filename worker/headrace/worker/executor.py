"""Runs claimed jobs: decode → look up → check arguments → hooks and middleware → handler → outcome.

Nothing that a handler, a payload or a hook does leaves this file as an exception: every run ends in an Outcome.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any

from headrace.brokers.capabilities import Feature
from headrace.client.arguments import Checked
from headrace.client.codec import decode_arguments
from headrace.client.returns import decode_plain
from headrace.context import NO_META, Context, running
from headrace.contract.envelope import DeathRecord, Stored, UnreadableEnvelope, decode
from headrace.errors import PayloadError, UnknownTaskError
from headrace.hooks import HookName
from headrace.retry import GiveUp, RetryPolicy, after_failure
from headrace.worker.failures import describe, fingerprint, innermost_place, tidy_reason, traceback_text
from headrace.worker.outcome import ABANDONED, CANCELLED, DONE, Buried, Done, Outcome, Released, Retried
from headrace.worker.parts import Parts
from headrace.worker.plan import Plan
from headrace.worker.processes import Processes
from headrace.worker.progress import told_by
from headrace.worker.run import Run, Stop

HOOK_TIMEOUT = 10.0
"""Seconds for all the hooks that follow one run."""
UNKNOWN = "unknown"

Settle = Callable[[Run, Outcome, int], None]
"""Called once per run with its outcome and its service time in µs."""


class Executor:
    """One per queue. `running` holds the runs whose handlers have not ended."""

    def __init__(self, queue: str, parts: Parts, plans: Mapping[str, Plan], settle: Settle) -> None:
        self.running: dict[str, Run] = {}
        self.on_trial = False
        """As of the last exchange, this worker's version is on trial: it makes no dead letters."""
        self._queue = queue
        self._worker_id = parts.settings.worker_id
        self._max_retries = parts.settings.max_retries
        self._default_retry = RetryPolicy().with_defaults(parts.settings.retry_base, parts.settings.retry_cap)
        self._plans = plans
        self._hooks = parts.hooks
        self._unknown = parts.metrics.of(queue, UNKNOWN)
        self._telemetry = parts.telemetry
        self._settle = settle
        self._no_progress = parts.source.capabilities.refusal(Feature.PROGRESS, "context.progress()")
        self._loop = asyncio.get_running_loop()

    def start(self, run: Run, sid: str) -> None:
        """Begin a run; its end is told to `settle`."""
        self.running[run.id] = run
        run.task = self._loop.create_task(self._run(run, sid))

    def told(self, sid: str) -> bytes:
        """What the jobs of this session say of their progress. For any thread."""
        return told_by(self.running, sid)

    async def _run(self, run: Run, sid: str) -> None:
        started = run.started = monotonic()
        counts = self._unknown
        try:
            stored = decode(run.value)
        except UnreadableEnvelope as error:
            run.context = Context(job_id=run.id, queue=self._queue, task=UNKNOWN)
            self._telemetry.started(run, counts)
            outcome: Outcome = self._bury(run, UNKNOWN, "UnreadableEnvelope", error, 0)
        else:
            plan = self._plans.get(stored.task)
            if plan is not None:
                counts = plan.counts
            context = run.context = self._context(run, stored, plan, sid)
            running.set(context)
            timeout = stored.envelope.timeout or (plan.timeout if plan else 0.0)
            run.deadline = started + timeout
            self._telemetry.started(run, counts)
            try:
                outcome = await self._attempt(run, stored, plan)
            except BaseException as error:  # ours: it costs this job, never the slot it holds
                outcome = self._bury(run, stored.task, "InternalError", error, context.attempt)
        if run.stop is Stop.LOST:
            outcome = ABANDONED
        seconds = monotonic() - started
        self._telemetry.finished(run, counts, outcome, seconds)
        if self.running.get(run.id) is run:  # not when it was lost and is here again under a new claim
            del self.running[run.id]
        self._settle(run, outcome, int(seconds * 1e6))

    def _context(self, run: Run, stored: Stored, plan: Plan | None, sid: str) -> Context:
        envelope = stored.envelope
        own = plan.max_retries if plan else self._max_retries
        return Context(
            job_id=run.id,
            queue=self._queue,
            task=stored.task,
            attempt=stored.attempts + 1,
            max_retries=own if envelope.max_retries is None else envelope.max_retries,
            crashes=run.crashes,
            replays=stored.replays,
            worker_id=self._worker_id,
            sid=sid,
            correlation_id=envelope.correlation_id or run.id,
            meta=envelope.meta or NO_META,
            ready_ms=run.ready_us / 1000,
            _no_progress=self._no_progress,
        )

    async def _attempt(self, run: Run, stored: Stored, plan: Plan | None) -> Outcome:
        try:
            if run.stop is not None:
                raise asyncio.CancelledError
            if plan is None:
                raise UnknownTaskError(f"this worker has no task named {stored.task!r}")
            try:
                args, kwargs = plan.arguments.check(*_arguments(stored))
            except PayloadError as error:
                return await self._dead(run, stored.task, "InvalidPayload", error)
            for hook in self._hooks.named("on_job_start"):
                await hook(run.context)
            children = plan.children
            result = await (
                plan.call(run.context, args, kwargs)
                if children is None
                else _in_child(run, plan, children, args, kwargs)
            )
            outcome: Outcome = DONE
            if plan.keep is not None or stored.feeds:
                try:
                    outcome = _with_result(plan, stored, result)
                except PayloadError as error:
                    return await self._dead(run, stored.task, "InvalidResult", error)
            if self._hooks.named("on_job_complete"):
                await self._tell("on_job_complete", run)
            return outcome
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) or run.stop not in (None, Stop.TIMEOUT):
                return await self._stopped(run, plan, error)
            return await self._failed(run, plan, error)

    async def _stopped(self, run: Run, plan: Plan | None, error: BaseException) -> Outcome:
        """The run was cancelled: by us, for `run.stop`, or by the handler itself."""
        match run.stop:
            case Stop.LOST:
                return ABANDONED
            case Stop.CANCEL:
                return CANCELLED
            case Stop.SHUTDOWN:
                return Released(run.ready_us)
            case Stop.TIMEOUT:
                return await self._failed(run, plan, TimeoutError("the handler ran longer than its timeout"), error)
            case None:
                return await self._failed(run, plan, error)

    async def _failed(
        self, run: Run, plan: Plan | None, error: BaseException, origin: BaseException | None = None
    ) -> Outcome:
        context = run.context
        run.place = innermost_place(origin or error)
        policy = plan.retry if plan else self._default_retry
        try:
            verdict = after_failure(
                policy, error, failures=context.attempt, max_retries=context.max_retries, random=random.random
            )
        except BaseException as broken:  # the user's own backoff function
            error, verdict = broken, GiveUp("BackoffFailed")
        await self._tell("on_job_error", run, error)
        if isinstance(verdict, GiveUp):
            return await self._dead(run, context.task, verdict.reason, error)
        await self._tell("on_retry", run, error, verdict.delay)
        attempts = context.attempt if verdict.charged else context.attempt - 1
        return Retried(attempts, round(verdict.delay * 1000), describe(error))

    async def _dead(self, run: Run, task: str, reason: str, error: BaseException) -> Outcome:
        reason = tidy_reason(reason)
        if not self.on_trial:
            await self._tell("on_dead", run, error, reason)
        return self._bury(run, task, reason, error, run.context.attempt)

    def _bury(self, run: Run, task: str, reason: str, error: BaseException, attempts: int) -> Outcome:
        run.place = innermost_place(error)
        text = traceback_text(error)
        record = DeathRecord(describe(error), attempts, run.crashes, self._worker_id, monotonic() - run.started)
        return Buried(task, reason, record, attempts, fingerprint(text), text, self.on_trial)

    async def _tell(self, name: HookName, run: Run, *args: object) -> None:
        """Await hooks whose failure is theirs alone: it is logged and changes no outcome.

        Even a cancellation changes none any more: the handler has ended, and LOST is looked at once more at the end.
        """
        for hook in self._hooks.named(name):
            _uncancel()
            run.extend(HOOK_TIMEOUT)
            try:
                await hook(run.context, *args)
            except BaseException as error:
                self._telemetry.hook_failed(run, name, error)

    @property
    def oldest_start(self) -> float | None:
        """When the longest-running handler began, monotonic seconds; runs begin in the order of `running`."""
        first = next(iter(self.running.values()), None)
        return first.started or None if first is not None else None

    def stop_overdue(self) -> None:
        """Cancel the runs whose time is up; called a few times a second."""
        now = monotonic()
        for run in list(self.running.values()):
            if now > run.deadline and run.stop is None:
                run.cancel(Stop.TIMEOUT)

    def stop_all(self, why: Stop) -> None:
        """Cancel every run."""
        for run in list(self.running.values()):
            run.cancel(why)

    def stop_one(self, job_id: str, why: Stop) -> None:
        """Cancel one run, if it is here."""
        if run := self.running.get(job_id):
            run.cancel(why)


async def _in_child(run: Run, plan: Plan, children: Processes, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The start of a child has a limit of its own; the handler's time begins when one is ready."""
    left, run.deadline = run.deadline - monotonic(), math.inf
    async with children.ready():
        run.deadline = monotonic() + left
        return await plan.call(run.context, args, kwargs)


def _arguments(stored: Stored) -> Checked:
    """As the job has them: what a step before it in its workflow gives comes first. Raises PayloadError."""
    args, kwargs = decode_arguments(stored.envelope.codec, stored.envelope.payload)
    return (args, kwargs) if stored.given is None else ((decode_plain(stored.given), *args), kwargs)


def _with_result(plan: Plan, stored: Stored, result: object) -> Done:
    """Of a job whose result is kept, or passed on in its workflow. Raises PayloadError."""
    kept = plan.keep.done(result) if plan.keep is not None else DONE
    if not stored.feeds:
        return kept
    return plan.pass_on.done(result, kept, wanted=stored.wanted, attempts=stored.attempts + 1)


def _uncancel() -> None:
    """The cancellations were ours and have been heard; the hooks that follow may await."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()

"""What `job.result()` makes of a job's end."""

from __future__ import annotations

from typing import Any, assert_never

from headrace.client.returns import Returns
from headrace.contract.ending import CalledOff, Died, Ended, Gone, Kept
from headrace.errors import JobCancelledError, JobDeadError, ResultGoneError


def value_of(ending: Ended, job_id: str, returns: Returns) -> Any:
    """What `job.result()` returns. Raises JobDeadError, JobCancelledError or ResultGoneError, or PayloadError."""
    match ending:
        case Kept(result):
            return returns.decode(result)
        case Died(reason, error, attempts):
            raise JobDeadError(job_id, reason, error, attempts)
        case CalledOff():
            raise JobCancelledError(f"job {job_id} was called off")
        case Gone():
            raise ResultGoneError(
                f"job {job_id} has ended, and no result of it is kept: its task keeps none, its time is up "
                "(result_ttl, result_keep), or no such job was ever enqueued"
            )
    assert_never(ending)

"""The one error tree. A class says what the caller can do about it."""

from __future__ import annotations


class HeadraceError(Exception):
    """Anything that headrace raises on purpose."""


class UsageError(HeadraceError):
    """The caller gave something wrong; the message says what and how to mend it. The CLI exits with 2."""


class ConfigError(UsageError):
    """A setting, environment value or file is wrong."""


class PayloadError(UsageError):
    """A job's arguments don't fit the handler's annotations, can't be encoded, or are too large."""


class ConflictError(UsageError):
    """The idempotency key was used before, with other arguments; `job_id` is the first job's. Nothing was enqueued."""

    def __init__(self, message: str, job_id: str) -> None:
        super().__init__(message)
        self.job_id = job_id


class SetChangedError(UsageError):
    """The dead letters that a replay was approved for are not those any more, or it asks for others; `digest` is that
    of the present ones. Nothing was moved."""

    def __init__(self, approved: str, digest: str) -> None:
        super().__init__(
            f"letters, filter, max or max-replays differ from what {approved} was proposed for: look again; "
            f"the set is {digest} now"
        )
        self.digest = digest


class ConflictingEditError(UsageError):
    """Somebody else has replayed or edited the dead letter meanwhile. Nothing was changed."""


class UnknownTaskError(UsageError):
    """No task of that name is registered in this process."""


class JobNotFoundError(UsageError):
    """No job with that id waits, runs or is dead; finished jobs are remembered only with a result TTL."""


class ResultError(HeadraceError):
    """The job has no result to give; the subclass says why."""


class JobDeadError(ResultError):
    """The job is a dead letter. `reason`, `error` and `attempts` as in its record; a replay may still complete it."""

    def __init__(self, job_id: str, reason: str, error: str, attempts: int) -> None:
        super().__init__(f"job {job_id} is a dead letter after {attempts} failed runs: {reason}: {error}")
        self.job_id = job_id
        self.reason = reason
        self.error = error
        self.attempts = attempts


class JobCancelledError(ResultError):
    """The job was called off before it was done."""


class ResultGoneError(ResultError):
    """The job has ended and its result is not there: its time is up, newer ones took its place, or none was kept."""


class ResultTimeoutError(ResultError, TimeoutError):
    """The job had not ended in time; it goes on."""


class QueueUnavailableError(HeadraceError):
    """Redis can't be reached or refuses to serve; nothing was lost, try again later."""


class QueueFullError(QueueUnavailableError):
    """The enqueue was refused, by a Redis at maxmemory or by the queue's length limit; workers go on draining.

    `limit` and `room`: the queue's limit of waiting jobs and how many more it takes; None when Redis is full.
    """

    def __init__(self, message: str, *, limit: int | None = None, room: int | None = None) -> None:
        super().__init__(message)
        self.limit = limit
        self.room = room


class NotDurableError(QueueUnavailableError):
    """The jobs are in the queue, but the durability that was asked for was not reached in time: they may run, and they
    may be lost with the primary. Enqueue them again with the same job ids to be sure.
    """


class ProtocolError(HeadraceError):
    """This process speaks another protocol than the others on the queue; the message says which side to upgrade."""

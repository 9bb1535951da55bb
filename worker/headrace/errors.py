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


class UnknownTaskError(UsageError):
    """No task of that name is registered in this process."""


class JobNotFoundError(UsageError):
    """No job with that id waits, runs or is dead; finished jobs are remembered only with a result TTL."""


class QueueUnavailableError(HeadraceError):
    """Redis can't be reached or refuses to serve; nothing was lost, try again later."""


class QueueFullError(QueueUnavailableError):
    """Redis has reached maxmemory: the enqueue was refused; workers go on draining."""


class ProtocolError(HeadraceError):
    """This process speaks another protocol than the others on the queue; the message says which side to upgrade."""

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


class UnknownTaskError(UsageError):
    """No task of that name is registered in this process."""


class JobNotFoundError(UsageError):
    """No job with that id waits, runs or is dead; finished jobs are remembered only with a result TTL."""


class QueueUnavailableError(HeadraceError):
    """Redis can't be reached or refuses to serve; nothing was lost, try again later."""


class QueueFullError(QueueUnavailableError):
    """Redis has reached maxmemory: the enqueue was refused; workers go on draining."""


class NotDurableError(QueueUnavailableError):
    """The jobs are in the queue, but the durability that was asked for was not reached in time: they may run, and they
    may be lost with the primary. Enqueue them again with the same job ids to be sure.
    """


class ProtocolError(HeadraceError):
    """This process speaks another protocol than the others on the queue; the message says which side to upgrade."""

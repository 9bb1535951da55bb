"""What can go wrong beyond the seams. A class says what the caller can do."""

from __future__ import annotations

from headrace.errors import HeadraceError


class RuntimeUnavailableError(HeadraceError):
    """The place where workers run can't be reached or refuses; look and plan again later."""


class VersionNotFoundError(HeadraceError):
    """No such version there; ensure it first, or plan again from what exists."""


class VersionRefusedError(HeadraceError):
    """The place where workers run won't have this version as it is: its spec must change, or what forbids it there."""


class ObjectsUnavailableError(HeadraceError):
    """The place where WorkerQueues are kept can't be reached or refuses; try again later."""


class ObjectChangedError(HeadraceError):
    """The WorkerQueue is newer than the one that was read; its change is on the way, decide again with it."""


class ObjectGoneError(HeadraceError):
    """The WorkerQueue was deleted; its deletion is on the way."""


class HostNotAllowedError(HeadraceError):
    """The operator's settings keep it from connecting there; change the WorkerQueue or the settings."""


class SecretUnusableError(HeadraceError):
    """The Secret that a WorkerQueue names is missing, can't be read, or lacks the key; look again later."""

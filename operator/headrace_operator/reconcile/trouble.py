"""Why a queue's numbers are unknown, from the error that reading them raised. Pure."""

from __future__ import annotations

import socket

from headrace.errors import ConfigError, HeadraceError, ProtocolError, QueueFullError, QueueUnavailableError
from headrace_operator.api.redact import redact
from headrace_operator.core.observation import Unavailable, Unknown
from headrace_operator.seams.errors import HostNotAllowedError, SecretUnusableError

NOT_YET_READ = Unavailable(Unknown.NOT_YET_READ, "the queue has not been read yet")

_SIGNS = (
    ("refused the login", Unknown.ACCESS_DENIED),
    ("NOPERM", Unknown.ACCESS_DENIED),
    ("WRONGTYPE", Unknown.WRONG_DATA),
    ("can't serve now", Unknown.NOT_SERVING),
    (" within ", Unknown.TIMED_OUT),
)
"""What the wire's messages say, most telling first."""


def explain(error: Exception) -> Unavailable:
    """`error` as a value."""
    return Unavailable(_reason(error), redact(" ".join(str(error).split())) or type(error).__name__)


def _reason(error: Exception) -> Unknown:
    if isinstance(error, HostNotAllowedError):
        return Unknown.HOST_NOT_ALLOWED
    if isinstance(error.__cause__, socket.gaierror):
        return Unknown.NAME_NOT_RESOLVED
    return _reason_of_kind(error)


def _reason_of_kind(error: Exception) -> Unknown:
    by_sign = next((reason for sign, reason in _SIGNS if sign in str(error)), None)
    match error:
        case SecretUnusableError() | ConfigError():
            return Unknown.SECRET_UNUSABLE
        case ProtocolError():
            return Unknown.PROTOCOL_MISMATCH
        case QueueUnavailableError() if not isinstance(error, QueueFullError):
            return by_sign or Unknown.UNREACHABLE
        case HeadraceError():
            return by_sign or Unknown.NOT_SERVING
        case _:
            return Unknown.WRONG_DATA

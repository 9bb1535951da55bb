"""What the API server may answer instead of doing what it is asked. A class says what the caller can do."""

from __future__ import annotations

import json
from typing import Final

from headrace.errors import HeadraceError


class ApiError(HeadraceError):
    """The API server did not do it."""


class ApiUnavailableError(ApiError):
    """It can't be reached, is busy or failed; whether it did anything is unknown. Try again later."""


class ApiDeniedError(ApiError):
    """Our credentials may not do this; the message names verb and resource."""


class ApiNotFoundError(ApiError):
    """There is no such object, or no such kind of object."""


class ApiConflictError(ApiError):
    """The object is another one than was thought: changed since it was read, or there already."""


class ApiRefusedError(ApiError):
    """The request makes no sense to it; the same request never will."""


class ApiExpiredError(ApiError):
    """The resource version is too old to go on from; list again."""


class NotLeadingError(ApiError):
    """Another process may lead by now, so nothing was sent."""


_BY_STATUS: Final[dict[int, type[ApiError]]] = {
    401: ApiDeniedError,
    403: ApiDeniedError,
    404: ApiNotFoundError,
    409: ApiConflictError,
    410: ApiExpiredError,
    429: ApiUnavailableError,
}


def error_for(status: int, body: str, what: str) -> ApiError:
    """The error for an HTTP `status` of 400 or more; `what` was being done."""
    kind = _BY_STATUS.get(status, ApiUnavailableError if status >= 500 else ApiRefusedError)
    return kind(f"{what}: {_said(body) or f'HTTP {status}'}")


def _said(body: str) -> str:
    """The message of a Kubernetes Status, else the beginning of whatever came."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return " ".join(body.split())[:200]

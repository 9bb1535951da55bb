"""Keeps secrets out of whatever people are shown."""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(r"(\b[a-z][a-z0-9+.-]*://)\S*@", re.IGNORECASE)
_SECRET_PARAMETER = re.compile(r"([?&](?:password|username|ssl_password)=)[^&\s]*", re.IGNORECASE)


def redact(text: str) -> str:
    """`text` with the credentials of every URL in it replaced by `***`.

    Everything up to the last `@` of a URL goes, since passwords with unescaped `/` and `@` occur.
    """
    return _SECRET_PARAMETER.sub(r"\1***", _CREDENTIALS.sub(r"\1***@", text))


def for_people(text: str, most: int = 1024) -> str:
    """`text` as it may stand in a status or an event: one line, redacted, at most `most` characters."""
    line = " ".join(redact(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"

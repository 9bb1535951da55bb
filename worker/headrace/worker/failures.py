"""What is kept of a handler's error: bounded text, the place it came from, a fingerprint for equal tracebacks."""

from __future__ import annotations

import hashlib
import traceback
from pathlib import Path
from typing import Final

MAX_MESSAGE: Final = 500
"""Characters."""
MAX_TRACEBACK: Final = 8_000
"""Characters; the end is kept, where the error is."""
MAX_FRAMES: Final = 25
MAX_REASON: Final = 100
"""Characters."""

_OURS = str(Path(__file__).parent.parent)


def describe(error: BaseException) -> str:
    """Class and message."""
    name = type(error).__name__
    try:
        message = str(error)
    except Exception:
        message = "(its message can't be shown)"
    return writable(f"{name}: {message}")[:MAX_MESSAGE] if message else name


def writable(text: str) -> str:
    """Lone surrogates, as undecodable file names have them, can't be written as UTF-8; they become question marks."""
    return text.encode(errors="replace").decode()


def tidy_reason(reason: object) -> str:
    """A handler may bury with any object; a reason is a part of key names, where NUL and '|' are separators."""
    return writable(str(reason)).replace("\0", " ").replace("|", "/")[:MAX_REASON]


def innermost_place(error: BaseException) -> str:
    """`directory/file.py:line` of the innermost frame outside headrace, or of the innermost one."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        if not path.startswith(_OURS) or not place:
            place = writable(f"{'/'.join(Path(path).parts[-2:])}:{trace.tb_lineno}")
        trace = trace.tb_next
    return place


def traceback_text(error: BaseException) -> str:
    """The traceback without the error's message, so that runs failing alike share one text."""
    if remote := getattr(error, "remote_traceback", None):
        return writable(str(remote))[-MAX_TRACEBACK:]
    try:
        frames = traceback.extract_tb(error.__traceback__, limit=-MAX_FRAMES)
        lines = [*traceback.format_list(frames), type(error).__name__]
    except Exception:
        return type(error).__name__
    return writable("".join(lines))[-MAX_TRACEBACK:]


def fingerprint(text: str) -> str:
    """16 hex characters."""
    return hashlib.blake2s(text.encode(errors="replace"), digest_size=8).hexdigest()

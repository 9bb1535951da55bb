"""What a running worker's threads are doing: samples of their stacks, counted. Costs nothing until asked for."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from types import FrameType
from typing import Final

INTERVAL: Final = 0.005
"""Seconds between samples."""
LONGEST: Final = 60.0
DEEPEST: Final = 60
"""Frames of a stack that are kept, the innermost."""


def sample(seconds: float) -> list[str]:
    """Folded stacks (`outer;…;inner count`), most frequent first, as flame graph tools read them.

    Blocks for `seconds` (at most LONGEST): call it from a thread of its own, which is left out.
    """
    counts: Counter[str] = Counter()
    end = time.monotonic() + min(seconds, LONGEST)
    me = threading.get_ident()
    while time.monotonic() < end:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            if ident != me:
                counts[f"{names.get(ident, '?')};{_fold(frame)}"] += 1
        time.sleep(INTERVAL)
    return [f"{stack} {count}" for stack, count in counts.most_common()]


def _fold(frame: FrameType | None) -> str:
    stack: list[str] = []
    while frame is not None and len(stack) < DEEPEST:
        module = frame.f_globals.get("__name__", "?")
        stack.append(f"{module}.{frame.f_code.co_qualname}".replace(";", ":").replace(" ", ""))
        frame = frame.f_back
    return ";".join(reversed(stack))

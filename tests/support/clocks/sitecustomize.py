"""Python's start hook for workers on a machine whose clock is wrong: CLOCK_SKEW seconds are added to it.

Stands first on such a worker's PYTHONPATH, so that nothing has asked for the time before.
"""

from __future__ import annotations

import os
import time

_SKEW = float(os.environ["CLOCK_SKEW"])
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + _SKEW
time.time_ns = lambda: _time_ns() + int(_SKEW * 1e9)

"""What this machine can't do is said aloud: a skipped test, and a failed one where CI=true."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def leave_out(said: str) -> NoReturn:
    """Leave out the test that asks, or that asks for the fixture that asks; `said` is the reason."""
    if os.environ.get("CI") == "true":
        pytest.fail(said, pytrace=False)
    pytest.skip(said)

"""How many requests the API server was sent, by verb and answer."""

from __future__ import annotations

from collections import Counter
from typing import Final

Tally = Counter[tuple[str, str]]
"""(verb, code) → requests. The verb is HTTP's, or WATCH; the code is HTTP's status, or UNANSWERED."""

UNANSWERED: Final = "none"

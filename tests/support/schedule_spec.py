"""What somebody has written into a Schedule, in the words of its fields and none of headrace's types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from support import tick_ledger

Policy = Literal["Allow", "Forbid", "Replace"]


@dataclass(frozen=True)
class Spec:
    """One generation of it."""

    cron: str
    time_zone: str
    policy: Policy = "Allow"
    catch_up: Literal["None", "Latest", "All"] = "Latest"
    catch_up_max: int = 10
    deadline_s: int | None = None
    suspend: bool = False
    broken: bool = False
    """Its task is unknown to the workers."""
    generation: int = 1

    @property
    def timing(self) -> tuple[str, str]:
        """`@daily` and `0 0 * * *` are the same."""
        return tick_ledger.NAMED.get(self.cron, self.cron), self.time_zone

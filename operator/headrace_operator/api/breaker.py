"""When a fleet may not grow, because more workers would help nobody: the `spec.scaling.breaker` of a WorkerQueue."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from headrace_operator.api.part import Part


class Breaker(Part):
    """Stops growth while workers crash, find no node, or fail far more jobs than before. Takes no worker away."""

    enabled: bool = True
    """False lets the fleet grow whatever happens."""
    error_percent: Annotated[int, Field(ge=1, le=100)] = 50
    """By how many percentage points the share of failed runs may exceed what was usual; at 100 failed runs never
    stop growth."""
    runs: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    """Runs that must have ended within the window before their failures count for anything."""
    window_seconds: Annotated[int, Field(ge=10, le=3600)] = 300
    """Length of the window: older runs are those that tell what was usual."""
    unschedulable_seconds: Annotated[int, Field(ge=0, le=86_400)] = 300
    """How long a worker may wait for a node; longer than your cluster takes to add one. Without effect on a laptop."""
    cool_off_seconds: Annotated[int, Field(ge=1, le=86_400)] = 120
    """How long the reason must have been gone before the fleet grows again."""

"""What those who clear nodes may do to a fleet: the field `spec.disruption`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from headrace_operator.api.part import Part, Rule

MOST_UNAVAILABLE = 10_000
PERCENTAGE = "^(100|[1-9][0-9]?)%$"


def _number_or_text(given: object) -> int | str:
    if isinstance(given, bool) or not isinstance(given, int | str):
        raise PydanticCustomError("rule", "{problem}", {"field": "", "problem": "must be a number or a percentage"})
    return given


NumberOrPercentage = Annotated[
    int | str,
    PlainValidator(_number_or_text),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 8}),
]


def _is_amount(value: int | str) -> bool:
    if isinstance(value, int):
        return 1 <= value <= MOST_UNAVAILABLE
    return re.fullmatch(PERCENTAGE, value) is not None


class Disruption(Part):
    """What those who clear nodes (kubectl drain, autoscalers) may do to the fleet. Without effect on a laptop."""

    rules = (
        Rule(
            "maxUnavailable",
            f"type(self.maxUnavailable) == int ? self.maxUnavailable >= 1 && self.maxUnavailable <= {MOST_UNAVAILABLE}"
            f" : self.maxUnavailable.matches('{PERCENTAGE}')",
            f"must be a number from 1 to {MOST_UNAVAILABLE} or a percentage from 1% to 100%",
            lambda self: _is_amount(self.max_unavailable),
            ", got {maxUnavailable}",
        ),
    )
    pod_disruption_budget: bool = True
    """Keep a PodDisruptionBudget for the fleet's pods; false if you bring one of your own."""
    max_unavailable: NumberOrPercentage = 1
    """Workers that may be taken away at the same time: a number, or a percentage of all, rounded up."""
    protect_after_seconds: Annotated[int, Field(ge=1, le=86_400)] = 30
    """A worker with a job that has run so long is marked as not to be disrupted until that job has ended."""

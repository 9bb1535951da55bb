"""Which step of a plan is a scale-in that is aimed, and what the plan says while it takes its time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from headrace_operator.core.rollout import Phase, Plan, Scale
from headrace_operator.core.scale_in import Lowering
from headrace_operator.seams.runtime import VersionState


def apart(plan: Plan, versions: Sequence[VersionState], canary: str | None = None) -> tuple[Plan, Lowering | None]:
    """`plan` without the step that takes some but not all workers from the only version that serves.

    A canary stands beside it and takes over from nobody, so the others are aimed at as ever. Where all of a version go,
    or an old one makes room in a rollout, there is nothing to choose: preStop drains them.
    """
    serving = {version.hash: version.desired for version in versions if version.desired and version.hash != canary}
    for step in plan.steps:
        if isinstance(step, Scale) and len(serving) == 1 and 0 < step.replicas < serving.get(step.version, 0):
            others = tuple(one for one in plan.steps if one is not step)
            return replace(plan, steps=others), Lowering(step.version, step.replicas)
    return plan, None


def waiting(plan: Plan, message: str) -> Plan:
    """`plan` with what its scale-in waits for, unless something else matters more."""
    if not message:
        return plan
    match plan.phase:
        case Phase.SCALING:
            return replace(plan, message=message)
        case Phase.CANARY | Phase.ROLLED_BACK:
            return replace(plan, message=f"{plan.message}; {message}")
        case Phase.COMPLETE | Phase.ROLLING_OUT | Phase.FAILING:
            return plan
        case _:
            assert_never(plan.phase)

"""Which step of a plan is a scale-in that is aimed, and what the plan says while it takes its time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from headrace_operator.core.rollout import Phase, Plan, Scale
from headrace_operator.core.scale_in import Lowering
from headrace_operator.seams.runtime import VersionState


def apart(plan: Plan, versions: Sequence[VersionState]) -> tuple[Plan, Lowering | None]:
    """`plan` without the step that takes some but not all workers from the only version that has any.

    Where all of a version go, or an old one makes room in a rollout, there is nothing to choose: preStop drains them.
    """
    running = {version.hash: version.desired for version in versions if version.desired}
    for step in plan.steps:
        if isinstance(step, Scale) and len(running) == 1 and 0 < step.replicas < running.get(step.version, 0):
            others = tuple(one for one in plan.steps if one is not step)
            return replace(plan, steps=others), Lowering(step.version, step.replicas)
    return plan, None


def waiting(plan: Plan, message: str) -> Plan:
    """`plan` with what its scale-in waits for, unless something else matters more."""
    return replace(plan, message=message) if message and plan.phase is Phase.SCALING else plan

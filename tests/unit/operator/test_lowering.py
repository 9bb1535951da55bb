"""Which step of a plan is aimed, and what the plan says meanwhile."""

from __future__ import annotations

import pytest

from headrace_operator.core.lowering import apart, waiting
from headrace_operator.core.rollout import Create, Phase, Plan, Remove, Scale
from headrace_operator.core.scale_in import Lowering
from headrace_operator.seams.runtime import VersionState


def version(name: str, desired: int) -> VersionState:
    return VersionState(name, desired, desired, 0)


APART = [
    ("fewer of the only version", [version("v", 3)], (Scale("v", 2),), (), Lowering("v", 2)),
    ("none of it", [version("v", 3)], (Scale("v", 0),), (Scale("v", 0),), None),
    ("more", [version("v", 3)], (Scale("v", 4),), (Scale("v", 4),), None),
    ("old ones are on their way out", [version("v", 3), version("o", 0)], (Scale("v", 2), Remove("o")), (Remove("o"),),
     Lowering("v", 2)),
    ("a rollout", [version("v", 3), version("n", 1)], (Scale("v", 2),), (Scale("v", 2),), None),
    ("another takes its place", [version("v", 3)], (Create("n"), Scale("v", 0)), (Create("n"), Scale("v", 0)), None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("versions", "steps", "left", "lowering"), [case[1:] for case in APART], ids=[c[0] for c in APART]
)
def test_which_step_is_aimed(
    versions: list[VersionState], steps: tuple[Scale, ...], left: tuple[Scale, ...], lowering: Lowering | None
) -> None:
    plan, found = apart(Plan(steps, Phase.SCALING, "m"), versions)
    assert (plan.steps, found) == (left, lowering)


def test_a_canary_takes_over_from_nobody_so_the_others_are_aimed_at() -> None:
    beside = [version("v", 3), version("n", 1)]
    plan, found = apart(Plan((Scale("v", 2),), Phase.CANARY, "m"), beside, canary="n")
    assert (plan.steps, found) == ((), Lowering("v", 2))
    many = [version("v", 3), version("n", 4)]
    plan, found = apart(Plan((Scale("n", 3),), Phase.CANARY, "m"), many, canary="n")
    assert (plan.steps, found) == ((Scale("n", 3),), None), "it makes room for those that serve"


def test_what_a_scale_in_waits_for_does_not_hide_a_failure() -> None:
    assert waiting(Plan((), Phase.SCALING, "m"), "2 leave").message == "2 leave"
    assert waiting(Plan((), Phase.SCALING, "m"), "").message == "m"
    assert waiting(Plan((), Phase.FAILING, "no image"), "2 leave").message == "no image"
    assert waiting(Plan((), Phase.CANARY, "on trial"), "2 leave").message == "on trial; 2 leave"

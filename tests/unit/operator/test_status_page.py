"""docs/status.md names every condition, every reason and every annotation; docs/schedules.md those of Schedules."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import pytest

from headrace_operator.api import names
from headrace_operator.api.schedule_spec import ScheduleSpec
from headrace_operator.core.conditions import ConditionReason, ConditionType
from headrace_operator.core.decision import Reason
from headrace_operator.core.gate import GateReason
from headrace_operator.core.observation import Unknown
from headrace_operator.core.replay_request import ReplayPhase
from headrace_operator.core.schedule_events import RunNowPhase
from headrace_operator.core.schedule_verdict import ScheduleReason
from headrace_operator.core.trial import Stage

WORDS = (ConditionType, ConditionReason, Reason, Unknown, ReplayPhase, GateReason, Stage)
DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "status.md").read_text()
SCHEDULES = (DOCS / "schedules.md").read_text()


@pytest.mark.parametrize("word", sorted({word for words in WORDS for word in words}))
def test_every_word_is_explained(word: StrEnum) -> None:
    assert word in PAGE


@pytest.mark.parametrize(
    "annotation",
    [
        names.REPLAY_ANNOTATION,
        names.REPLAY_ID_ANNOTATION,
        names.PAUSED_ANNOTATION,
        names.PROTECTED_ANNOTATION,
        names.RUN_NOW_ANNOTATION,
        names.RUN_NOW_ID_ANNOTATION,
    ],
)
def test_every_annotation_is_explained(annotation: str) -> None:
    assert f"`{annotation}`" in PAGE


@pytest.mark.parametrize("word", [*ScheduleReason, *RunNowPhase])
def test_every_word_of_a_schedule_is_explained(word: StrEnum) -> None:
    assert word in SCHEDULES


@pytest.mark.parametrize("field", [field.alias for field in ScheduleSpec.model_fields.values()])
def test_every_field_of_a_schedule_is_explained(field: str) -> None:
    assert f"`{field}`" in SCHEDULES

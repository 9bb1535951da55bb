"""docs/status.md names every condition, every reason and every annotation."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import pytest

from headrace_operator.api import names
from headrace_operator.core.conditions import ConditionReason, ConditionType
from headrace_operator.core.decision import Reason
from headrace_operator.core.gate import GateReason
from headrace_operator.core.observation import Unknown
from headrace_operator.core.replay_request import ReplayPhase
from headrace_operator.core.trial import Stage

WORDS = (ConditionType, ConditionReason, Reason, Unknown, ReplayPhase, GateReason, Stage)
PAGE = (Path(__file__).parents[3] / "docs" / "status.md").read_text()


@pytest.mark.parametrize("word", sorted({word for words in WORDS for word in words}))
def test_every_word_is_explained(word: StrEnum) -> None:
    assert word in PAGE


@pytest.mark.parametrize(
    "annotation",
    [names.REPLAY_ANNOTATION, names.REPLAY_ID_ANNOTATION, names.PAUSED_ANNOTATION, names.PROTECTED_ANNOTATION],
)
def test_every_annotation_is_explained(annotation: str) -> None:
    assert f"`{annotation}`" in PAGE

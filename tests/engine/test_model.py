"""The Lua against a plain Python model, in random histories: the core by itself, and with every feature.

HYPOTHESIS_PROFILE=soak runs many more and longer ones.
"""

from __future__ import annotations

import os

import pytest

from support.feature_machine import FeatureMachine
from support.histories import run_machine
from support.queue_machine import QueueMachine

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
STEPS = 120 if SOAK else 60


@pytest.mark.timeout(0 if SOAK else 180)
def test_the_lua_does_what_the_model_says(redis_url: str) -> None:
    run_machine(QueueMachine, redis_url, examples=2_000 if SOAK else 100, steps=STEPS)


@pytest.mark.timeout(0 if SOAK else 300)
def test_with_limits_unique_keys_results_ticks_and_a_length_limit(redis_url: str) -> None:
    run_machine(FeatureMachine, redis_url, examples=1_000 if SOAK else 60, steps=STEPS)

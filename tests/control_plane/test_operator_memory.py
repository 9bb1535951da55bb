"""The operator's memory at dead letters, with few of them; `python -m tests.soak operator-memory` has a million."""

from __future__ import annotations

from pathlib import Path

import pytest

from soak import operator_memory
from support.control_plane import ControlPlane
from support.kube_client import KubeClient


async def test_letters_cost_the_operator_nothing(
    control_plane: ControlPlane, namespace: str, account: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_memory, "LOOK_SECONDS", 1.0)
    kube = KubeClient(control_plane, namespace)
    verdict = await operator_memory.measure(kube, account, tmp_path, letters=2_000, replayed=300)
    assert verdict.sound, verdict

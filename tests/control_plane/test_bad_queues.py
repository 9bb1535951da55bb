"""What `headrace dev` refuses the API server refuses too, and in words; what one accepts, so does the other."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from headrace.errors import ConfigError
from headrace_operator.api.worker_queue import load_worker_queue
from headrace_operator.objects.documents import read_documents
from support.bad_queues import BAD, BAD_KIND, GOOD, Case
from support.control_plane import ControlPlane
from support.helm import ROOT
from support.kubectl import KubectlFailed

EXAMPLES = sorted((ROOT / "examples").glob("*/queue*.yaml"))


def send(plane: ControlPlane, case: Case) -> str:
    """Create it for the sake of the answer only."""
    return plane.kubectl(
        "create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(case.document())
    )


@pytest.mark.parametrize("case", [*BAD, *BAD_KIND], ids=lambda case: case.name)
def test_a_bad_queue_is_refused_by_both_in_words(control_plane: ControlPlane, crds: None, case: Case) -> None:
    with pytest.raises(ConfigError) as here:
        load_worker_queue(case.document())
    with pytest.raises(KubectlFailed) as there:
        send(control_plane, case)
    assert any(word in str(there.value) for word in _words(str(here.value))), f"{here.value} <> {there.value}"


def _words(refusal: str) -> list[str]:
    """What the API server's own words have to name one of: the field, or what it is part of."""
    path = re.split(r"[.\[]", refusal.split(":", maxsplit=1)[0])
    # kubectl knows which kinds there are without asking.
    return ["no matches for kind", "kind"] if path[0] in ("apiVersion", "kind") else path[-2:]


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_a_good_queue_is_accepted_by_both(control_plane: ControlPlane, crds: None, case: Case) -> None:
    load_worker_queue(case.document())
    assert "created" in send(control_plane, case)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_are_accepted(control_plane: ControlPlane, namespace: str, crds: None, path: Path) -> None:
    found = read_documents(path)
    assert {one.problem for one in found.queues} | {one.problem for one in found.schedules} == {""}
    assert "created" in control_plane.kubectl("apply", f"--namespace={namespace}", "-f", str(path))

"""The cluster of a soak, made as the tests make theirs."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from e2e.harness.preparation import docker_with_images, load_earlier_operator, programs, three_nodes
from e2e.harness.steps import Steps
from e2e.scenarios.cluster import Cluster
from pytest_kubernetes.providers import select_provider_manager


@contextmanager
def soaking_cluster(*, earlier: bool) -> Iterator[Cluster]:
    """Three nodes; `earlier`: with the operator of the release before. Changes DOCKER_HOST and PATH of this process.

    Raises ScriptError, MachineUnfitError.
    """
    os.environ["DOCKER_HOST"] = docker_with_images()
    os.environ["PATH"] = programs() + os.environ["PATH"]
    steps = Steps(lambda line: print(line, file=sys.stderr, flush=True))
    with three_nodes(lambda: select_provider_manager("kind")(f"headrace-soak-{secrets.token_hex(2)}"), steps) as found:
        if earlier:
            load_earlier_operator(found)
        yield found

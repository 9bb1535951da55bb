"""What a run on a cluster needs, step by step, for tests and soaks alike.

HEADRACE_E2E_KUBECONFIG names a cluster to use and keep. Every function raises ScriptError or MachineUnfitError; setting
the environment, and putting it back, is the caller's affair.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from e2e.harness.kind_cluster import as_admin, load_images, new_cluster
from e2e.harness.machine import MachineUnfitError, run_script
from e2e.harness.steps import Steps
from e2e.scenarios.cluster import Cluster
from e2e.scenarios.upgrade import BEFORE, BEFORE_IMAGE
from pytest_kubernetes.providers.base import AClusterManager

from support.earlier_release import HistoryMissing, unpack
from support.helm import ROOT

KEPT: Final = "HEADRACE_E2E_KUBECONFIG"
BUILD_SECONDS: Final = 2400


def docker_with_images() -> str:
    """DOCKER_HOST of a daemon that has what scripts/images.sh builds."""
    host = run_script("e2e/docker/start.sh", seconds=BUILD_SECONDS)
    run_script("scripts/images.sh", "--e2e", seconds=BUILD_SECONDS)
    return host


def programs() -> str:
    """What to put before PATH to have kind, kubectl and helm on it."""
    return run_script("e2e/programs.sh", seconds=BUILD_SECONDS)


@contextmanager
def three_nodes(manager: Callable[[], AClusterManager], steps: Steps) -> Iterator[Cluster]:
    """With the images and the CRDs; deleted at the end unless it is one to keep."""
    if kept := os.environ.get(KEPT):
        yield _furnished(as_admin(Path(kept)), steps)
        return
    with steps("the node's image"):
        image = run_script("e2e/node/build.sh", seconds=BUILD_SECONDS)
    with ExitStack() as stack:
        with steps("three nodes"):
            cluster = stack.enter_context(new_cluster(manager(), image))
        yield _furnished(cluster, steps)


def _furnished(cluster: Cluster, steps: Steps) -> Cluster:
    with steps("images onto the nodes"):
        load_images(cluster)
    cluster.kubectl("apply", "--server-side", "--force-conflicts", f"-f={ROOT / 'crds'}")
    return cluster


def load_earlier_operator(cluster: Cluster) -> None:
    """Put the operator of the release before on the nodes."""
    with tempfile.TemporaryDirectory(prefix="headrace-before-") as folder:
        try:
            unpack(BEFORE, Path(folder))
        except HistoryMissing as exc:
            raise MachineUnfitError(f"{exc}; fetch the whole history") from exc
        run_script("e2e/images/earlier-operator.sh", folder, BEFORE_IMAGE, seconds=BUILD_SECONDS)
    load_images(cluster, BEFORE_IMAGE)

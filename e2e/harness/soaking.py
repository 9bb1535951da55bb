"""The cluster of a soak, made as the tests make theirs; a soak is no test: an unfit machine is an error of its own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from e2e.harness.kind_cluster import as_admin, load_images, new_cluster
from e2e.harness.machine import run_script
from e2e.scenarios.cluster import Cluster
from e2e.scenarios.upgrade import BEFORE
from pytest_kubernetes.providers import select_provider_manager

from support.helm import ROOT

KEPT: Final = "HEADRACE_E2E_KUBECONFIG"
BUILD_SECONDS: Final = 2400


class MachineUnfit(Exception):  # noqa: N818 - a state of the machine, not a mistake
    """There can be no cluster here; the message says why."""


@contextmanager
def soaking_cluster() -> Iterator[Cluster]:
    """Three nodes with all images and the CRDs. Changes DOCKER_HOST and PATH of this process. Raises MachineUnfit."""
    try:
        image = _prepare()
    except (pytest.skip.Exception, pytest.fail.Exception) as exc:
        raise MachineUnfit(str(exc)) from exc
    if kept := os.environ.get(KEPT):
        yield _furnished(as_admin(Path(kept)))
        return
    with new_cluster(select_provider_manager("kind")(f"headrace-soak-{secrets.token_hex(2)}"), image) as cluster:
        yield _furnished(cluster)


def _prepare() -> str:
    """Docker, programs and images; the node's image."""
    os.environ["DOCKER_HOST"] = run_script("e2e/docker/start.sh", seconds=BUILD_SECONDS)
    os.environ["PATH"] = run_script("e2e/programs.sh", seconds=BUILD_SECONDS) + os.environ["PATH"]
    run_script("scripts/images.sh", "--e2e", seconds=BUILD_SECONDS)
    return "" if KEPT in os.environ else run_script("e2e/node/build.sh", seconds=BUILD_SECONDS)


def _furnished(cluster: Cluster) -> Cluster:
    load_images(cluster)
    load_images(cluster, run_script("e2e/images/old-operator.sh", BEFORE, seconds=BUILD_SECONDS))
    cluster.kubectl("apply", "--server-side", "--force-conflicts", f"-f={ROOT / 'crds'}")
    return cluster

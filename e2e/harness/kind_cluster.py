"""kind clusters, made through pytest-kubernetes: three nodes for a session, or those that a developer keeps.

Owns making, loading and deleting them. What runs in them is the scenarios' affair.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Final

from e2e.harness.machine import ROOT, ScriptError
from e2e.scenarios.cluster import Cluster
from pytest_kubernetes.options import ClusterOptions
from pytest_kubernetes.providers.base import AClusterManager

NODES: Final = ROOT / "e2e" / "kind" / "three-nodes.yaml"
READY_SECONDS: Final = 180
LOAD_SECONDS: Final = 600


@contextmanager
def new_cluster(manager: AClusterManager, image: str) -> Iterator[Cluster]:
    """Three nodes made of `image`, deleted with their volumes at the end. Raises ScriptError."""
    with tempfile.TemporaryDirectory(prefix="headrace-e2e-") as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        try:
            _create(manager, image, kubeconfig)
            yield as_admin(kubeconfig)
        finally:
            manager.delete()


def as_admin(kubeconfig: Path) -> Cluster:
    """A cluster that exists. Raises ScriptError where kubectl or helm is not on PATH."""
    return Cluster(kubeconfig, _program("kubectl"), _program("helm"))


def load_images(cluster: Cluster, *images: str) -> None:
    """Give the nodes these images, or else the cluster's, as Docker has them now. Raises ScriptError, KubectlFailed."""
    context = cluster.kubectl("config", "current-context").strip()
    _run(
        "kind", "load", "docker-image", f"--name={context.removeprefix('kind-')}", *(images or astuple(cluster.images))
    )


def _create(manager: AClusterManager, image: str, kubeconfig: Path) -> None:
    options = [f"--name={manager.cluster_name}", f"--image={image}", f"--wait={READY_SECONDS}s"]
    wanted = ClusterOptions(kubeconfig_path=kubeconfig, provider_config=NODES, cluster_timeout=2 * READY_SECONDS)
    try:
        manager.create(wanted, timeout=READY_SECONDS, options=options)
    except subprocess.CalledProcessError as exc:
        raise ScriptError(f"kind made no cluster:\n{exc.stderr.decode().strip()}") from exc


def _program(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise ScriptError(f"no {name} on PATH")
    return Path(found)


def _run(name: str, *arguments: str) -> None:
    done = subprocess.run(
        [_program(name), *arguments], capture_output=True, text=True, timeout=LOAD_SECONDS, check=False
    )
    if done.returncode != 0:
        raise ScriptError(f"{name} {' '.join(arguments)}:\n{done.stderr.strip()}")

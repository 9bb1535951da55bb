"""Where Kubernetes' own programs are: asks e2e/kubernetes/build.sh, which builds what is missing."""

from __future__ import annotations

import subprocess
from pathlib import Path

BUILD = Path(__file__).resolve().parents[2] / "e2e" / "kubernetes" / "build.sh"
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
BUILD_SECONDS = 1800


class ProgramsUnavailable(Exception):
    """This machine can't build them; the message is one line that says why."""


def kubernetes_programs(*names: str) -> Path:
    """The folder that holds the programs `names`; takes minutes when they are not built yet."""
    try:
        built = subprocess.run(
            ["bash", str(BUILD), *names], capture_output=True, text=True, timeout=BUILD_SECONDS, check=True
        )
    except subprocess.TimeoutExpired as exc:
        raise ProgramsUnavailable(f"{BUILD.name} took more than {BUILD_SECONDS} s") from exc
    except subprocess.CalledProcessError as exc:
        said = exc.stderr.strip().splitlines() or [f"{BUILD.name} exited with {exc.returncode}"]
        raise ProgramsUnavailable(said[-1]) from exc
    return Path(built.stdout.splitlines()[-1])

"""The chart's manifests as helm renders them; helm is built by e2e/helm/build.sh when it is missing."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from support.kubernetes_programs import ProgramsUnavailable

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "headrace"
BUILD = ROOT / "e2e" / "helm" / "build.sh"
BUILD_SECONDS = 900
RUN_SECONDS = 60


class HelmFailed(Exception):
    """helm exited with another code than 0; the message is what it said."""


def find_helm() -> Path:
    """Its path; takes a minute or two when it is not built yet. Raises ProgramsUnavailable."""
    try:
        built = subprocess.run(["bash", str(BUILD)], capture_output=True, text=True, timeout=BUILD_SECONDS, check=True)
    except subprocess.TimeoutExpired as exc:
        raise ProgramsUnavailable(f"building helm took more than {BUILD_SECONDS} s") from exc
    except subprocess.CalledProcessError as exc:
        said = exc.stderr.strip().splitlines() or [f"{BUILD} exited with {exc.returncode}"]
        raise ProgramsUnavailable(said[-1]) from exc
    return Path(built.stdout.splitlines()[-1]) / "helm"


def helm(program: Path, *arguments: str, seconds: float = RUN_SECONDS) -> str:
    """What `helm arguments…` prints within `seconds`. Raises HelmFailed."""
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode != 0:
        raise HelmFailed(f"helm {' '.join(arguments)}: {done.stderr.strip()}{done.stdout.strip()}")
    return done.stdout


def render(
    program: Path, namespace: str, *settings: str, kinds: Sequence[str] = (), kubernetes: str | None = None
) -> list[dict[str, Any]]:
    """Every manifest of a release called `headrace`; `settings` are like `watchAll=true`.

    `kinds` are what the cluster has beside Kubernetes' own, as group/version/Kind; `kubernetes` is its version.
    """
    chosen = [f"--set={setting}" for setting in settings]
    chosen += [f"--api-versions={kind}" for kind in kinds]
    chosen += [f"--kube-version={kubernetes}"] if kubernetes else []
    text = helm(program, "template", "headrace", str(CHART), f"--namespace={namespace}", *chosen)
    return [document for document in yaml.safe_load_all(text) if document]

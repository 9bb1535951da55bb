"""One call of kubectl, with a deadline."""

from __future__ import annotations

import subprocess
from pathlib import Path

SECONDS = 60.0


class KubectlFailed(Exception):
    """kubectl exited with another code than 0; the message is what it said."""


def run_kubectl(
    program: Path, kubeconfig: Path, *arguments: str, stdin: str | None = None, seconds: float = SECONDS
) -> str:
    """What `kubectl arguments…` prints, as `kubeconfig` says, within `seconds`. Raises KubectlFailed."""
    # What kubectl learns of an API server goes with the folder of its credentials.
    command = [str(program), f"--kubeconfig={kubeconfig}", f"--cache-dir={kubeconfig.parent / 'cache'}", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode != 0:
        raise KubectlFailed(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout

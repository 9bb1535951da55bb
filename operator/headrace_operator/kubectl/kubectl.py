"""kubectl itself, as a child process: it finds the cluster and logs in as it always does, whatever that takes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from headrace.errors import HeadraceError, UsageError

Json = dict[str, Any]
SECONDS: Final = 60.0
"""For an answer of the API server."""
_REMOTE_CODE: Final = re.compile(r"command terminated with exit code \d+\s*")


class KubectlError(HeadraceError):
    """kubectl could not do it; the message is what it said."""


class Kubectl:
    """Speaks to one cluster about one namespace."""

    def __init__(self, connection: Sequence[str] = (), namespace: str | None = None) -> None:
        """`connection`: options for every call; `namespace`: None for that of the context. Raises UsageError."""
        program = shutil.which("kubectl")
        if program is None:
            raise UsageError("there is no kubectl on the PATH")
        self._command = [program, *connection]
        self.namespace = namespace or self._contexts_namespace()

    def in_namespace(self, namespace: str) -> Kubectl:
        """The same cluster, about another namespace."""
        return Kubectl(self._command[1:], namespace)

    def run(self, *arguments: str) -> str:
        """What `kubectl arguments…` prints. Raises KubectlError."""
        try:
            done = subprocess.run(
                [*self._command, f"--namespace={self.namespace}", *arguments],
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise KubectlError(f"kubectl {arguments[0]} had no answer in {SECONDS:g} s") from None
        if done.returncode != 0:
            raise KubectlError(" ".join(done.stderr.split()) or f"kubectl {arguments[0]} failed")
        return done.stdout

    def get(self, *what: str) -> Json:
        """An object, or a list. Raises KubectlError."""
        found: Json = json.loads(self.run("get", *what, "-o=json"))
        return found

    def lines(self, *arguments: str) -> Iterator[str]:
        """What `kubectl arguments…` prints, line by line, however long it takes; complaints are left to stderr."""
        with subprocess.Popen(
            [*self._command, f"--namespace={self.namespace}", *arguments], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            yield from child.stdout

    def exec(self, pod: str, command: Sequence[str], *, stdin: bool) -> int:
        """Run a command in the operator's container, at this terminal if there is one; returns its exit code."""
        terminal = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
        options = ["--stdin", "--tty"] if terminal else ["--stdin"] if stdin else []
        whole = [*self._command, f"--namespace={self.namespace}", "exec", pod, "--container=operator", *options, "--"]
        with subprocess.Popen([*whole, *command], stderr=subprocess.PIPE, text=True) as child:
            assert child.stderr is not None
            with suppress(KeyboardInterrupt):  # it has had the signal, too
                for line in child.stderr:
                    if not _REMOTE_CODE.fullmatch(line):  # kubectl's word for an exit code that we pass on
                        sys.stderr.write(line)
                        sys.stderr.flush()
        return child.returncode

    def ask(self, pod: str, command: Sequence[str]) -> str:
        """What a command in the operator's container prints. Raises KubectlError."""
        return self.run("exec", pod, "--container=operator", "--", *command)

    def _contexts_namespace(self) -> str:
        asked = [*self._command, "config", "view", "--minify", "--output=jsonpath={..namespace}"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=SECONDS, check=False)
        return done.stdout.strip() or "default"

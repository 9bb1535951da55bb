"""A kubectl for `kubectl headrace` where no kubelet serves exec and logs: those two are done here, all else by kubectl.

A program of its own, first on the PATH of the plugin under test. HOP_KUBECTL is the real one; HOP_ENVIRON, as JSON,
what a container of the operator has for its environment; HOP_LOGS the folder with a log for each pod; HOP_CALLS a file
to which each exec's command is added. As kubectl does, it says on stderr with which code a command there has ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(sys.executable).parent


def main(arguments: list[str]) -> int:
    verbs = [word for word in arguments if not word.startswith("-")]
    match verbs[:1]:
        case ["exec"]:
            return _exec(arguments[arguments.index("--") + 1 :], stdin="--stdin" in arguments)
        case ["logs"]:
            sys.stdout.write((Path(os.environ["HOP_LOGS"]) / f"{verbs[1]}.log").read_text())
            return 0
        case _:
            program = os.environ["HOP_KUBECTL"]
            return subprocess.run([program, *arguments], check=False).returncode


def _exec(command: list[str], *, stdin: bool) -> int:
    with open(os.environ["HOP_CALLS"], "a", encoding="utf-8") as calls:
        calls.write(json.dumps(command) + "\n")
    environ = {"PATH": os.environ["PATH"], **json.loads(os.environ["HOP_ENVIRON"])}
    program = str(PROGRAMS / command[0])
    ran = subprocess.run([program, *command[1:]], env=environ, stdin=None if stdin else subprocess.DEVNULL, check=False)
    if ran.returncode:
        print(f"command terminated with exit code {ran.returncode}", file=sys.stderr)
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

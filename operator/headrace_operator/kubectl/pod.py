"""The way through the operator's pod: finds one, and runs `headrace` there on the queues of a WorkerQueue."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, Final

from headrace_operator.kubectl.kubectl import Kubectl, KubectlError
from headrace_operator.kubectl.words import Call

NAMESPACE_VARIABLE: Final = "HEADRACE_OPERATOR_NAMESPACE"
_DEFAULT: Final = "headrace"
_SELECTOR: Final = "app.kubernetes.io/name=headrace-operator"


class OperatorPod:
    """One of the operator's pods. Any of them will do: none needs to lead."""

    def __init__(self, kubectl: Kubectl, name: str) -> None:
        self._kubectl = kubectl
        self._name = name

    def run(self, call: Call, namespace: str) -> int:
        """The call's verb, at this terminal; its exit code."""
        words = call.verb.split()
        return self._kubectl.exec(
            self._name, _command(call, namespace, [*words, *call.rest]), stdin="-" in call.rest or words[-1] == "import"
        )

    def ask(self, call: Call, namespace: str, *words: str) -> Any:
        """The document that another verb on the same WorkerQueue prints. Raises KubectlError."""
        return json.loads(self._kubectl.ask(self._name, _command(call, namespace, [*words, "--output=json"])))

    def tell(self, call: Call, namespace: str, *words: str) -> None:
        """Another verb on the same WorkerQueue, for its effect. Raises KubectlError."""
        self._kubectl.ask(self._name, _command(call, namespace, words))


def find_pod(kubectl: Kubectl, named: str | None) -> OperatorPod:
    """A ready one in the namespace `named`, else in that of the environment. Raises KubectlError."""
    there = kubectl.in_namespace(named or os.environ.get(NAMESPACE_VARIABLE) or _DEFAULT)
    for pod in there.get("pods", f"--selector={_SELECTOR}")["items"]:
        if "deletionTimestamp" not in pod["metadata"] and _is_ready(pod):
            return OperatorPod(there, pod["metadata"]["name"])
    raise KubectlError(
        f"no operator is ready in namespace {there.namespace}; say where it is with --operator-namespace or "
        f"{NAMESPACE_VARIABLE}"
    )


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _command(call: Call, namespace: str, words: Sequence[str]) -> list[str]:
    """The chart's admission policy reads it by position."""
    name = f"{namespace}/{call.named}" + (f"/{call.queue}" if call.queue else "")
    return ["headrace-operator", "cli", name, *words]

"""A Kubernetes Event about one of our objects, as a value. No I/O."""

from __future__ import annotations

import secrets
from typing import Any, Final

from headrace_operator.api.names import API_VERSION, ObjectKey
from headrace_operator.api.redact import redact
from headrace_operator.core.clock import timestamp
from headrace_operator.seams.objects import EventKind

COMPONENT: Final = "headrace-operator"
MESSAGE_LENGTH: Final = 1024


def event(
    what: str, key: ObjectKey, uid: str, kind: EventKind, reason: str, message: str, *, instance: str, now: float
) -> dict[str, Any]:
    """What to create; `what` is the object's kind, `instance` the pod that reports, `now` Unix time in seconds."""
    time = timestamp(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{key.name}.{secrets.token_hex(8)}", "namespace": key.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": what,
            "namespace": key.namespace,
            "name": key.name,
            "uid": uid,
        },
        "type": kind.value,
        "reason": reason,
        "message": redact(message)[:MESSAGE_LENGTH],
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
        "source": {"component": COMPONENT, "host": instance},
        "reportingComponent": COMPONENT,
        "reportingInstance": instance,
    }

"""WorkerQueues that nobody may have, and good ones. `headrace dev` and the API server must agree on each.

A case changes the good document at dotted paths (`spec.queues.0.name`); REMOVE takes a field away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

REMOVE: Final = object()


@dataclass(frozen=True)
class Case:
    """One document, and what is said about it."""

    name: str
    patch: Mapping[str, object]
    says: str = ""
    """Part of the one line with which load_worker_queue refuses it; empty for a document that is accepted."""

    def document(self) -> dict[str, Any]:
        """The document, to be written or sent as it is."""
        return patched(good_queue(), self.patch)


def good_queue() -> dict[str, Any]:
    """A WorkerQueue with most fields given."""
    return {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "WorkerQueue",
        "metadata": {"name": "emails", "namespace": "default", "labels": {"team": "post"}},
        "spec": {
            "redis": {"url": "redis://redis.default.svc:6379/0"},
            "queues": [{"name": "emails", "weight": 3}, {"name": "receipts"}],
            "worker": {
                "app": "mail.tasks:app",
                "image": "example.org/mail:1.2",
                "concurrency": 20,
                "env": [
                    {"name": "LOG_LEVEL", "value": "info"},
                    {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "mail", "key": "token"}}},
                ],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
            },
            "scaling": {"minReplicas": 0, "maxReplicas": 8, "backlogPerReplica": 50},
            "drain": {"graceSeconds": 20},
        },
    }


def patched(document: dict[str, Any], patch: Mapping[str, object]) -> dict[str, Any]:
    """`document`, changed in place at each dotted path of `patch`."""
    for path, value in patch.items():
        steps: list[Any] = [int(step) if step.isdigit() else step for step in path.split(".")]
        *parents, last = steps
        place: Any = document
        for step in parents:
            place = place[step] if isinstance(place, list) else place.setdefault(step, {})
        if value is REMOVE:
            del place[last]
        else:
            place[last] = value
    return document


def _queues(count: int) -> list[dict[str, str]]:
    return [{"name": f"queue-{index}"} for index in range(count)]


_BOTH_SOURCES = {"secretKeyRef": {"name": "a", "key": "b"}, "configMapKeyRef": {"name": "a", "key": "b"}}

BAD: Final = (
    Case("name in capitals", {"metadata.name": "Emails"}, "metadata.name: must"),
    Case("name with a dot", {"metadata.name": "e.mails"}, "metadata.name: must"),
    Case("name too long", {"metadata.name": "e" * 53}, "metadata.name: must have at most 52"),
    Case("unknown field at the top", {"spce": {}}, "spce: unknown field, did you mean spec?"),
    Case("unknown field in metadata", {"metadata.nmae": "x"}, "metadata.nmae: unknown field"),
    Case("label that is a number", {"metadata.labels.team": 5}, "metadata.labels.team: must be a string"),
    Case("no spec", {"spec": REMOVE}, "spec: is required"),
    Case("spec is a list", {"spec": []}, "spec: must be a mapping"),
    Case("unknown field in spec", {"spec.queue": []}, "spec.queue: unknown field, did you mean queues?"),
    Case(
        "snake case",
        {"spec.scaling.max_replicas": 3},
        "spec.scaling.max_replicas: unknown field, did you mean max",
    ),
    Case(
        "unknown field deep down",
        {"spec.worker.env.1.valueFrom.secretKeyRef.kye": "x"},
        "secretKeyRef.kye: unknown",
    ),
    Case("no redis", {"spec.redis": REMOVE}, "spec.redis: is required"),
    Case("redis is null", {"spec.redis": None}, "spec.redis: is required"),
    Case(
        "redis without url",
        {"spec.redis.url": REMOVE},
        "spec.redis: needs exactly one of url and urlSecretRef",
    ),
    Case(
        "redis with two urls",
        {"spec.redis.urlSecretRef": {"name": "a", "key": "b"}},
        "spec.redis: needs exactly one",
    ),
    Case("redis url of http", {"spec.redis.url": "http://redis"}, "spec.redis.url: must be a URL like redis://"),
    Case("redis url with a space", {"spec.redis.url": "redis://a b"}, "spec.redis.url: must be a URL"),
    Case(
        "secret without key",
        {"spec.redis": {"urlSecretRef": {"name": "a"}}},
        "spec.redis.urlSecretRef.key: is required",
    ),
    Case(
        "secret with a bad name",
        {"spec.redis": {"urlSecretRef": {"name": "A b", "key": "url"}}},
        "spec.redis.urlSecretRef.name: must be lower-case",
    ),
    Case("tls without rediss", {"spec.redis.tls": {}}, "spec.redis.tls: needs a url that begins with rediss://"),
    Case(
        "tls that is a word",
        {"spec.redis": {"url": "rediss://a", "tls": {"insecureSkipVerify": "yes please"}}},
        "spec.redis.tls.insecureSkipVerify: must be true or false",
    ),
    Case("no queues", {"spec.queues": REMOVE}, "spec.queues: is required"),
    Case("empty queues", {"spec.queues": []}, "spec.queues: must have at least 1 entry, got 0"),
    Case("too many queues", {"spec.queues": _queues(17)}, "spec.queues: must have at most 16 entries, got 17"),
    Case("same queue twice", {"spec.queues.1.name": "emails"}, "spec.queues: has emails more than once"),
    Case("queue in capitals", {"spec.queues.1.name": "Emails"}, "spec.queues[1].name: must be lower-case"),
    Case("queue without name", {"spec.queues.1": {"weight": 1}}, "spec.queues[1].name: is required"),
    Case("queue name too long", {"spec.queues.1.name": "q" * 64}, "spec.queues[1].name: must have at most 63"),
    Case("queue as a word", {"spec.queues": ["emails"]}, "spec.queues[0]: must be a mapping"),
    Case("queue that is null", {"spec.queues.1": None}, "spec.queues[1]: must be a mapping"),
    Case("weight 0", {"spec.queues.0.weight": 0}, "spec.queues[0].weight: must be ≥ 1, got 0"),
    Case("no worker", {"spec.worker": REMOVE}, "spec.worker: is required"),
    Case("no app", {"spec.worker.app": REMOVE}, "spec.worker.app: is required"),
    Case("two apps", {"spec.worker.app": "mail.tasks other"}, "spec.worker.app: must be a Python module"),
    Case("app as a file", {"spec.worker.app": "mail/tasks.py"}, "spec.worker.app: must be a Python module"),
    Case("app beginning with a digit", {"spec.worker.app": "1mail"}, "spec.worker.app: must be a Python module"),
    Case("image with a space", {"spec.worker.image": "a b"}, "spec.worker.image: must be an image reference"),
    Case(
        "unknown pull policy",
        {"spec.worker.imagePullPolicy": "Sometimes"},
        "imagePullPolicy: must be 'Always', 'IfN",
    ),
    Case("concurrency 0", {"spec.worker.concurrency": 0}, "spec.worker.concurrency: must be ≥ 1, got 0"),
    Case("concurrency too high", {"spec.worker.concurrency": 10001}, "spec.worker.concurrency: must be ≤ 10000"),
    Case(
        "concurrency in words",
        {"spec.worker.concurrency": "ten"},
        'concurrency: must be a whole number, got "ten"',
    ),
    Case("concurrency as text", {"spec.worker.concurrency": "10"}, "concurrency: must be a whole number"),
    Case("concurrency with a fraction", {"spec.worker.concurrency": 1.5}, "concurrency: must be a whole number"),
    Case("concurrency as a switch", {"spec.worker.concurrency": True}, "concurrency: must be a whole number"),
    Case("env as a mapping", {"spec.worker.env": {"A": "b"}}, "spec.worker.env: must be a list"),
    Case(
        "env value as a number",
        {"spec.worker.env.0.value": 5},
        "spec.worker.env[0].value: must be a string, got 5",
    ),
    Case(
        "env name with a space",
        {"spec.worker.env.0.name": "LOG LEVEL"},
        "spec.worker.env[0].name: must be letters",
    ),
    Case(
        "same variable twice",
        {"spec.worker.env.1.name": "LOG_LEVEL"},
        "spec.worker.env: has LOG_LEVEL more than once",
    ),
    Case(
        "env with two values",
        {"spec.worker.env.1.value": "x"},
        "spec.worker.env[1]: takes value or valueFrom, not both",
    ),
    Case(
        "env from nowhere",
        {"spec.worker.env.1.valueFrom": {}},
        "spec.worker.env[1].valueFrom: needs exactly one of",
    ),
    Case(
        "env from two places",
        {"spec.worker.env.1.valueFrom": _BOTH_SOURCES},
        "env[1].valueFrom: needs exactly one",
    ),
    Case(
        "too many variables",
        {"spec.worker.env": [{"name": f"A{n}"} for n in range(101)]},
        "spec.worker.env: must have",
    ),
    Case("resources as a word", {"spec.worker.resources": "small"}, "spec.worker.resources: must be a mapping"),
    Case(
        "pod template as a list",
        {"spec.worker.podTemplate": []},
        "spec.worker.podTemplate: must be a mapping",
    ),
    Case("lease too short", {"spec.worker.leaseSeconds": 1}, "spec.worker.leaseSeconds: must be ≥ 5, got 1"),
    Case("negative minimum", {"spec.scaling.minReplicas": -1}, "spec.scaling.minReplicas: must be ≥ 0, got -1"),
    Case("maximum 0", {"spec.scaling.maxReplicas": 0}, "spec.scaling.maxReplicas: must be ≥ 1, got 0"),
    Case(
        "minimum above maximum",
        {"spec.scaling.minReplicas": 5, "spec.scaling.maxReplicas": 2},
        "spec.scaling.maxReplicas: must be ≥ minReplicas (5), got 2",
    ),
    Case(
        "minimum above the default maximum",
        {"spec.scaling": {"minReplicas": 11}},
        "spec.scaling.maxReplicas: must be ≥ minReplicas (11), got 10",
    ),
    Case("backlog 0", {"spec.scaling.backlogPerReplica": 0}, "spec.scaling.backlogPerReplica: must be ≥ 1"),
    Case(
        "cooldown with a unit",
        {"spec.scaling.cooldownSeconds": "5m"},
        "cooldownSeconds: must be a whole number",
    ),
    Case("negative cooldown", {"spec.scaling.cooldownSeconds": -1}, "spec.scaling.cooldownSeconds: must be ≥ 0"),
    Case(
        "window too long",
        {"spec.scaling.stabilizationWindowSeconds": 3601},
        "WindowSeconds: must be ≤ 3600, got 3601",
    ),
    Case(
        "breaker as a switch",
        {"spec.scaling.breaker": False},
        "spec.scaling.breaker: must be a mapping, got false",
    ),
    Case(
        "unknown field in the breaker",
        {"spec.scaling.breaker.cooldownSeconds": 5},
        "spec.scaling.breaker.cooldownSeconds: unknown field",
    ),
    Case("breaker for nothing", {"spec.scaling.breaker.errorPercent": 0}, "breaker.errorPercent: must be ≥ 1, got 0"),
    Case("breaker by no run", {"spec.scaling.breaker.runs": 0}, "breaker.runs: must be ≥ 1, got 0"),
    Case("a day's window", {"spec.scaling.breaker.windowSeconds": 86400}, "breaker.windowSeconds: must be ≤ 3600"),
    Case("no cool-off", {"spec.scaling.breaker.coolOffSeconds": 0}, "breaker.coolOffSeconds: must be ≥ 1, got 0"),
    Case(
        "waiting for a node for less than nothing",
        {"spec.scaling.breaker.unschedulableSeconds": -1},
        "breaker.unschedulableSeconds: must be ≥ 0, got -1",
    ),
    Case("tolerance of 1", {"spec.scaling.tolerance": 1}, "spec.scaling.tolerance: must be ≤ 0.9, got 1"),
    Case("tolerance as text", {"spec.scaling.tolerance": "10%"}, "spec.scaling.tolerance: must be a number"),
    Case("no growth", {"spec.scaling.scaleUp.pods": 0}, "spec.scaling.scaleUp.pods: must be ≥ 1, got 0"),
    Case(
        "period 0",
        {"spec.scaling.scaleUp.periodSeconds": 0},
        "spec.scaling.scaleUp.periodSeconds: must be ≥ 1",
    ),
    Case(
        "shrinking by 200 percent",
        {"spec.scaling.scaleDown.percent": 200},
        "scaleDown.percent: must be ≤ 100, got 200",
    ),
    Case("negative replicas", {"spec.replicas": -1}, "spec.replicas: must be ≥ 0, got -1"),
    Case("replicas in words", {"spec.replicas": "auto"}, "spec.replicas: must be a whole number"),
    Case("no surge", {"spec.rollout.maxSurge": 0}, "spec.rollout.maxSurge: must be ≥ 1, got 0"),
    Case("surge in percent", {"spec.rollout.maxSurge": "25%"}, "spec.rollout.maxSurge: must be a whole number"),
    Case("a gate of no jobs", {"spec.rollout.gate.jobs": 0}, "spec.rollout.gate.jobs: must be ≥ 1, got 0"),
    Case(
        "over 100 percent of errors",
        {"spec.rollout.gate.errorPercent": 101},
        "gate.errorPercent: must be ≤ 100, got 101",
    ),
    Case("errors as text", {"spec.rollout.gate.errorPercent": "10%"}, "gate.errorPercent: must be a whole number"),
    Case("no time for the gate", {"spec.rollout.gate.timeoutSeconds": 0}, "gate.timeoutSeconds: must be ≥ 1, got 0"),
    Case("an unknown field of the gate", {"spec.rollout.gate.errors": 3}, "spec.rollout.gate.errors: unknown field"),
    Case("a gate as a switch", {"spec.rollout.gate": False}, "spec.rollout.gate: must be a mapping"),
    Case(
        "a deadline before the gate's end",
        {"spec.rollout": {"gate": {"timeoutSeconds": 90}, "progressDeadlineSeconds": 60}},
        "spec.rollout.progressDeadlineSeconds: must be ≥ gate.timeoutSeconds (90), got 60",
    ),
    Case(
        "a deadline before the default gate's end",
        {"spec.rollout": {"progressDeadlineSeconds": 59}},
        "spec.rollout.progressDeadlineSeconds: must be ≥ gate.timeoutSeconds (60), got 59",
    ),
    Case("grace 0", {"spec.drain.graceSeconds": 0}, "spec.drain.graceSeconds: must be ≥ 1, got 0"),
    Case("negative retries", {"spec.retry.maxRetries": -1}, "spec.retry.maxRetries: must be ≥ 0"),
    Case(
        "retry cap below its base",
        {"spec.retry": {"baseSeconds": 60, "capSeconds": 30}},
        "spec.retry.capSeconds: must be ≥ baseSeconds (60), got 30",
    ),
    Case("nobody may go", {"spec.disruption.maxUnavailable": 0}, "disruption.maxUnavailable: must be a number from 1"),
    Case("a percentage of 0", {"spec.disruption.maxUnavailable": "0%"}, "spec.disruption.maxUnavailable: must be"),
    Case("over 100 percent", {"spec.disruption.maxUnavailable": "101%"}, "percentage from 1% to 100%, got 101%"),
    Case("a number in quotes", {"spec.disruption.maxUnavailable": "2"}, "disruption.maxUnavailable: must be a number"),
    Case("a part of a worker", {"spec.disruption.maxUnavailable": 1.5}, "must be a number or a percentage"),
    Case(
        "protected from the start",
        {"spec.disruption.protectAfterSeconds": 0},
        "spec.disruption.protectAfterSeconds: must be ≥ 1, got 0",
    ),
    Case("paused in words", {"spec.paused": "true"}, 'spec.paused: must be true or false, got "true"'),
)

BAD_KIND: Final = (
    Case("another kind", {"kind": "Deployment"}, "kind: must be WorkerQueue"),
    Case("no kind", {"kind": REMOVE}, "kind: must be WorkerQueue"),
    Case("another version", {"apiVersion": "headrace.dev/v9"}, "apiVersion: must be headrace.dev/v1alpha1"),
)
"""Documents that never reach this CRD's schema on an API server."""

GOOD: Final = (
    Case("as it is", {}),
    Case("least", {"spec": {"redis": {"url": "redis://r"}, "queues": [{"name": "q"}], "worker": {"app": "a"}}}),
    Case("longest name", {"metadata.name": "e" * 52}),
    Case("null is absent", {"spec.scaling.maxReplicas": None, "spec.replicas": None, "spec.worker.image": None}),
    Case("pinned above the maximum", {"spec.replicas": 20}),
    Case("pinned to zero", {"spec.replicas": 0}),
    Case(
        "secret and tls",
        {"spec.redis": {"urlSecretRef": {"name": "a", "key": "b"}, "tls": {"insecureSkipVerify": True}}},
    ),
    Case(
        "tls with a url",
        {"spec.redis": {"url": "rediss://a", "tls": {"caSecretRef": {"name": "ca", "key": "ca.crt"}}}},
    ),
    Case("no tolerance", {"spec.scaling.tolerance": 0}),
    Case("no breaker", {"spec.scaling.breaker": {"enabled": False}}),
    Case("a breaker of one's own", {"spec.scaling.breaker": {"errorPercent": 100, "unschedulableSeconds": 0}}),
    Case(
        "free-form overlay",
        {"spec.worker.podTemplate": {"spec": {"nodeSelector": {"a": "b"}, "anything": [1, None]}}},
    ),
    Case("a module alone", {"spec.worker.app": "tasks"}),
    Case("minimum equals maximum", {"spec.scaling.minReplicas": 8}),
    Case("some may go", {"spec.disruption": {"maxUnavailable": 3, "podDisruptionBudget": False}}),
    Case("a quarter may go", {"spec.disruption.maxUnavailable": "25%"}),
    Case("all may go", {"spec.disruption.maxUnavailable": "100%"}),
    Case("a strict gate", {"spec.rollout": {"gate": {"jobs": 1, "errorPercent": 0, "timeoutSeconds": 600}}}),
    Case("a gate that opens", {"spec.rollout.gate.errorPercent": 100}),
    Case("a status", {"status": {"replicas": 3}}),
)
"""Documents at the edge of what is allowed."""

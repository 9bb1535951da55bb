"""What a WorkerQueue asks for: the `spec`, field by field. The CRD's descriptions are the docstrings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from headrace_operator.api.breaker import Breaker
from headrace_operator.api.disruption import Disruption
from headrace_operator.api.part import Part, Rule
from headrace_operator.api.rollout import Rollout

MOST_REPLICAS = 10_000
FREE_FORM = {"x-kubernetes-preserve-unknown-fields": True}
BY_NAME = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}

_DOTTED = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"
APP = rf"^{_DOTTED}(:{_DOTTED})?$"
QUEUE_NAME = r"^[a-z0-9]([-a-z0-9._]*[a-z0-9])?$"
REDIS_URL = r"^rediss?(\+sentinel|\+cluster)?://[!-~]+$"
OBJECT_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
DATA_KEY = r"^[-._a-zA-Z0-9]+$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_.-]*$"
IMAGE = r"^[!-~]+$"
SHAPES = {
    APP: "a Python module like package.module or package.module:attribute",
    QUEUE_NAME: "lower-case letters, digits, '-', '.' and '_', a letter or digit at each end",
    REDIS_URL: "a URL like redis://host:6379/0, rediss://host:6379/0, redis+sentinel://host,host/master-name or "
    "redis+cluster://host,host",
    OBJECT_NAME: "lower-case letters, digits, '-' and '.', a letter or digit at each end",
    DATA_KEY: "letters, digits, '-', '.' and '_'",
    VARIABLE: "letters, digits, '_', '.' and '-', no digit at the start",
    IMAGE: "an image reference without spaces",
}
"""What each pattern means, in words."""

RELEASE_SECONDS = 15
"""Added to the drain's grace: time in which SIGTERM gives back what still runs."""

ObjectName = Annotated[str, Field(max_length=253, pattern=OBJECT_NAME)]
DataKey = Annotated[str, Field(max_length=253, pattern=DATA_KEY)]
QueueName = Annotated[str, Field(max_length=63, pattern=QUEUE_NAME)]
AppName = Annotated[str, Field(max_length=200, pattern=APP)]
Replicas = Annotated[int, Field(ge=0, le=MOST_REPLICAS)]


class SecretKey(Part):
    """One key of a Secret in the WorkerQueue's namespace."""

    name: ObjectName
    """Name of the Secret."""
    key: DataKey
    """Key within it."""


class RedisTLS(Part):
    """How to trust a Redis that speaks TLS (rediss://, rediss+sentinel://, rediss+cluster://)."""

    ca_secret_ref: SecretKey | None = None
    """Certificate authority in PEM that signed Redis's certificate; the system's own ones if left out."""
    insecure_skip_verify: bool = False
    """Accept any certificate. For tests only."""


class Redis(Part):
    """Where the jobs are."""

    rules = (
        Rule(
            "",
            "has(self.url) != has(self.urlSecretRef)",
            "needs exactly one of url and urlSecretRef",
            lambda self: (self.url is None) != (self.url_secret_ref is None),
        ),
        Rule(
            "tls",
            "!has(self.tls) || !has(self.url) || self.url.startsWith('rediss')",
            "needs a url that begins with rediss:// (or rediss+sentinel://, rediss+cluster://)",
            lambda self: self.tls is None or self.url is None or self.url.startswith("rediss"),
        ),
    )
    url: Annotated[str, Field(max_length=2048, pattern=REDIS_URL)] | None = None
    """redis://host:port/db, redis+sentinel://host:port,host:port/master-name/db or redis+cluster://host:port,host:port;
    rediss instead of redis with TLS. With a password use urlSecretRef.
    """
    url_secret_ref: SecretKey | None = None
    """Secret that holds the URL."""
    tls: RedisTLS | None = None
    """Settings for rediss."""


class Queue(Part):
    """A queue in Redis that this fleet serves."""

    name: QueueName
    """Name of the queue, as producers spell it."""
    weight: Annotated[int, Field(ge=1, le=1000)] = 1
    """Share of the fleet's attention relative to the other queues."""


class ConfigMapKeyRef(Part):
    """One key of a ConfigMap in the WorkerQueue's namespace."""

    name: ObjectName
    """Name of the ConfigMap."""
    key: DataKey
    """Key within it."""
    optional: bool = False
    """Start the worker although the ConfigMap or key is missing."""


class SecretKeyRef(Part):
    """One key of a Secret in the WorkerQueue's namespace, for a variable."""

    name: ObjectName
    """Name of the Secret."""
    key: DataKey
    """Key within it."""
    optional: bool = False
    """Start the worker although the Secret or key is missing."""


class FieldRef(Part):
    """A field of the worker's own pod."""

    field_path: Annotated[str, Field(min_length=1, max_length=253)]
    """For example metadata.name."""


class EnvSource(Part):
    """Where a variable's value comes from."""

    rules = (
        Rule(
            "",
            "[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef)].exists_one(one, one)",
            "needs exactly one of secretKeyRef, configMapKeyRef and fieldRef",
            lambda self: [self.secret_key_ref, self.config_map_key_ref, self.field_ref].count(None) == 2,
        ),
    )
    secret_key_ref: SecretKeyRef | None = None
    """A key of a Secret."""
    config_map_key_ref: ConfigMapKeyRef | None = None
    """A key of a ConfigMap."""
    field_ref: FieldRef | None = None
    """A field of the pod."""


class EnvVar(Part):
    """An environment variable of the workers."""

    rules = (
        Rule(
            "",
            "!(has(self.value) && has(self.valueFrom))",
            "takes value or valueFrom, not both",
            lambda self: self.value is None or self.value_from is None,
        ),
    )
    name: Annotated[str, Field(max_length=253, pattern=VARIABLE)]
    """Name of the variable."""
    value: Annotated[str, Field(max_length=32_768)] | None = None
    """Its value."""
    value_from: EnvSource | None = None
    """Where its value comes from."""


def _unique_names(items: tuple[Any, ...]) -> tuple[Any, ...]:
    names = [item.name for item in items]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise PydanticCustomError("rule", "{problem}", {"field": "", "problem": f"has {name} more than once"})
    return items


class Worker(Part):
    """What a worker is: the code it runs and the pod it runs in. A change here is a new version."""

    app: AppName
    """Python module that holds the tasks, as package.module or package.module:attribute."""
    image: Annotated[str, Field(max_length=500, pattern=IMAGE)] | None = None
    """Container image; the operator's default worker image if left out. Without effect on a laptop."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """When to pull the image; Kubernetes' own default if left out."""
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Jobs that one worker runs at the same time."""
    env: Annotated[
        tuple[EnvVar, ...],
        Field(strict=False, max_length=100, json_schema_extra=BY_NAME),
        AfterValidator(_unique_names),
    ] = ()
    """Environment variables."""
    resources: Annotated[dict[str, Any], Field(json_schema_extra=FREE_FORM)] | None = None
    """Requests and limits of the worker's container, as in a pod."""
    pod_template: Annotated[dict[str, Any], Field(json_schema_extra=FREE_FORM)] | None = None
    """Overlay on the pod template (metadata and spec), merged as a strategic merge patch."""
    lease_seconds: Annotated[int, Field(ge=5, le=3600)] = 30
    """How long after its last sign of life a worker's jobs are given to others."""


class ScaleUp(Part):
    """How fast the fleet may grow: the greater of `pods` and `percent` per period."""

    pods: Annotated[int, Field(ge=1, le=MOST_REPLICAS)] = 4
    """Workers that may be added in a period."""
    percent: Annotated[int, Field(ge=0, le=1000)] = 100
    """The same, in percent of the workers at the period's start."""
    period_seconds: Annotated[int, Field(ge=1, le=1800)] = 15
    """Length of the period."""


class ScaleDown(Part):
    """How fast the fleet may shrink: the greater of `pods` and `percent` per period."""

    pods: Annotated[int, Field(ge=1, le=MOST_REPLICAS)] = 1
    """Workers that may be taken away in a period."""
    percent: Annotated[int, Field(ge=0, le=100)] = 100
    """The same, in percent of the workers at the period's start."""
    period_seconds: Annotated[int, Field(ge=1, le=1800)] = 60
    """Length of the period."""


class Scaling(Part):
    """How many workers for how much work."""

    rules = (
        Rule(
            "maxReplicas",
            "self.minReplicas <= self.maxReplicas",
            "must be ≥ minReplicas",
            lambda self: self.min_replicas <= self.max_replicas,
            " ({minReplicas}), got {maxReplicas}",
        ),
    )
    min_replicas: Replicas = 0
    """Fewest workers, also when idle."""
    max_replicas: Annotated[int, Field(ge=1, le=MOST_REPLICAS)] = 10
    """Most workers."""
    backlog_per_replica: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Jobs runnable or running that call for one worker."""
    cooldown_seconds: Annotated[int, Field(ge=0, le=86_400)] = 300
    """How long a fleet must have been without any job before its last worker goes."""
    stabilization_window_seconds: Annotated[int, Field(ge=0, le=3600)] = 300
    """The fleet shrinks to the most that was called for within this window."""
    tolerance: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    """Part of the demand by which it may differ from what the current workers are for, without any change."""
    scale_up: ScaleUp = ScaleUp()
    """Limit on growth."""
    scale_down: ScaleDown = ScaleDown()
    """Limit on shrinking."""
    breaker: Breaker = Breaker()
    """What stops growth that would help nobody."""


class Drain(Part):
    """How a worker that is taken away ends."""

    grace_seconds: Annotated[int, Field(ge=1, le=86_400)] = 30
    """How long it may finish its running jobs; what is left then is given to others."""

    @property
    def termination_seconds(self) -> int:
        """A pod's own grace: the drain's, and time in which SIGTERM gives back what still runs."""
        return self.grace_seconds + RELEASE_SECONDS


class Retry(Part):
    """Retries of tasks that don't say otherwise: exponential, with jitter."""

    rules = (
        Rule(
            "capSeconds",
            "self.baseSeconds <= self.capSeconds",
            "must be ≥ baseSeconds",
            lambda self: self.base_seconds <= self.cap_seconds,
            " ({baseSeconds}), got {capSeconds}",
        ),
    )
    max_retries: Annotated[int, Field(ge=0, le=1000)] = 3
    """Runs after the first; then the job is a dead letter."""
    base_seconds: Annotated[int, Field(ge=1, le=86_400)] = 1
    """Longest wait before the first retry; it doubles with each."""
    cap_seconds: Annotated[int, Field(ge=1, le=604_800)] = 300
    """Longest wait before any retry."""


class DeadLetterPolicy(Part):
    """What holds for dead letters unless somebody says otherwise."""

    max_replays: Annotated[int, Field(ge=1, le=255)] | None = None
    """A replay by annotation leaves out what was replayed so often already; `max-replays=N` there overrides it."""


class WorkerQueueSpec(Part):
    """What the fleet should be."""

    redis: Redis
    """Where the jobs are."""
    queues: Annotated[
        tuple[Queue, ...],
        Field(strict=False, min_length=1, max_length=16, json_schema_extra=BY_NAME),
        AfterValidator(_unique_names),
    ]
    """Queues that this fleet serves; no other WorkerQueue may serve them."""
    worker: Worker
    """What a worker is."""
    scaling: Scaling = Scaling()
    """How many workers."""
    replicas: Replicas | None = None
    """Pins the number of workers, whatever `scaling` says; left out, the number follows the work."""
    rollout: Rollout = Rollout()
    """How a new version replaces an old one."""
    drain: Drain = Drain()
    """How a worker ends."""
    disruption: Disruption = Disruption()
    """What those who clear nodes may do to the fleet."""
    retry: Retry = Retry()
    """Retries of tasks that don't say otherwise."""
    dead_letters: DeadLetterPolicy | None = None
    """Jobs that failed for good."""
    paused: bool = False
    """Start no job; what runs is finished."""

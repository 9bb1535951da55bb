"""The Deployment of a version: what its pods are told, how they end, and what a podTemplate may change."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.worker.settings import VARIABLES, load_settings
from headrace_operator.api.names import QueueKey
from headrace_operator.api.worker_queue import load_worker_queue
from headrace_operator.core.version import version_hash
from headrace_operator.runtimes.kubernetes.deployment import deployment
from headrace_operator.runtimes.kubernetes.overlay import overlaid
from headrace_operator.seams.runtime import VersionSpec
from support.bad_queues import good_queue, patched

KEY = QueueKey("post", "emails")


def built(patch: dict[str, object] | None = None) -> dict[str, Any]:
    queue = load_worker_queue(patched(good_queue(), patch or {}))
    return deployment(KEY, "uid-1", VersionSpec(version_hash(queue.spec), queue.spec), "example.org/mail:1.2")


def pod(patch: dict[str, object] | None = None) -> dict[str, Any]:
    template: dict[str, Any] = built(patch)["spec"]["template"]
    return template


def variables(patch: dict[str, object] | None = None) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container(pod(patch))["env"]}


def container(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = template["spec"]["containers"][0]
    return found


def test_it_begins_without_workers_and_belongs_to_its_queue() -> None:
    made = built()
    assert made["spec"]["replicas"] == 0
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-1"
    assert made["metadata"]["name"].startswith("emails-")
    selected = made["spec"]["selector"]["matchLabels"]
    assert selected.items() <= made["spec"]["template"]["metadata"]["labels"].items()


def test_a_worker_understands_its_environment() -> None:
    given = {name: value for name, value in variables().items() if isinstance(value, str) and name in known()}
    settings, _ = load_settings(given | {"HEADRACE_WORKER_ID": "emails-1"})
    assert settings.queues == {"emails": 3, "receipts": 1}
    assert (settings.concurrency, settings.lease, settings.max_retries) == (20, 30.0, 3)
    assert settings.redis_url == "redis://redis.default.svc:6379/0"
    assert len(settings.version) == 10


def known() -> set[str]:
    return {variable.name for variable in VARIABLES.values()}


def test_the_drain_comes_before_the_end_and_leaves_time_to_give_back() -> None:
    template = pod({"spec.drain.graceSeconds": 40})
    assert template["spec"]["terminationGracePeriodSeconds"] == 55
    hook = container(template)["lifecycle"]["preStop"]["exec"]["command"]
    assert hook == ["headrace", "drain", "--grace", "40s"]
    # What SIGTERM waits for must fit into what is left after the drain.
    seconds = int(variables({"spec.drain.graceSeconds": 40})["SHUTDOWN_TIMEOUT"].removesuffix("s"))
    assert seconds < 15


def test_readiness_latches_and_liveness_is_about_the_loop() -> None:
    found = container(pod())
    assert found["readinessProbe"]["httpGet"]["path"] == "/startedz"
    assert found["livenessProbe"]["httpGet"]["path"] == "/livez"


def test_a_slow_import_is_no_hang() -> None:
    probe = container(pod())["startupProbe"]
    assert probe["httpGet"]["path"] == "/livez"
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 600


def test_what_a_worker_says_last_stands_in_its_pod_s_status() -> None:
    assert container(pod())["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_it_meets_the_restricted_pod_security_standard() -> None:
    template = pod()
    assert template["spec"]["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    context = container(template)["securityContext"]
    assert context == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_people_can_add_variables_and_not_change_ours() -> None:
    more = [{"name": "REDIS_URL", "value": "redis://elsewhere"}, {"name": "COLOUR", "value": "red"}]
    found = variables({"spec.worker.env": more})
    assert found["REDIS_URL"] == "redis://redis.default.svc:6379/0"
    assert found["COLOUR"] == "red"


def test_a_url_from_a_secret_stays_in_the_secret() -> None:
    found = variables({"spec.redis": {"urlSecretRef": {"name": "queue", "key": "url"}}})
    assert found["REDIS_URL"] == {"secretKeyRef": {"name": "queue", "key": "url"}}


@pytest.mark.parametrize(
    ("redis", "url"),
    [
        ({"url": "rediss://r:1"}, "rediss://r:1?ca_file=/etc/headrace/redis/ca.crt"),
        ({"url": "rediss://r:1?db=2"}, "rediss://r:1?db=2&ca_file=/etc/headrace/redis/ca.crt"),
        ({"urlSecretRef": {"name": "q", "key": "u"}}, "$(HEADRACE_REDIS_URL)?ca_file=/etc/headrace/redis/ca.crt"),
    ],
)
def test_a_certificate_authority_is_mounted_and_named_in_the_url(redis: dict[str, object], url: str) -> None:
    patch: dict[str, object] = {"spec.redis": redis | {"tls": {"caSecretRef": {"name": "ca", "key": "root.pem"}}}}
    assert variables(patch)["REDIS_URL"] == url
    template = pod(patch)
    [volume] = [one for one in template["spec"]["volumes"] if one["name"] == "redis-ca"]
    assert volume["secret"] == {"secretName": "ca", "items": [{"key": "root.pem", "path": "ca.crt"}]}
    assert {"name": "redis-ca", "mountPath": "/etc/headrace/redis", "readOnly": True} in container(template)[
        "volumeMounts"
    ]


def test_a_pod_template_is_merged_over_ours_but_for_the_labels_that_find_its_pods() -> None:
    overlay = {
        "metadata": {"labels": {"headrace.dev/queue": "other", "team": "post"}, "annotations": {"a": "b"}},
        "spec": {
            "nodeSelector": {"disk": "fast"},
            "securityContext": {"runAsUser": 1000},
            "containers": [{"name": "worker", "command": ["tini", "--"]}, {"name": "proxy", "image": "proxy:1"}],
        },
    }
    template = pod({"spec.worker.podTemplate": overlay})
    assert template["metadata"]["labels"]["headrace.dev/queue"] == "emails"
    assert template["metadata"]["labels"]["team"] == "post"
    assert template["metadata"]["annotations"] == {"a": "b"}
    assert template["spec"]["nodeSelector"] == {"disk": "fast"}
    assert template["spec"]["securityContext"]["runAsUser"] == 1000
    assert template["spec"]["securityContext"]["runAsNonRoot"] is True
    worker, proxy = template["spec"]["containers"]
    assert (worker["command"], worker["image"]) == (["tini", "--"], "example.org/mail:1.2")
    assert proxy == {"name": "proxy", "image": "proxy:1"}


@pytest.mark.parametrize(
    ("base", "overlay", "merged"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": None}, {}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": None, "d": 3}}, {"a": {"c": 2, "d": 3}}),
        ({}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
        ({"args": ["a"]}, {"args": ["b"]}, {"args": ["b"]}),
        (
            {"env": [{"name": "A", "value": "1"}]},
            {"env": [{"name": "A", "value": "2"}]},
            {"env": [{"name": "A", "value": "2"}]},
        ),
        ({"volumes": [{"name": "a"}]}, {"volumes": [{"name": "b"}]}, {"volumes": [{"name": "a"}, {"name": "b"}]}),
        ({"volumes": [{"name": "a"}]}, {"volumes": None}, {}),
        ({"volumes": {"odd": 1}}, {"volumes": [{"name": "b"}]}, {"volumes": [{"name": "b"}]}),
    ],
)
def test_overlays(base: dict[str, Any], overlay: dict[str, Any], merged: dict[str, Any]) -> None:
    before = repr((base, overlay))
    assert overlaid(base, overlay) == merged
    assert repr((base, overlay)) == before

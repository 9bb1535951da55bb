"""The chart: linted, every manifest accepted by a real API server, its pods restricted, its rights bounded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace_operator.api.crd import schedule_crd, worker_queue_crd
from headrace_operator.operate.settings import VARIABLES
from support import monitoring
from support.control_plane import ControlPlane
from support.helm import CHART, helm, render

Json = dict[str, Any]
EVERYTHING = (
    *monitoring.ENABLED,
    "networkPolicy.enabled=true",
    "valkey.enabled=true",
    "allowedRedisHosts={redis.home.svc}",
    "priorityClassName=system-cluster-critical",
    "commonLabels.team=mail",
    "podLabels.zone=inner",
    "imagePullSecrets[0].name=registry",
)
VARIANTS = {
    "defaults": (),
    "a further namespace": ("watchNamespaces={default}",),
    "the whole cluster": ("watchAll=true", "crds.keep=false"),
    "everything": EVERYTHING,
    "everything, in the whole cluster": (*EVERYTHING, "watchAll=true"),
    "peers": (
        "networkPolicy.enabled=true",
        "networkPolicy.redisPeers[0].ipBlock.cidr=10.0.0.0/8",
        "networkPolicy.metricsPeers[0].namespaceSelector.matchLabels.name=monitoring",
    ),
    "a named Secret and class": (
        "valkey.enabled=true",
        "valkey.existingSecret=mine",
        "valkey.persistence.storageClassName=fast",
    ),
    "nothing that can be left out": (
        "metrics.service.enabled=false",
        "podDisruptionBudget.enabled=false",
        "admissionPolicy.enabled=false",
    ),
    "OpenShift": ("podSecurityContext.runAsUser=null", "podSecurityContext.runAsGroup=null"),
    "names": ("fullnameOverride=fleets", "serviceAccount.name=fleet-operator", "image.digest=sha256:" + 64 * "a"),
}


@pytest.fixture(scope="module")
def monitoring_kinds(control_plane: ControlPlane) -> Iterator[None]:
    """The cluster has the Prometheus operator's CRDs."""
    control_plane.apply(*monitoring.crds())
    names = [crd["metadata"]["name"] for crd in monitoring.crds()]
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", *(f"crd/{name}" for name in names))
    yield
    control_plane.kubectl("delete", "crd", *names, "--wait=false")


def kinds_of(manifests: list[Json], *kinds: str) -> list[Json]:
    return [one for one in manifests if one["kind"] in kinds]


def the(manifests: list[Json], kind: str) -> Json:
    [found] = kinds_of(manifests, kind)
    return found


def rules(manifests: list[Json]) -> list[Json]:
    return [rule for one in kinds_of(manifests, "Role", "ClusterRole") for rule in one["rules"]]


def environment(pod: Json) -> dict[str, str]:
    [container] = pod["containers"]
    return {one["name"]: one.get("value", "") for one in container["env"]}


def test_it_passes_the_linter(helm_program: Path) -> None:
    assert "0 chart(s) failed" in helm(helm_program, "lint", "--strict", str(CHART))


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_the_api_server_accepts_every_manifest(
    control_plane: ControlPlane,
    namespace: str,
    crds: None,
    monitoring_kinds: None,
    helm_program: Path,
    settings: tuple[str, ...],
) -> None:
    manifests = render(helm_program, namespace, *settings, kinds=monitoring.KINDS)
    # Without its account no pod is admitted.
    control_plane.apply(the(manifests, "ServiceAccount"))
    others = [one for one in manifests if one["kind"] not in ("CustomResourceDefinition", "ServiceAccount")]
    text = "\n---\n".join(map(json.dumps, others))
    said = control_plane.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
    assert len(said.splitlines()) == len(others)
    crds_of_chart = yaml.dump_all(kinds_of(manifests, "CustomResourceDefinition"))
    apply = ("apply", "--dry-run=server", "--server-side", "--force-conflicts", "-f", "-")
    assert len(control_plane.kubectl(*apply, stdin=crds_of_chart).splitlines()) == 2


def test_everything_means_every_template(helm_program: Path) -> None:
    """So that the test above leaves none out."""
    text = helm(helm_program, "template", "headrace", str(CHART), *(f"--set={one}" for one in EVERYTHING),
                *(f"--api-versions={kind}" for kind in monitoring.KINDS))  # fmt: skip
    templates = CHART / "templates"
    files = {str(path.relative_to(templates)) for path in templates.rglob("*.yaml")}
    assert {file for file in files if f"# Source: headrace/templates/{file}\n" not in text} == set()


def test_the_pods_meet_the_restricted_standard(
    control_plane: ControlPlane, namespace: str, crds: None, helm_program: Path
) -> None:
    """The API server judges: its admission refuses any pod that doesn't."""
    control_plane.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    manifests = render(helm_program, namespace, "valkey.enabled=true")
    pods = [the(manifests, "Pod")]
    for kind in ("Deployment", "StatefulSet"):
        template = the(manifests, kind)["spec"]["template"]
        pods.append({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": kind.lower()}, "spec": template["spec"]})
    for pod in pods:
        pod["spec"]["serviceAccountName"] = "default"
        known = {volume["name"] for volume in pod["spec"].get("volumes", ())}
        for claim in the(manifests, "StatefulSet")["spec"]["volumeClaimTemplates"]:
            if claim["metadata"]["name"] not in known:
                pod["spec"].setdefault("volumes", []).append({"name": claim["metadata"]["name"], "emptyDir": {}})
        [container] = pod["spec"]["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert pod["spec"]["securityContext"]["runAsUser"] > 0
        assert container["resources"]["limits"]["memory"]
        control_plane.kubectl(
            f"--namespace={namespace}", "create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod)
        )
    [operator] = the(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert {"name": "tmp", "mountPath": "/tmp"} in operator["volumeMounts"]


@pytest.mark.parametrize("settings", [(), ("watchAll=true",)])
def test_rights_have_no_wildcard_and_secrets_are_only_read_one_by_one(
    helm_program: Path, settings: tuple[str, ...]
) -> None:
    granted = rules(render(helm_program, "default", *settings))
    for rule in granted:
        assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]
    assert [rule["verbs"] for rule in granted if "secrets" in rule["resources"]] == [["get"]]
    assert all("delete" not in rule["verbs"] for rule in granted if "pods" in rule["resources"])


def test_each_watched_namespace_gets_its_own_role(helm_program: Path) -> None:
    manifests = render(helm_program, "home", "watchNamespaces={one,two}")
    roles = {one["metadata"]["namespace"] for one in kinds_of(manifests, "Role")}
    assert roles == {"home", "one", "two"}
    assert [one["kind"] for one in manifests if one["kind"].startswith("Cluster")] == []
    pod = the(manifests, "Deployment")["spec"]["template"]["spec"]
    assert environment(pod)["WATCH_NAMESPACES"] == "home,one,two"


def test_the_operator_knows_each_variable_that_it_is_given(helm_program: Path) -> None:
    manifests = render(helm_program, "default")
    given = environment(the(manifests, "Deployment")["spec"]["template"]["spec"])
    assert set(given) <= set(VARIABLES)
    assert environment(the(manifests, "Pod")["spec"]) == given


def test_the_service_and_the_budget_choose_the_operator_and_nothing_else(helm_program: Path) -> None:
    manifests = render(helm_program, "default", "valkey.enabled=true")
    labels = {
        kind: the(manifests, kind)["spec"]["template"]["metadata"]["labels"] for kind in ("Deployment", "StatefulSet")
    }
    labels["Pod"] = the(manifests, "Pod")["metadata"]["labels"]
    chosen: dict[str, list[str]] = {}
    for service in kinds_of(manifests, "Service"):
        selector = service["spec"]["selector"].items()
        chosen[service["metadata"]["name"]] = [kind for kind, has in labels.items() if selector <= has.items()]
    assert chosen == {"headrace": ["Deployment"], "headrace-valkey": ["StatefulSet"]}
    budget = the(manifests, "PodDisruptionBudget")["spec"]
    assert budget["selector"] == the(manifests, "Deployment")["spec"]["selector"]
    assert budget["maxUnavailable"] == 1


def test_the_bundled_valkey_is_among_the_allowed_hosts(helm_program: Path) -> None:
    def allowed(*settings: str) -> str:
        pod = the(render(helm_program, "home", *settings), "Deployment")["spec"]["template"]["spec"]
        return environment(pod)["ALLOWED_REDIS_HOSTS"]

    assert allowed() == allowed("valkey.enabled=true") == ""
    assert allowed("allowedRedisHosts={a,*.b}") == "a,*.b"
    assert allowed("allowedRedisHosts={a}", "valkey.enabled=true") == "a,headrace-valkey.home.svc"


@pytest.mark.parametrize(("settings", "given"), [((), "300"), (("auditSeconds=0",), "0")])
def test_audits_can_be_turned_off(helm_program: Path, settings: tuple[str, ...], given: str) -> None:
    pod = the(render(helm_program, "home", *settings), "Deployment")["spec"]["template"]["spec"]
    assert environment(pod)["AUDIT_SECONDS"] == given


def test_the_policy_is_left_out_where_kubernetes_has_none(helm_program: Path) -> None:
    policies = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    assert len(kinds_of(render(helm_program, "default", kubernetes="1.30.0"), *policies)) == 2
    assert kinds_of(render(helm_program, "default", kubernetes="1.29.4"), *policies) == []


def test_the_crds_are_those_of_the_models_and_stay_after_an_uninstall(helm_program: Path) -> None:
    rendered = [one for one in render(helm_program, "default") if one["kind"] == "CustomResourceDefinition"]
    made = {crd["metadata"]["name"]: crd["spec"] for crd in (worker_queue_crd(), schedule_crd())}
    assert {crd["metadata"]["name"]: crd["spec"] for crd in rendered} == made
    assert all(crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"} for crd in rendered)

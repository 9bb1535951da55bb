"""The chart: linted, its values checked, every manifest accepted by a real API server, its rights bounded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace_operator.api.crd import worker_queue_crd
from headrace_operator.operate.settings import VARIABLES
from support.control_plane import ControlPlane
from support.helm import CHART, HelmFailed, helm, render


def rules(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rule for one in manifests if one["kind"] in ("Role", "ClusterRole") for rule in one["rules"]]


def test_it_passes_the_linter(helm_program: Path) -> None:
    assert "0 chart(s) failed" in helm(helm_program, "lint", "--strict", str(CHART))


@pytest.mark.parametrize("settings", [(), ("watchNamespaces={default}",), ("watchAll=true", "crds.keep=false")])
def test_the_api_server_accepts_every_manifest(
    control_plane: ControlPlane, namespace: str, crds: None, helm_program: Path, settings: tuple[str, ...]
) -> None:
    manifests = render(helm_program, namespace, *settings)
    text = "\n---\n".join(json.dumps(one) for one in manifests if one["kind"] != "CustomResourceDefinition")
    said = control_plane.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
    assert len(said.splitlines()) == len(manifests) - 1
    [crd] = [one for one in manifests if one["kind"] == "CustomResourceDefinition"]
    control_plane.kubectl(
        "apply", "--dry-run=server", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.dump(crd)
    )


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("replicas=two", "replicas"),
        ("logLevel=loud", "logLevel"),
        ("watchNamespaces={Upper}", "watchNamespaces"),
        ("watchNamespace=typo", "watchNamespace"),
        ("clusterName=My_Cluster", "clusterName"),
    ],
)
def test_values_without_sense_are_refused(helm_program: Path, setting: str, says: str) -> None:
    with pytest.raises(HelmFailed, match=says):
        render(helm_program, "default", setting)


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
    roles = {one["metadata"]["namespace"] for one in manifests if one["kind"] == "Role"}
    assert roles == {"home", "one", "two"}
    assert [one["kind"] for one in manifests if one["kind"].startswith("Cluster")] == []
    [deployment] = [one for one in manifests if one["kind"] == "Deployment"]
    assert environment(deployment)["WATCH_NAMESPACES"] == "home,one,two"


def test_the_operator_knows_each_variable_that_it_is_given(helm_program: Path) -> None:
    [deployment] = [one for one in render(helm_program, "default") if one["kind"] == "Deployment"]
    assert set(environment(deployment)) <= set(VARIABLES)


def test_the_crd_is_the_one_of_the_models_and_stays_after_an_uninstall(helm_program: Path) -> None:
    [crd] = [one for one in render(helm_program, "default") if one["kind"] == "CustomResourceDefinition"]
    assert crd["spec"] == worker_queue_crd()["spec"]
    assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def environment(deployment: dict[str, Any]) -> dict[str, str]:
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one.get("value", "") for one in container["env"]}

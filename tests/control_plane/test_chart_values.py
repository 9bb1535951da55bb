"""The chart's values: all described, shown in its README, held by the schema, and none of an earlier release lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.chart_values import schema, table, values
from support.helm import CHART, HelmFailed, render

Json = dict[str, Any]
RELEASED = {
    "0.1.0": (
        *("replicas=1", "image.repository=r", "image.tag=t", "image.pullPolicy=Always", "imagePullSecrets[0].name=s"),
        *("resources.limits.cpu=1", "logLevel=debug", "nodeSelector.disk=ssd", "tolerations[0].operator=Exists"),
        *("affinity.nodeAffinity=null", "podAnnotations.a=b", "clusterName=c", "watchNamespaces={x}", "watchAll=false"),
        *(
            "workerImage=w",
            "crds.install=true",
            "crds.keep=true",
            "serviceAccount.name=n",
            "serviceAccount.annotations.a=b",
        ),
    )
}


def parts(part: Json, above: str = "") -> Iterator[tuple[str, Json]]:
    for name, known in part["properties"].items():
        yield above + name, known
        if "properties" in known:
            yield from parts(known, f"{above}{name}.")


def test_the_readme_shows_every_value() -> None:
    shown = (CHART / "README.md").read_text().partition("\n## Values\n")[2]
    assert table() in shown, f"its table should read:\n{table()}"


def test_the_schema_describes_every_value_and_no_other() -> None:
    described = dict(parts(schema()))
    assert [name for name, known in described.items() if not known.get("description")] == []

    def names(part: Json, known: Json, above: str = "") -> Iterator[str]:
        for name, default in part.items():
            yield above + name
            if "properties" in known["properties"][name]:
                yield from names(default, known["properties"][name], f"{above}{name}.")

    assert set(names(values(), schema())) == set(described) - {"global"}


def test_unknown_names_are_refused_everywhere_but_in_what_kubernetes_defines() -> None:
    open_ones = {name for name, known in parts(schema()) if known.get("type") == "object" and "properties" not in known}
    closed = {name: known for name, known in parts(schema()) if "properties" in known}
    assert schema()["additionalProperties"] is False
    assert [name for name, known in closed.items() if known.get("additionalProperties") is not False] == []
    free = {name for name in open_ones if "additionalProperties" not in dict(parts(schema()))[name]}
    assert free == {"global", "resources", "affinity", "podSecurityContext", "securityContext"} | {
        "valkey.resources",
        "valkey.affinity",
    }


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("replicas=two", "at '/replicas': got string, want integer"),
        ("logLevel=loud", "at '/logLevel': value must be one of"),
        ("watchNamespaces={Upper}", "at '/watchNamespaces/0'"),
        ("watchNamespace=typo", "additional properties 'watchNamespace' not allowed"),
        ("clusterName=My_Cluster", "at '/clusterName'"),
        ("image.digest=latest", "at '/image/digest'"),
        ("allowedRedisHosts={redis://a}", "at '/allowedRedisHosts/0'"),
        ("metrics.serviceMonitor.interval=often", "at '/metrics/serviceMonitor/interval'"),
        ("metrics.serviceMonitors.enabled=true", "additional properties 'serviceMonitors' not allowed"),
        ("valkey.maxMemory=much", "at '/valkey/maxMemory'"),
        ("networkPolicy.redisPorts={0}", "at '/networkPolicy/redisPorts/0'"),
        ("podDisruptionBudget.maxUnavailable=0", "at '/podDisruptionBudget/maxUnavailable'"),
    ],
)
def test_values_without_sense_are_refused_in_one_line_that_names_them(
    helm_program: Path, setting: str, says: str
) -> None:
    with pytest.raises(HelmFailed) as caught:
        render(helm_program, "default", setting)
    [complaint] = [line for line in str(caught.value).splitlines() if line.startswith("- at ")]
    assert says in complaint


@pytest.mark.parametrize("settings", RELEASED.values(), ids=RELEASED)
def test_values_of_earlier_releases_still_work(helm_program: Path, settings: tuple[str, ...]) -> None:
    manifests = render(helm_program, "default", *settings)
    [deployment] = [one for one in manifests if one["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert (deployment["spec"]["replicas"], container["image"], container["imagePullPolicy"]) == (1, "r:t", "Always")
    assert (pod["serviceAccountName"], pod["nodeSelector"], pod["tolerations"]) == (
        *("n", {"disk": "ssd"}),
        [{"operator": "Exists"}],
    )
    assert deployment["spec"]["template"]["metadata"]["annotations"] == {"a": "b"}
    given = {one["name"]: one.get("value") for one in container["env"]}
    assert given["HEADRACE_CLUSTER_NAME"] == "c"
    assert given["WATCH_NAMESPACES"] == "default,x"
    assert given["HEADRACE_WORKER_IMAGE"] == "w"
    assert given["LOG_LEVEL"] == "debug"

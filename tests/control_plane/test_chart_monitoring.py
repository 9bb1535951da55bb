"""What the chart gives Prometheus and Grafana: refused without their kinds, right in every query, alerts that fire."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.worker.metrics import Metrics
from headrace_operator.cluster.tally import Tally
from headrace_operator.core.conditions import ConditionReason, ConditionType
from headrace_operator.operate.counts import Counts
from headrace_operator.operate.metrics import OperatorMetrics
from support import monitoring
from support.alerts import ALERT_TESTS, RUNBOOK, anchor
from support.dashboard import panels, queries
from support.helm import CHART, HelmFailed, render
from support.monitoring import metrics_in, needs_promtool, promtool
from support.pages import PAGES, anchors

Json = dict[str, Any]
UNITS = {"none", "short", "s", "ops", "reqps", "percentunit"}
"""As Grafana calls them."""


class Standby:
    """A process that knows nothing yet."""

    leading = False
    records: dict[Any, Any] = {}  # noqa: RUF012
    schedules: dict[Any, Any] = {}  # noqa: RUF012

    def ages(self) -> dict[str, float]:
        return {}


@pytest.fixture
def groups(helm_program: Path) -> list[Json]:
    """The groups of the PrometheusRule."""
    settings = ("metrics.prometheusRule.enabled=true", f"metrics.prometheusRule.runbookUrl={RUNBOOK}")
    manifests = render(helm_program, "home", *settings, kinds=monitoring.KINDS)
    [rule] = [one for one in manifests if one["kind"] == "PrometheusRule"]
    found: list[Json] = rule["spec"]["groups"]
    return found


@pytest.fixture
def dashboard(helm_program: Path) -> Json:
    """The dashboard that the ConfigMap holds."""
    manifests = render(helm_program, "home", "metrics.dashboard.enabled=true")
    [found] = [one for one in manifests if one["kind"] == "ConfigMap"]
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    read: Json = json.loads(found["data"]["headrace.json"])
    return read


def known_metrics() -> set[str]:
    """Every name that a scrape of the operator or of a worker can have."""
    worker = Metrics()
    worker.of("queue", "task")
    of_operator = OperatorMetrics(Counts(), Tally(), Standby()).families()
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    found = (*of_operator, *worker.collect())
    return {family.name + ending for family in found for ending in endings[family.type]}


def test_all_of_it_is_off_by_default(helm_program: Path) -> None:
    manifests = render(helm_program, "home", kinds=monitoring.KINDS)
    assert [one["kind"] for one in manifests if one["kind"] in (*monitoring.PLURALS, "ConfigMap")] == []


@pytest.mark.parametrize("kind", monitoring.PLURALS)
def test_a_kind_that_the_cluster_lacks_is_one_line_that_says_what_to_do(helm_program: Path, kind: str) -> None:
    value = f"metrics.{kind[0].lower()}{kind[1:]}.enabled"
    with pytest.raises(HelmFailed) as caught:
        render(helm_program, "home", f"{value}=true")
    [complaint] = [line for line in str(caught.value).splitlines() if value in line and "execution error" in line]
    assert f"{value}: this cluster has no monitoring.coreos.com/v1/{kind}; install the Prometheus" in complaint
    [kind_made] = [one["kind"] for one in render(helm_program, "home", f"{value}=true", kinds=monitoring.KINDS)
                   if one["kind"] in monitoring.PLURALS]  # fmt: skip
    assert kind_made == kind


def test_a_monitor_without_the_service_is_refused(helm_program: Path) -> None:
    with pytest.raises(HelmFailed, match=re.escape("set metrics.service.enabled too")):
        render(
            helm_program,
            "home",
            "metrics.serviceMonitor.enabled=true",
            "metrics.service.enabled=false",
            kinds=monitoring.KINDS,
        )


@pytest.mark.parametrize(
    ("settings", "selects"),
    [
        (("watchNamespaces={one}",), {"matchNames": ["home", "one"]}),
        (("watchAll=true",), {"any": True}),
    ],
)
def test_workers_are_scraped_where_the_operator_watches(
    helm_program: Path, settings: tuple[str, ...], selects: Json
) -> None:
    manifests = render(helm_program, "home", "metrics.podMonitor.enabled=true", *settings, kinds=monitoring.KINDS)
    [monitor] = [one for one in manifests if one["kind"] == "PodMonitor"]
    assert monitor["spec"]["namespaceSelector"] == selects


def test_alerts_and_dashboard_ask_for_metrics_that_exist(groups: list[Json], dashboard: Json) -> None:
    asked = metrics_in(json.dumps(groups)) | {name for query in queries(dashboard) for name in metrics_in(query.expr)}
    assert len(asked) > 30
    assert asked - known_metrics() == set()


def test_every_alert_has_its_runbook_and_its_words(groups: list[Json]) -> None:
    runbooks = anchors(PAGES["docs/operations"])
    rules = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["annotations"]["runbook_url"] == f"{RUNBOOK}#{anchor(rule['alert'])}"
        assert anchor(rule["alert"]) in runbooks
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}


def test_the_page_lists_every_alert_with_its_severity(groups: list[Json]) -> None:
    listed = re.findall(r"^\| (Headrace\w+) \| (\w+) \|", PAGES["docs/operations"].read_text(), re.MULTILINE)
    assert listed == [(rule["alert"], rule["labels"]["severity"]) for group in groups for rule in group["rules"]]


def test_alerts_and_dashboard_name_conditions_that_exist(groups: list[Json], dashboard: Json) -> None:
    asked = " ".join(
        [rule["expr"] for group in groups for rule in group["rules"]] + [query.expr for query in queries(dashboard)]
    )
    types = set(re.findall(r'\btype="(\w+)"', asked))
    reasons = {word for found in re.findall(r'\breason=~"([\w|]+)"', asked) for word in found.split("|")}
    assert types & set(ConditionType) == types != set()
    assert reasons & set(ConditionReason) == reasons != set()


@needs_promtool
def test_promtool_accepts_the_rules(groups: list[Json], tmp_path: Path) -> None:
    promtool("check", "rules", monitoring.write(tmp_path / "rules.yaml", {"groups": groups}))


@needs_promtool
def test_alerts_fire_when_they_should_and_at_no_other_time(groups: list[Json], tmp_path: Path) -> None:
    tested = {name for test in ALERT_TESTS for name in test.alerts}
    rules = {rule["alert"] for group in groups for rule in group["rules"]}
    assert tested == rules, "each alert has its test"
    assert {name for test in ALERT_TESTS if test.words for name in test.alerts} == rules, "and its words theirs"
    monitoring.write(tmp_path / "rules.yaml", {"groups": groups})
    promtool(
        *("test", "rules"),
        monitoring.write(
            tmp_path / "tests.yaml",
            {
                "rule_files": ["rules.yaml"],
                "evaluation_interval": "1m",
                "tests": [test.document() for test in ALERT_TESTS],
            },
        ),
    )


def test_every_panel_says_what_it_shows_in_a_unit_and_has_a_place_of_its_own(dashboard: Json) -> None:
    every = dashboard["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    assert len({panel["title"] for panel in every}) == len(every)
    places = [cell for panel in every for cell in cells(panel["gridPos"])]
    assert len(set(places)) == len(places), "none overlap"
    assert max(x for x, _ in places) < 24
    for panel in panels(dashboard):
        assert panel["description"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        names = [target["refId"] for target in panel["targets"]]
        assert len(set(names)) == len(names) > 0


def cells(place: Json) -> Iterator[tuple[int, int]]:
    """What a panel covers of the grid."""
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


def test_it_is_read_from_the_chart_as_it_lies_there(dashboard: Json) -> None:
    assert dashboard == json.loads((CHART / "files" / "dashboard.json").read_text())

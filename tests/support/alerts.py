"""What each alert must answer to: series of two WorkerQueues, one in trouble and one not, and who is told when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
ILL = 'namespace="home", name="ill"'
WELL = 'namespace="home", name="well"'
FIRING = 'sum by (alertname, namespace, name) (ALERTS{alertstate="firing"})'
LEADING = {'headrace_operator_leader{pod="a"}': "1x60", 'headrace_operator_leader{pod="b"}': "0x60"}


@dataclass(frozen=True)
class AlertTest:
    """Series in promtool's notation, a value a minute."""

    about: str
    series: Mapping[str, str]
    fires: Mapping[int, tuple[str, ...]]
    """Minute → every alert that fires then."""
    whom: str = ILL
    """The labels that tell whom it is about."""

    @property
    def alerts(self) -> set[str]:
        """All that fire at some time."""
        return {name for names in self.fires.values() for name in names}

    def document(self) -> Json:
        """As promtool reads it."""
        return {
            "name": self.about,
            "interval": "1m",
            "input_series": [{"series": series, "values": values} for series, values in self.series.items()],
            "promql_expr_test": [
                {
                    "expr": FIRING,
                    "eval_time": f"{minute}m",
                    "exp_samples": [{"labels": self._labels(name), "value": 1} for name in names],
                }
                for minute, names in self.fires.items()
            ],
        }

    def _labels(self, name: str) -> str:
        return "{" + ", ".join(filter(None, (f'alertname="{name}"', self.whom))) + "}"


def _pair(metric: str, ill: str, well: str, labels: str = "") -> dict[str, str]:
    more = f", {labels}" if labels else ""
    name = f"headrace_workerqueue_{metric}"
    return {f"{name}{{{ILL}{more}}}": ill, f"{name}{{{WELL}{more}}}": well}


ALERT_TESTS = (
    AlertTest(
        "the leader goes and nobody follows",
        {'headrace_operator_leader{pod="a"}': "1x9 stale", 'headrace_operator_leader{pod="b"}': "0x60"},
        {9: (), 11: (), 13: ("HeadraceNoLeader",)},
        whom="",
    ),
    AlertTest(
        "a takeover is no reason",
        {'headrace_operator_leader{pod="a"}': "1x9 stale", 'headrace_operator_leader{pod="b"}': "0x9 1x50"},
        {9: (), 11: (), 15: ()},
    ),
    AlertTest("no operator at all", {}, {1: (), 3: ("HeadraceNoLeader",)}, whom=""),
    AlertTest(
        "reconciles keep failing",
        LEADING | _pair("reconcile_errors_total", "0x10 0+1x50", "0x10 1x50"),
        {10: (), 50: ("HeadraceReconcileErrors",)},
    ),
    AlertTest(
        "a watch falls silent",
        LEADING
        | {'headrace_operator_watch_age_seconds{watch="lease"}': "1x60"}
        | {'headrace_operator_watch_age_seconds{watch="workers"}': "30x10 60+60x40"},
        {14: (), 30: ("HeadraceWatchSilent",)},
        whom="",
    ),
    AlertTest(
        "a spec is refused",
        LEADING
        | _pair("condition", "1x5 stale", "1x60", 'type="Ready", reason="Accepted"')
        | {f'headrace_workerqueue_condition{{{ILL}, type="Ready", reason="InvalidSpec"}}': "_x5 0x55"},
        {15: (), 25: ("HeadraceSpecNotInForce",)},
    ),
    AlertTest(
        "Redis goes away and comes back",
        LEADING | _pair("redis_up", "1x9 0x20 1x30", "1x60"),
        {9: (), 14: (), 16: ("HeadraceRedisUnavailable",), 35: ()},
    ),
    AlertTest(
        "a short outage of Redis",
        LEADING | _pair("redis_up", "1x9 0x3 1x40", "1x60"),
        {12: (), 16: ()},
    ),
    AlertTest(
        "jobs wait",
        LEADING | _pair("oldest_ready_age_seconds", "0+60x60", "300x60"),
        {10: (), 20: ("HeadraceBacklogOld",)},
    ),
    AlertTest(
        "jobs wait because somebody has paused the queue",
        LEADING
        | _pair("oldest_ready_age_seconds", "0+60x60", "300x60")
        | {f'headrace_workerqueue_condition{{{ILL}, type="Paused", reason="PausedBySpec"}}': "1x60"},
        {20: (), 50: ()},
    ),
    AlertTest(
        "dead letters grow, then stay",
        LEADING | _pair("jobs", "2x20 3 4 5x39", "7x60", 'state="dead"'),
        {20: (), 23: ("HeadraceDeadLettersGrowing",), 50: ()},
    ),
    AlertTest(
        "an audit finds something, which is mended",
        LEADING | _pair("audit_findings", "0x20 3x10 0x30", "0x60", 'kind="Orphan"'),
        {20: (), 22: ("HeadraceAuditFindings",), 40: ()},
    ),
    AlertTest(
        "a version can't run",
        LEADING
        | {f'headrace_workerqueue_condition{{{ILL}, type="Progressing", reason="VersionFailing"}}': "_x5 0x50"}
        | {f'headrace_workerqueue_condition{{{WELL}, type="Progressing", reason="RollingOut"}}': "1x60"},
        {9: (), 12: ("HeadraceRolloutFailing",)},
    ),
    AlertTest(
        "a version was rolled back",
        LEADING | {f'headrace_workerqueue_condition{{{ILL}, type="Progressing", reason="RolledBack"}}': "_x5 0x50"},
        {9: (), 12: ("HeadraceRolloutFailing",)},
    ),
    AlertTest(
        "workers are wanted and none gets ready",
        LEADING | _pair("replicas_desired", "0x5 3x50", "3x60") | _pair("replicas", "0x60", "1x60", 'state="ready"'),
        {14: (), 18: ("HeadraceNoWorkerReady",)},
    ),
    AlertTest(
        "a fleet at zero is well",
        LEADING | _pair("replicas_desired", "0x60", "0x60") | _pair("replicas", "0x60", "0x60", 'state="ready"'),
        {30: ()},
    ),
)

"""What each alert must answer to: series of two WorkerQueues, one in trouble and one not; who is told, when and how."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
RUNBOOK = "https://example.org/operations.md"
"""What the chart is told to point into."""
ILL = 'namespace="home", name="ill"'
WELL = 'namespace="home", name="well"'
FIRING = 'sum by (alertname, namespace, name) (ALERTS{alertstate="firing"})'
LEADING = {'headrace_operator_leader{pod="a"}': "1x60", 'headrace_operator_leader{pod="b"}': "0x60"}


@dataclass(frozen=True)
class Words:
    """What whoever is told reads at that minute."""

    minute: int
    severity: str
    summary: str
    description: str
    labels: Mapping[str, str] = field(default_factory=lambda: {"namespace": "home", "name": "ill"})


@dataclass(frozen=True)
class AlertTest:
    """Series in promtool's notation, a value a minute."""

    about: str
    series: Mapping[str, str]
    fires: Mapping[int, tuple[str, ...]]
    """Minute → every alert that fires then."""
    whom: str = ILL
    """The labels that tell whom it is about."""
    words: Words | None = None
    """Of its one alert."""

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
            "alert_rule_test": [self._told(self.words)] if self.words else [],
        }

    def _labels(self, name: str) -> str:
        return "{" + ", ".join(filter(None, (f'alertname="{name}"', self.whom))) + "}"

    def _told(self, words: Words) -> Json:
        [name] = self.alerts
        annotations = {
            "summary": words.summary,
            "description": words.description,
            "runbook_url": f"{RUNBOOK}#{anchor(name)}",
        }
        told = {"exp_labels": {"severity": words.severity, **words.labels}, "exp_annotations": annotations}
        return {"eval_time": f"{words.minute}m", "alertname": name, "exp_alerts": [told]}


def anchor(alert: str) -> str:
    """Where its runbook is: HeadraceNoLeader's is no-leader."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", alert.removeprefix("Headrace")).lower()


def _pair(metric: str, ill: str, well: str, labels: str = "") -> dict[str, str]:
    more = f", {labels}" if labels else ""
    name = f"headrace_workerqueue_{metric}"
    return {f"{name}{{{ILL}{more}}}": ill, f"{name}{{{WELL}{more}}}": well}


ALERT_TESTS = (
    AlertTest(
        "a healthy fleet that works, grows, shrinks and is looked after",
        LEADING
        | {
            f'headrace_operator_watch_age_seconds{{watch="{watch}"}}': "15x20 60x20 15x20"
            for watch in ("lease", "pods")
        }
        | _pair("reconcile_errors_total", "2x60", "0x60")
        | {f"headrace_schedule_missed_total{{{ILL}}}": "3x60"}
        | {f'headrace_schedule_condition{{{ILL}, type="Ready", reason="Scheduled"}}': "1x60"}
        | _pair("condition", "1x60", "1x60", 'type="Ready", reason="Accepted"')
        | _pair("condition", "0x60", "1x60", 'type="Progressing", reason="UpToDate"')
        | _pair("condition", "0x60", "1x60", 'type="Replaying", reason="Completed"')
        | _pair("redis_up", "1x60", "1x60")
        | _pair("oldest_ready_age_seconds", "0 30 90 200 0x56", "0x60")
        | _pair("jobs", "50+100x10 1000-100x10 0x38", "0x60", 'state="ready"')
        | _pair("jobs", "4x30 0x29", "3x60", 'state="dead"')
        | _pair("audit_findings", "0x60", "0x60", 'kind="Orphan"')
        | _pair("breaker_open", "0x60", "0x60", 'reason="CrashLoop"')
        | _pair("replicas_desired", "0x3 1+1x9 10-1x9 0x36", "2x60")
        | _pair("replicas", "0x5 1+1x9 10-1x9 0x34", "2x60", 'state="ready"'),
        dict.fromkeys((5, 15, 20, 31, 45, 60), ()),
    ),
    AlertTest(
        "the leader goes and nobody follows",
        {'headrace_operator_leader{pod="a"}': "1x9 stale", 'headrace_operator_leader{pod="b"}': "0x60"},
        {9: (), 11: (), 13: ("HeadraceNoLeader",)},
        whom="",
        words=Words(
            13,
            "critical",
            "No headrace operator leads",
            "Workers go on, but nothing scales, wakes, rolls out or is reported.",
            {},
        ),
    ),
    AlertTest(
        "a takeover is no reason",
        {'headrace_operator_leader{pod="a"}': "1x9 stale", 'headrace_operator_leader{pod="b"}': "0x9 1x50"},
        {9: (), 11: (), 15: ()},
    ),
    AlertTest("no operator at all", {}, {1: (), 3: ("HeadraceNoLeader",)}, whom=""),
    AlertTest(
        "reconciles keep failing, then not any more",
        LEADING | _pair("reconcile_errors_total", "0x10 0+1x20 20x30", "0x10 1x50"),
        {10: (), 22: (), 28: ("HeadraceReconcileErrors",), 50: ()},
        words=Words(
            28,
            "warning",
            "The operator keeps failing to look after WorkerQueue home/ill",
            "Its log names the error.",
        ),
    ),
    AlertTest(
        "a watch falls silent",
        LEADING
        | {'headrace_operator_watch_age_seconds{watch="lease"}': "1x60"}
        | {'headrace_operator_watch_age_seconds{watch="workers"}': "30x10 60+60x40"},
        {14: (), 19: (), 30: ("HeadraceWatchSilent",)},
        whom="",
        words=Words(
            30,
            "warning",
            "The API server tells an operator nothing of workers",
            "Nothing was heard for 20m 0s; a bookmark is due every minute.",
            {"watch": "workers"},
        ),
    ),
    AlertTest(
        "a spec is refused",
        LEADING
        | _pair("condition", "1x5 stale", "1x60", 'type="Ready", reason="Accepted"')
        | {f'headrace_workerqueue_condition{{{ILL}, type="Ready", reason="InvalidSpec"}}': "_x5 0x55"},
        {15: (), 19: (), 25: ("HeadraceSpecNotInForce",)},
        words=Words(
            25,
            "warning",
            "The spec of WorkerQueue home/ill is not in force: InvalidSpec",
            "The condition Ready names what is wrong.",
            {"namespace": "home", "name": "ill", "reason": "InvalidSpec"},
        ),
    ),
    AlertTest(
        "Redis goes away and comes back",
        LEADING | _pair("redis_up", "1x9 0x20 1x30", "1x60"),
        {9: (), 14: (), 16: ("HeadraceRedisUnavailable",), 35: ()},
        words=Words(
            16,
            "critical",
            "The operator can't read the queues of WorkerQueue home/ill",
            "The number of its workers stays as it is. The condition RedisAvailable says why.",
        ),
    ),
    AlertTest(
        "a short outage of Redis",
        LEADING | _pair("redis_up", "1x9 0x3 1x40", "1x60"),
        {12: (), 16: ()},
    ),
    AlertTest(
        "jobs wait",
        LEADING | _pair("oldest_ready_age_seconds", "0+60x60", "300x60"),
        {10: (), 15: (), 17: ("HeadraceBacklogOld",)},
        words=Words(
            20, "warning", "Jobs of WorkerQueue home/ill wait too long", "The oldest could have run for 20m 0s."
        ),
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
        words=Words(
            23,
            "warning",
            "Jobs of WorkerQueue home/ill fail for good",
            "3 more dead letters than at some time in the last 15 minutes.",
        ),
    ),
    AlertTest(
        "dead letters are replayed, and some fail again",
        LEADING | _pair("jobs", "500x20 0x5 4x35", "500x20 0x40", 'state="dead"'),
        {25: (), 27: ("HeadraceDeadLettersGrowing",), 50: ()},
    ),
    AlertTest(
        "dead letters grow while another operator takes over",
        {'headrace_operator_leader{pod="a"}': "1x9 stale", 'headrace_operator_leader{pod="b"}': "0x9 1x50"}
        | {f'headrace_workerqueue_jobs{{{ILL}, state="dead", pod="a"}}': "2x9 stale"}
        | {f'headrace_workerqueue_jobs{{{ILL}, state="dead", pod="b"}}': "_x10 3x50"},
        {9: (), 12: ("HeadraceDeadLettersGrowing",), 40: ()},
    ),
    AlertTest(
        "a replay stops itself, and the next one ends well",
        LEADING
        | {f'headrace_workerqueue_condition{{{ILL}, type="Replaying", reason="Running"}}': "_x5 1x15 stale"}
        | {f'headrace_workerqueue_condition{{{ILL}, type="Replaying", reason="Failed"}}': "_x20 0x20 stale"}
        | {f'headrace_workerqueue_condition{{{ILL}, type="Replaying", reason="Completed"}}': "_x41 0x18"}
        | {f'headrace_workerqueue_condition{{{WELL}, type="Replaying", reason="Cancelled"}}': "0x60"}
        | {f'headrace_workerqueue_condition{{{WELL}, type="Ready", reason="Failed"}}': "1x60"},
        {10: (), 19: (), 22: ("HeadraceReplayFailed",), 40: ("HeadraceReplayFailed",), 45: ()},
        words=Words(
            22,
            "warning",
            "A replay of WorkerQueue home/ill has failed",
            "What it has moved is replayed, the others are still dead. status.replay.message says why.",
        ),
    ),
    AlertTest(
        "an audit finds something, which is mended",
        LEADING | _pair("audit_findings", "0x20 3x10 0x30", "0x60", 'kind="Orphan"'),
        {20: (), 22: ("HeadraceAuditFindings",), 40: ()},
        words=Words(
            22,
            "warning",
            "Jobs of WorkerQueue home/ill are lost, or filed wrongly",
            "3 findings of the last audit. The operator's log names the queue.",
        ),
    ),
    AlertTest(
        "a version can't run",
        LEADING
        | {f'headrace_workerqueue_condition{{{ILL}, type="Progressing", reason="VersionFailing"}}': "_x5 0x50"}
        | {f'headrace_workerqueue_condition{{{WELL}, type="Progressing", reason="RollingOut"}}': "1x60"},
        {9: (), 12: ("HeadraceRolloutFailing",)},
        words=Words(
            12,
            "warning",
            "The new version of WorkerQueue home/ill can't be rolled out",
            "The old workers go on. The condition Progressing says why.",
        ),
    ),
    AlertTest(
        "a version was rolled back",
        LEADING | {f'headrace_workerqueue_condition{{{ILL}, type="Progressing", reason="RolledBack"}}': "_x5 0x50"},
        {9: (), 12: ("HeadraceRolloutFailing",)},
    ),
    AlertTest(
        "workers are wanted and none gets ready",
        LEADING | _pair("replicas_desired", "0x5 3x50", "3x60") | _pair("replicas", "0x60", "1x60", 'state="ready"'),
        {14: (), 15: (), 18: ("HeadraceNoWorkerReady",)},
        words=Words(
            18,
            "critical",
            "WorkerQueue home/ill wants workers and none is ready",
            "3 are wanted. kubectl describe shows what keeps its pods from running.",
        ),
    ),
    AlertTest(
        "the breaker opens, for one reason and then for another, and closes",
        LEADING
        | _pair("breaker_open", "0x5 1x15 0x40", "0x60", 'reason="CrashLoop"')
        | _pair("breaker_open", "0x20 1x19 0x20", "0x60", 'reason="FailureSpike"'),
        {
            5: (),
            10: (),
            12: ("HeadraceBreakerOpen",),
            30: ("HeadraceBreakerOpen",),
            41: (),
        },
        whom=f"{ILL}",
        words=Words(
            12,
            "warning",
            "The breaker of WorkerQueue home/ill is open: CrashLoop",
            "No workers are added until its reason is gone. The condition BreakerOpen has the numbers.",
            {"namespace": "home", "name": "ill", "reason": "CrashLoop"},
        ),
    ),
    AlertTest(
        "a short trip of the breaker, over a change of leaders",
        LEADING
        | {f'headrace_workerqueue_breaker_open{{{ILL}, reason="CrashLoop", pod="a"}}': "0x9 1 1 stale"}
        | {f'headrace_workerqueue_breaker_open{{{ILL}, reason="CrashLoop", pod="b"}}': "_x12 1 0x40"},
        {12: (), 16: (), 30: ()},
    ),
    AlertTest(
        "a fleet at zero is well",
        LEADING | _pair("replicas_desired", "0x60", "0x60") | _pair("replicas", "0x60", "0x60", 'state="ready"'),
        {30: ()},
    ),
    AlertTest(
        "a schedule misses a run",
        LEADING
        | {
            f"headrace_schedule_missed_total{{{ILL}}}": "1x20 2x39",
            f"headrace_schedule_missed_total{{{WELL}}}": "7x60",
        },
        {20: (), 22: ("HeadraceScheduleMissed",), 50: ()},
    ),
    AlertTest(
        "a schedule misses runs while another operator takes over, then not any more",
        LEADING
        | {f'headrace_schedule_missed_total{{{ILL}, pod="a"}}': "1x9 stale"}
        | {f'headrace_schedule_missed_total{{{ILL}, pod="b"}}': "_x10 3x50"}
        | {f"headrace_schedule_missed_total{{{WELL}}}": "7x60"},
        {9: (), 12: ("HeadraceScheduleMissed",), 40: ()},
        words=Words(
            12,
            "warning",
            "Schedule home/ill has missed runs",
            "2 ticks more than at some time in the last 15 minutes passed without running.",
        ),
    ),
    AlertTest(
        "a schedule can't fire",
        LEADING
        | {f'headrace_schedule_condition{{{ILL}, type="Ready", reason="Scheduled"}}': "1x5 stale"}
        | {f'headrace_schedule_condition{{{ILL}, type="Ready", reason="UnknownTask"}}': "_x5 0x55"}
        | {f'headrace_schedule_condition{{{WELL}, type="Ready", reason="Suspended"}}': "1x60"},
        {15: (), 19: (), 25: ("HeadraceScheduleNotReady",)},
        words=Words(
            25,
            "warning",
            "Schedule home/ill can't fire: UnknownTask",
            "The condition Ready names what is wrong.",
            {"namespace": "home", "name": "ill", "reason": "UnknownTask"},
        ),
    ),
)

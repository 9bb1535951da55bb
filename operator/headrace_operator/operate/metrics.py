"""The operator's metrics as Prometheus families, made from counts and from what the loop knows at that moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Final, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from headrace_operator.api.names import ObjectKey, QueueKey, ScheduleKey
from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.cluster.tally import Tally
from headrace_operator.operate import queue_series, schedule_series
from headrace_operator.operate.counts import BOUNDS, Counts, QueueCounts
from headrace_operator.operate.series import Series, T
from headrace_operator.reconcile.record import Record

OPERATOR: Final = "headrace_operator_"
QUEUE: Final = "headrace_workerqueue_"
SCHEDULE: Final = "headrace_schedule_"
KEY_LABELS: Final = ("namespace", "name")

Records = Mapping[QueueKey, Record]


class Standing(Protocol):
    """What the process is and knows."""

    @property
    def leading(self) -> bool:
        """Whether it leads."""
        ...

    @property
    def records(self) -> Records:
        """What a leader knows of each WorkerQueue; a standby knows none."""
        ...

    @property
    def schedules(self) -> Mapping[ScheduleKey, ScheduleStatus]:
        """The last status of each Schedule; a standby knows none."""
        ...

    def ages(self) -> Mapping[str, float]:
        """Seconds since the API server spoke of each thing that is watched."""
        ...


class OperatorMetrics:
    """`render` answers a scrape."""

    def __init__(self, counts: Counts, requests: Tally, standing: Standing) -> None:
        self._counts, self._requests, self._standing = counts, requests, standing
        self._version = version("headrace")

    async def render(self, accept: str) -> tuple[str, bytes]:
        """Content type and body. The loop takes turns with other tasks, since a thousand queues are many samples."""
        taken = []
        for family in self.families():
            taken.append(family)
            await asyncio.sleep(0)
        encode, content_type = choose_encoder(accept)
        return content_type, await asyncio.to_thread(_encoded, encode, taken)

    def families(self) -> Iterator[Metric]:
        """Every family, with its current values."""
        yield from self._operator()
        yield from _read(QUEUE, queue_series.GAUGES, queue_series.COUNTERS, self._standing.records)
        yield from _counted(self._counts.queues)
        yield from _read(SCHEDULE, schedule_series.GAUGES, schedule_series.COUNTERS, self._standing.schedules)

    def _operator(self) -> Iterator[Metric]:
        counts = self._counts
        info = GaugeMetricFamily(f"{OPERATOR}build_info", "The version that runs.", labels=["version"])
        info.add_metric([self._version], 1)
        yield info
        yield GaugeMetricFamily(f"{OPERATOR}leader", "Whether this process leads.", float(self._standing.leading))
        ages = GaugeMetricFamily(f"{OPERATOR}watch_age_seconds", "Since the API server spoke of it.", labels=["watch"])
        for what, age in self._standing.ages().items():
            ages.add_metric([what], age)
        yield ages
        results = CounterMetricFamily(f"{OPERATOR}reconciles", "Looks at WorkerQueues by result.", labels=["result"])
        results.add_metric(["ok"], counts.reconciles - counts.failed_reconciles)
        results.add_metric(["error"], counts.failed_reconciles)
        yield results
        yield _durations(counts)
        requests = CounterMetricFamily(
            f"{OPERATOR}api_requests", "Requests to the API server, kopf's watch left out.", labels=["verb", "code"]
        )
        for (verb, code), count in sorted(self._requests.items()):
            requests.add_metric([verb, code], count)
        yield requests


def _durations(counts: Counts) -> Metric:
    below, buckets = 0, []
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), counts.durations, strict=True):
        below += count
        buckets.append((bound, below))
    text = "How long a look at a WorkerQueue takes."
    return HistogramMetricFamily(f"{OPERATOR}reconcile_duration_seconds", text, buckets, counts.seconds)


def _read(
    prefix: str, gauges: Iterable[Series[T]], counters: Iterable[Series[T]], known: Mapping[ObjectKey, T]
) -> Iterator[Metric]:
    for kind, families in ((GaugeMetricFamily, gauges), (CounterMetricFamily, counters)):
        for series in families:
            family = kind(prefix + series.name, series.text, labels=[*KEY_LABELS, *series.labels])
            for key, subject in known.items():
                for labels, value in series.read(subject):
                    family.add_metric([key.namespace, key.name, *labels], value)
            yield family


def _counted(queues: Mapping[QueueKey, QueueCounts]) -> Iterator[Metric]:
    failed = CounterMetricFamily(f"{QUEUE}reconcile_errors", "Looks that failed.", labels=KEY_LABELS)
    decisions = CounterMetricFamily(
        f"{QUEUE}decisions", "Decisions that changed something, by reason.", labels=[*KEY_LABELS, "reason"]
    )
    events = CounterMetricFamily(
        f"{QUEUE}events", "Events that people were told, rollouts among them.", labels=[*KEY_LABELS, "event"]
    )
    victims = CounterMetricFamily(
        f"{QUEUE}scale_in_victims",
        "Workers that scale-ins took away: idle and aimed at, drained though aimed at, or others.",
        labels=[*KEY_LABELS, "victim"],
    )
    for key, counts in queues.items():
        labels = [key.namespace, key.name]
        failed.add_metric(labels, counts.failed_reconciles)
        for reason, count in counts.decisions.items():
            decisions.add_metric([*labels, reason], count)
        for event, count in counts.events.items():
            events.add_metric([*labels, event], count)
        for victim, count in counts.victims.items():
            victims.add_metric([*labels, victim], count)
    yield from (failed, decisions, events, victims)


class _Taken:
    """Families that were made before, as a collector."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _encoded(encode: Callable[[CollectorRegistry], bytes], families: list[Metric]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Taken(families))
    return encode(registry)

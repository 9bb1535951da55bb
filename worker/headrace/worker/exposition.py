"""Metrics as Prometheus families. Imported at the first scrape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.samples import Exemplar

from headrace.worker.metrics import BUCKETS, Example, Histogram, Metrics, TaskMetrics

TASK_COUNTERS: tuple[tuple[str, str, Callable[[TaskMetrics], int]], ...] = (
    ("tasks_completed", "Jobs that ended well.", lambda t: t.succeeded),
    ("tasks_failed", "Runs that ended in an error, retried or not.", lambda t: t.failed),
    ("tasks_cancelled", "Jobs called off while they ran.", lambda t: t.cancelled),
    ("tasks_dead", "Jobs that became dead letters here.", lambda t: t.dead),
    ("retry_count", "Failed runs that will be tried again.", lambda t: t.retried),
)
WORKER_COUNTERS: tuple[tuple[str, str, Callable[[Metrics], int]], ...] = (
    ("tasks_scheduled", "Jobs this worker has claimed.", lambda m: m.claimed),
    ("worker_exchanges", "Round trips that settle and claim.", lambda m: m.exchanges),
    ("worker_lease_losses", "Sessions whose lease has ended under the worker.", lambda m: m.lease_losses),
    ("worker_stale_settlements", "Settlements Redis refused.", lambda m: m.stale_settlements),
    ("worker_redis_errors", "Calls to Redis that failed and were tried again.", lambda m: m.redis_errors),
    ("worker_abandoned_threads", "Plain handlers that outlived their timeout.", lambda m: m.abandoned_threads()),
)
STATUSES: tuple[tuple[str, Callable[[TaskMetrics], int]], ...] = (
    ("success", lambda t: t.succeeded),
    ("error", lambda t: t.failed),
    ("cancelled", lambda t: t.cancelled),
    ("released", lambda t: t.released),
    ("lost", lambda t: t.lost),
)
GAUGES = {
    "queue_depth": ("ready", "Runnable jobs waiting."),
    "queue_scheduled": ("scheduled", "Jobs waiting for their time."),
    "queue_leased": ("leased", "Jobs in workers' hands."),
    "dead_letters": ("dead", "Dead letters."),
}


def families(metrics: Metrics) -> Iterator[Metric]:
    """Every family, with its current values."""
    tasks = list(metrics.tasks.values())
    for name, text, read in TASK_COUNTERS:
        counter = CounterMetricFamily(name, text, labels=["queue", "task"])
        for task in tasks:
            counter.add_metric([task.queue, task.task], read(task))
        yield counter
    running = GaugeMetricFamily("tasks_running", "Handlers running now.", labels=["queue", "task"])
    for task in tasks:
        running.add_metric([task.queue, task.task], task.running)
    yield _processed(tasks)
    yield running
    yield _histogram("worker_job_duration_seconds", "Run time of handlers.", tasks, lambda t: t.duration)
    yield _histogram("task_latency_seconds", "From runnable to started.", tasks, lambda t: t.latency)
    for name, text, count in WORKER_COUNTERS:
        yield CounterMetricFamily(name, text, value=count(metrics))
    yield GaugeMetricFamily("worker_loop_lag_seconds", "How late the event loop's last tick was.", metrics.loop_lag)
    yield from _queue_gauges(metrics)


def _processed(tasks: list[TaskMetrics]) -> Metric:
    """By task alone: tasks of one name on several queues share a series."""
    sums: Counter[tuple[str, str]] = Counter()
    for task in tasks:
        for status, read in STATUSES:
            sums[task.task, status] += read(task)
    family = CounterMetricFamily("worker_jobs_processed", "Runs by how they ended.", labels=["job_type", "status"])
    for labels, count in sums.items():
        family.add_metric(labels, count)
    return family


def _queue_gauges(metrics: Metrics) -> Iterator[Metric]:
    for name, (number, text) in GAUGES.items():
        gauge = GaugeMetricFamily(name, text, labels=["queue"])
        for queue, numbers in metrics.queue_gauges.items():
            gauge.add_metric([queue], numbers[number])
        yield gauge


def _histogram(name: str, text: str, tasks: list[TaskMetrics], read: Callable[[TaskMetrics], Histogram]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=["queue", "task"])
    for task in tasks:
        histogram = read(task)
        below = 0
        buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        for i, (bound, count) in enumerate(zip((*map(str, BUCKETS), "+Inf"), histogram.counts, strict=True)):
            below += count
            example = histogram.examples.get(i)
            buckets.append((bound, below) if example is None else (bound, below, _exemplar(example)))
        family.add_metric([task.queue, task.task], buckets=buckets, sum_value=histogram.total)
    return family


def _exemplar(example: Example) -> Exemplar:
    """Shown in OpenMetrics alone; the other format has none."""
    return Exemplar({"trace_id": example.trace_id}, example.seconds, example.time)


def render(metrics: Metrics, accept: str) -> tuple[str, bytes]:
    """Content type and body, OpenMetrics where the client takes it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(metrics)
    if "application/openmetrics-text" in accept:
        return "application/openmetrics-text; version=1.0.0; charset=utf-8", _bytes(generate_openmetrics, registry)
    return "text/plain; version=0.0.4; charset=utf-8", _bytes(generate_latest, registry)


def _bytes(generate: Callable[[CollectorRegistry], bytes], registry: CollectorRegistry) -> bytes:
    return generate(registry)

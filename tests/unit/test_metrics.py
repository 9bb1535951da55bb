"""E22: the exposition, parsed back by the client library's own parser, and by promtool where there is one."""

from __future__ import annotations

import pytest

from headrace.worker.exposition import render
from headrace.worker.metrics import BUCKETS, Histogram, Metrics
from support.exposition import Samples, check_by_promtool, samples, value
from support.monitoring import needs_promtool


def busy() -> Metrics:
    """Two queues that have a task of the same name, as `unknown` always is."""
    metrics = Metrics()
    for queue in ("a", "b"):
        for task in ("send", "unknown"):
            counts = metrics.of(queue, task)
            counts.succeeded, counts.failed, counts.dead, counts.retried, counts.running = 3, 2, 1, 1, 4
            counts.duration.observe(0.003)
            counts.latency.observe(4000)
    metrics.claimed, metrics.exchanges, metrics.lease_losses, metrics.stale_settlements = 10, 5, 1, 2
    metrics.loop_lag = 0.125
    metrics.queue_gauges["a"] = {"ready": 1, "scheduled": 2, "leased": 3, "dead": 4}
    metrics.abandoned_threads = lambda: 7
    return metrics


def scrape(metrics: Metrics, accept: str = "") -> Samples:
    kind, body = render(metrics, accept)
    return samples(kind, body.decode())


@pytest.mark.parametrize("accept", ["", "text/plain", "application/openmetrics-text; version=1.0.0"])
def test_what_was_counted_is_what_is_read(accept: str) -> None:
    found = scrape(busy(), accept)
    assert value(found, "worker_jobs_processed_total", job_type="send", status="success") == 6
    assert value(found, "worker_jobs_processed_total", job_type="unknown", status="error") == 4
    assert value(found, "tasks_completed_total", queue="a", task="send") == 3
    assert value(found, "tasks_failed_total", queue="b", task="send") == 2
    assert value(found, "tasks_running", queue="a", task="send") == 4
    assert value(found, "retry_count_total", queue="a", task="send") == 1
    assert value(found, "tasks_scheduled_total") == 10
    assert value(found, "worker_lease_losses_total") == 1
    assert value(found, "worker_stale_settlements_total") == 2
    assert value(found, "worker_abandoned_threads_total") == 7
    assert value(found, "worker_loop_lag_seconds") == 0.125
    assert value(found, "queue_depth", queue="a") == 1
    assert value(found, "dead_letters", queue="a") == 4


def test_histograms_are_cumulative() -> None:
    found = scrape(busy())
    labels = {"queue": "a", "task": "send"}
    assert value(found, "worker_job_duration_seconds_bucket", le="0.001", **labels) == 0
    assert value(found, "worker_job_duration_seconds_bucket", le="0.005", **labels) == 1
    assert value(found, "worker_job_duration_seconds_bucket", le="+Inf", **labels) == 1
    assert value(found, "worker_job_duration_seconds_sum", **labels) == 0.003
    assert value(found, "task_latency_seconds_bucket", le="1800", **labels) == 0
    assert value(found, "task_latency_seconds_count", **labels) == 1


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0, 0), (0.001, 0), (0.0011, 1), (1800, len(BUCKETS) - 1), (1801, len(BUCKETS))]
)
def test_a_bound_belongs_to_its_bucket(seconds: float, bucket: int) -> None:
    histogram = Histogram()
    histogram.observe(seconds)
    assert histogram.counts.index(1) == bucket


def test_labels_are_names_of_the_application_alone() -> None:
    """However many jobs ran: the number of series depends on queues and tasks, never on ids or errors."""
    metrics = busy()
    before = len(scrape(metrics))
    for _ in range(1000):
        metrics.of("a", "send").succeeded += 1
    found = scrape(metrics)
    assert len(found) == before
    assert {name for _, labels in found for name, _ in labels} == {"queue", "task", "job_type", "status", "le"}


def test_a_worker_that_has_done_nothing_can_be_scraped_again_and_again() -> None:
    metrics = Metrics()
    assert scrape(metrics) == scrape(metrics)


@needs_promtool
def test_promtool_finds_nothing_to_complain_of() -> None:
    _, body = render(busy(), "")
    check_by_promtool(body.decode())

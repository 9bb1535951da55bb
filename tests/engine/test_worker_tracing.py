"""E24: spans of enqueue and run, in one trace from the producer to whatever the handler traces; exemplars of E22."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from support.apps import traced
from support.lab import Lab
from support.polling import eventually

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


@pytest.fixture(autouse=True)
def _no_spans_of_others() -> Iterator[None]:
    traced.memory.clear()
    yield
    traced.memory.clear()


def sent() -> list[ReadableSpan]:
    return [span for span in traced.memory.get_finished_spans() if span.kind is SpanKind.PRODUCER]


def span_id(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.span_id:016x}"


def trace_id(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


async def spans(lab: Lab, *names: str) -> list[Mapping[str, Any]]:
    """What the worker has traced, once all of these are there, in this order."""

    def there() -> list[Mapping[str, Any]]:
        found = lab.notes("span")
        picked = [next((one for one in found if one["name"] == name), None) for name in names]
        return [one for one in picked if one is not None] if None not in picked else []

    return await eventually(there)


async def test_a_run_is_a_child_of_its_enqueue_and_the_handler_s_spans_of_the_run(lab: Lab) -> None:
    lab.use(traced.fleet)
    await lab.start("traced")
    with traced.tracer.start_as_current_span("request") as request:
        job = await traced.first.options(correlation_id="c-1").enqueue()
    inside, run = await spans(lab, "inside", "process jobs")
    (producer,) = sent()
    assert producer.parent is not None
    assert producer.parent.span_id == request.get_span_context().span_id
    assert (producer.name, run["kind"], run["status"]) == ("send jobs", "CONSUMER", "UNSET")
    assert {run["trace"], inside["trace"]} == {trace_id(producer)}
    assert (inside["parent"], run["parent"], run["links"]) == (run["span"], span_id(producer), [])
    shared = {"messaging.system": "headrace", "messaging.destination.name": "jobs", "headrace.task": "first"}
    operation = {"messaging.operation.name": "send", "messaging.operation.type": "send"}
    assert dict(producer.attributes or {}) == {**shared, **operation, "messaging.message.id": job.id}
    assert run["attributes"] == {
        **shared,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.message.id": job.id,
        "messaging.message.conversation_id": "c-1",
        "messaging.client.id": "w0",
        "headrace.attempt": 1,
        "headrace.crashes": 0,
    }


async def test_a_batch_is_one_span_and_a_job_of_a_job_is_in_the_same_trace(lab: Lab) -> None:
    lab.use(traced.fleet)
    await lab.start("traced")
    await traced.first.enqueue_many([{"outcome": "next"}, {}])
    await spans(lab, "in a thread")
    (producer,) = sent()
    assert dict(producer.attributes or {})["messaging.batch.message_count"] == 2
    by_id = {span["span"]: span for span in lab.notes("span")}
    thread = next(span for span in by_id.values() if span["name"] == "in a thread")
    await eventually(lambda: thread["parent"] in {span["span"] for span in lab.notes("span")})
    assert thread["trace"] == trace_id(producer)


async def test_a_child_process_goes_on_with_the_run_s_trace(lab: Lab) -> None:
    lab.use(traced.fleet)
    await lab.start("traced")
    await traced.in_process.enqueue()
    child, run = await spans(lab, "in a child", "process jobs")
    assert (child["trace"], child["parent"]) == (run["trace"], run["span"])
    assert child["pid"] != run["pid"]


async def test_a_failed_run_says_which_error_and_quotes_nothing(lab: Lab) -> None:
    lab.use(traced.fleet)
    await lab.start("traced")
    await traced.first.enqueue("fail hunter2")
    await eventually(lab.dead)
    runs = [span for span in lab.notes("span") if span["name"] == "process jobs"]
    assert [span["attributes"]["headrace.attempt"] for span in runs] == [1, 2]
    for run in runs:
        assert (run["status"], run["description"]) == ("ERROR", "ValueError")
        assert run["attributes"]["error.type"] == "ValueError"
        ((name, event),) = run["events"]
        assert (name, event["exception.type"]) == ("exception", "ValueError")
        assert "traced.py" in event["exception.stacktrace"]
        assert "hunter2" not in str(run)


async def test_a_wish_to_run_later_is_no_error(lab: Lab) -> None:
    lab.use(traced.fleet)
    await lab.start("traced")
    await traced.first.enqueue("later")
    await eventually(lambda: len([span for span in lab.notes("span") if span["name"] == "process jobs"]) == 2)
    runs = [span for span in lab.notes("span") if span["name"] == "process jobs"]
    assert [span["status"] for span in runs] == ["UNSET", "UNSET"]
    assert runs[0]["events"][0][0] == "retry later"


async def test_a_run_may_begin_a_trace_of_its_own_that_links_to_its_enqueue(lab: Lab) -> None:
    lab.use(traced.fleet)
    await lab.start("traced", LINKS="1")
    await traced.second.enqueue()
    (run,) = await spans(lab, "process jobs")
    (producer,) = sent()
    assert (run["parent"], run["links"]) == (None, [span_id(producer)])
    assert run["trace"] != trace_id(producer)


async def test_the_duration_s_buckets_name_a_trace(lab: Lab) -> None:
    lab.use(traced.fleet)
    worker = await lab.start("traced")
    await traced.second.enqueue()
    await eventually(lab.ended)
    (run,) = await spans(lab, "process jobs")

    async def exemplars() -> set[str]:
        text = (await worker.http("/metrics", Accept="application/openmetrics-text; version=1.0.0")).text
        return {
            sample.exemplar.labels["trace_id"]
            for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
            for sample in family.samples
            if sample.exemplar
        }

    assert await eventually(exemplars) == {run["trace"]}
    assert "trace_id" not in (await worker.http("/metrics")).text

"""A traced application: in a worker its spans become notes, in the test's own process they stay in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence

from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from headrace import Fleet, RetryLater, current_context
from headrace.tracing import trace
from support.apps.journal import note, recorded


class Notes(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            assert span.context is not None
            note(
                "span",
                name=span.name,
                trace=f"{span.context.trace_id:032x}",
                span=f"{span.context.span_id:016x}",
                parent=f"{span.parent.span_id:016x}" if span.parent else None,
                links=[f"{link.context.span_id:016x}" for link in span.links],
                kind=span.kind.name,
                status=span.status.status_code.name,
                description=span.status.description,
                attributes=dict(span.attributes or {}),
                events=[[event.name, dict(event.attributes or {})] for event in span.events],
            )
        return SpanExportResult.SUCCESS


memory = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(Notes() if "TEST_NOTES" in os.environ else memory))
tracer = provider.get_tracer("application")

fleet = Fleet()
trace(fleet, provider=provider, parent="LINKS" not in os.environ)
jobs = fleet.queue("jobs")


@jobs.task(max_retries=1, retry_base=0.01)
async def first(outcome: str = "") -> None:
    with recorded(), tracer.start_as_current_span("inside"):
        if outcome == "later" and current_context().attempt == 1:
            raise RetryLater(0.01)
        if outcome.startswith("fail"):
            raise ValueError(outcome)
        if outcome == "next":
            await second.enqueue()


@jobs.task()
def second() -> None:
    with recorded(), tracer.start_as_current_span("in a thread"):
        pass


@jobs.task(process=True)
def in_process() -> None:
    with recorded(), tracer.start_as_current_span("in a child"):
        assert otel.get_current_span().is_recording()

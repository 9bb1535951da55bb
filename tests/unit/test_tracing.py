"""E24: who does not ask for tracing neither needs nor imports OpenTelemetry; what is asked wrongly is refused."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from headrace import Fleet, QueueUnavailableError
from headrace.errors import ConfigError
from headrace.tracing import trace
from support.fresh_python import run_fresh


def test_without_trace_nothing_of_opentelemetry_is_imported() -> None:
    code = (
        "import sys; from headrace import Fleet; Fleet().queue('q').task(name='t')(lambda: None)\n"
        "import headrace.worker.launcher, headrace.worker.exposition\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    run_fresh(code)


def test_without_the_package_one_line_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from headrace.errors import ConfigError\n"
        "try:\n    import headrace.tracing\n"
        "except ConfigError as error:\n    print(error)"
    )
    assert run_fresh(code) == "tracing needs OpenTelemetry: pip install 'headrace[tracing]'\n"


def test_a_fleet_is_traced_once() -> None:
    fleet = Fleet()
    trace(fleet)
    with pytest.raises(ConfigError, match="traced already"):
        trace(fleet)


async def test_an_enqueue_that_fails_is_an_error_of_its_span() -> None:
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    async with Fleet("redis://127.0.0.1:1", enqueue_timeout=0.1) as fleet:
        trace(fleet, provider=provider, messages=True)

        async def work() -> None: ...

        task = fleet.queue("q").task()(work)
        with pytest.raises(QueueUnavailableError):
            await task.enqueue()
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert dict(span.attributes or {})["error.type"] == "QueueUnavailableError"
    assert "127.0.0.1:1" in (span.status.description or "")


async def test_the_carrier_is_metadata_beside_the_caller_s() -> None:
    fleet = Fleet()
    provider = TracerProvider()
    trace(fleet, provider=provider)

    async def work() -> None: ...

    task = fleet.queue("q").task()(work).options(meta={"tenant": "a"})
    assert fleet.tracing is not None
    with fleet.tracing.sending("q", "work") as sent:
        assert set(sent.carrier) == {"traceparent"}
        from headrace.contract.envelope import decode

        entry = task._entry((), {}, None, sent.carrier)
        assert decode(entry.value).envelope.meta == {"tenant": "a", **sent.carrier}

"""E14, E15: arguments are checked where they are enqueued and where they run; codecs, sizes, published schemas."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from headrace import Fleet, PayloadError
from headrace.contract.keys import key
from support.apps import typed
from support.apps.typed import Order
from support.lab import Lab
from support.polling import eventually

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
NOW = datetime(2026, 5, 4, tzinfo=UTC)
SECRET = "hunter2-is-secret"


async def test_arguments_arrive_as_their_annotations_say(lab: Lab) -> None:
    lab.use(typed.fleet)
    await lab.start("typed")
    await typed.order.enqueue(Order(number=7, lines=["a"]), NOW, count=2)
    await typed.by_json.enqueue(Order(number=8), {"deep": [1, {"x": None}], "text": "ü"})
    await typed.unannotated.enqueue(1, b"\xff", x=[2])
    await eventually(lambda: len(lab.ended()) == 3)
    assert {**lab.notes("order")[0], "number": 7, "year": 2026, "kind": "Order", "count": 2} == lab.notes("order")[0]
    assert lab.notes("by_json")[0]["data"] == {"deep": [1, {"x": None}], "text": "ü"}
    assert lab.notes("unannotated")[0]["more"] == r"(b'\xff',)"
    await eventually(lab.idle)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "order: Missing required argument (and 1 more)"),
        (({"number": SECRET}, NOW), "0.number: Input should be a valid integer"),
        ((Order(number=1), NOW, 0), "2: Input should be greater than or equal to 1"),
        ((Order(number=1), NOW, 1, SECRET), "3: Unexpected positional argument"),
        ((Order(number=1), SECRET), "1: Input should be a valid datetime"),
    ],
)
async def test_a_wrong_payload_is_refused_at_enqueue(lab: Lab, arguments: Any, complaint: str) -> None:
    lab.use(typed.fleet)
    with pytest.raises(PayloadError) as refused:
        await typed.order.enqueue(*arguments)
    assert str(refused.value).startswith(f"task order: {complaint}")
    assert SECRET not in str(refused.value)
    assert (await lab.stats()).enqueued == 0


async def test_a_payload_that_fits_no_more_is_buried_at_once(lab: Lab) -> None:
    """A producer with older code than the worker's: it knows other parameters."""
    old = Fleet(lab.url)

    @old.queue("jobs").task(name="order")
    async def order(number: str) -> None: ...

    job = await order.enqueue(SECRET)
    await old.close()
    await lab.start("typed")
    await eventually(lab.dead)
    letter = (await lab.dead())[job.id]
    assert (letter.reason, letter.record.attempts) == ("InvalidPayload", 1)
    assert SECRET not in letter.record.error


async def test_sizes(lab: Lab) -> None:
    lab.use(typed.fleet)
    with pytest.raises(PayloadError, match=r"has 300,0\d\d bytes, the limit is 262,144; store large data elsewhere"):
        await typed.unannotated.enqueue("x" * 300_000)
    await lab.start("typed")
    await typed.unannotated.enqueue("x" * 262_000)
    await eventually(lambda: lab.notes("unannotated"))
    small = Fleet(lab.url, max_payload=100)

    @small.queue("jobs").task(name="unannotated")
    async def anything(value: str) -> None: ...

    with pytest.raises(PayloadError, match="the limit is 100"):
        await anything.enqueue("x" * 100)
    await small.close()


async def test_json_refuses_what_it_would_change(lab: Lab) -> None:
    lab.use(typed.fleet)
    for value in (b"raw", {"deep": [bytearray(b"raw")]}):
        with pytest.raises(PayloadError, match="bytes have no form in JSON"):
            await typed.bytes_by_json.enqueue(value)


async def test_the_json_of_a_job_can_be_read_by_others(lab: Lab) -> None:
    lab.use(typed.fleet)
    job = await typed.by_json.enqueue(Order(number=8), data={"a": 1})
    value: bytes = await lab.link.request("HGET", key("jobs", "jobs"), job.id)
    assert b'[[{"number":8,"lines":[]}],{"data":{"a":1}}]' in value


async def test_schemas_are_published_also_where_an_annotation_has_none(lab: Lab) -> None:
    await lab.start("typed")

    async def published() -> dict[str, Any]:
        flat = await lab.link.request("HGETALL", key("jobs", "schemas"))
        return {flat[i].decode(): json.loads(flat[i + 1]) for i in range(0, len(flat), 2)}

    schemas = await eventually(published)
    assert set(schemas) == set(typed.jobs.tasks)
    assert schemas["order"]["properties"]["count"] == {"default": 1, "minimum": 1, "title": "Count", "type": "integer"}
    assert schemas["order"]["required"] == ["order", "at"]
    assert schemas["opaque"] == {}
    assert schemas["limited"] == {"x-headrace-limit-key": "task:limited"}
    assert not any("x-headrace-limit-key" in schemas[name] for name in schemas.keys() - {"limited"})

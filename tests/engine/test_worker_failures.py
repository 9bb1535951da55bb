"""E5: whatever a handler, a payload or an envelope does, it costs that job alone; the worker goes on."""

from __future__ import annotations

import pytest

from headrace.brokers.redis import RedisBroker
from headrace.client.producer import Producer
from headrace.contract.entry import Entry
from headrace.contract.envelope import Envelope, encode, header
from support.apps import failing
from support.lab import Lab
from support.polling import eventually

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)

SAME = ("Exception", "BaseException", "SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError")
REASONS = {
    **{name: name for name in (*SAME, "RecursionError", "Unprintable")},
    "StopIteration": "RuntimeError",
    "UnicodeError": "FileNotFoundError",
    "Bury": "odd/reason with ? separators",
    "RetryNaN": "RetryLater",
}
"""How it fails → what it is filed under."""


@pytest.mark.parametrize(
    ("task", "different"),
    [
        (failing.fail, {}),
        (failing.fail_in_thread, {"GeneratorExit": "RuntimeError"}),
        (failing.fail_in_process, {"StopIteration": "StopIteration"}),
        (failing.fail_in_subtask, {}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_no_error_of_a_handler_stops_the_worker(
    lab: Lab, task: failing.FailTask, different: dict[str, str]
) -> None:
    lab.use(failing.fleet)
    worker = await lab.start("failing", WORKER_COUNT="3")
    expected = REASONS | different
    jobs = {how: await task.enqueue(how) for how in expected}
    await eventually(lab.idle, within=30)
    dead = await lab.dead()
    assert {how: dead[job.id].reason for how, job in jobs.items()} == expected
    assert all(letter.record.attempts == 1 for letter in dead.values())
    assert await _still_works(lab)
    assert await worker.stop() == 0
    assert (await lab.admin().audit.run()).clean


async def _still_works(lab: Lab) -> bool:
    """As many jobs as there are slots three times over: a lost slot would show."""
    for i in range(9):
        await failing.echo.enqueue(f"after-{i}")
    await eventually(lambda: len(lab.notes("echo")) == 9)
    return True


async def test_what_can_not_be_run_is_buried_with_its_reason(lab: Lab) -> None:
    producer = Producer(RedisBroker(lab.link), "jobs")
    good = Envelope(1, b"\x92\x90\x80")
    values = {
        "unknown": (encode(header("nobody"), Envelope(1, b"\x92\x90\x80", max_retries=0)), "UnknownTaskError"),
        "garbage": (b"\x01\x00\x00\x02xxgarbage", "UnreadableEnvelope"),
        "newer": (b"\x63" + encode(header("echo"), good)[1:], "UnreadableEnvelope"),
        "short": (b"\x01\x00\x00\x00", "UnreadableEnvelope"),
        "no-list": (encode(header("echo"), Envelope(1, b"\x01")), "InvalidPayload"),
        "not-msgpack": (encode(header("echo"), Envelope(1, b"\xc1")), "InvalidPayload"),
        "wrong-codec": (encode(header("echo"), Envelope(1, b"\x92\x90\x80", codec="pickle")), "InvalidPayload"),
        "missing-argument": (encode(header("echo"), good), "InvalidPayload"),
        "wrong-type": (encode(header("typed"), Envelope(1, b"\x92\x91\xa3abc\x80")), "InvalidPayload"),
        "number-keys": (encode(header("echo"), Envelope(1, b"\x92\x90\x81\x01\x01")), "InvalidPayload"),
    }
    await producer.enqueue([Entry(job_id, value) for job_id, (value, _) in values.items()])
    lab.use(failing.fleet)
    worker = await lab.start("failing", WORKER_COUNT="3")
    await eventually(lab.idle)
    dead = await lab.dead()
    assert {job_id: letter.reason for job_id, letter in dead.items()} == {
        k: reason for k, (_, reason) in values.items()
    }
    assert dead["wrong-type"].record.error.startswith("PayloadError: task typed: 0: Input should be a valid integer")
    assert await _still_works(lab)
    assert await worker.stop() == 0
    assert (await lab.admin().audit.run()).clean


async def test_a_child_that_dies_costs_one_run(lab: Lab) -> None:
    lab.use(failing.fleet)
    await lab.start("failing", WORKER_COUNT="1")
    job = await failing.die_in_process.enqueue()
    await eventually(lab.idle)
    letter = (await lab.dead())[job.id]
    assert (letter.reason, letter.record.crashes) == ("ChildDiedError", 0)
    assert "signal 9" in letter.record.error
    again = await failing.fail_in_process.enqueue("Exception")
    await eventually(lab.idle)
    assert (await lab.dead())[again.id].reason == "Exception"

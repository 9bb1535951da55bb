"""E15: protobuf jobs on a real worker, beside jobs of other codecs."""

from __future__ import annotations

import asyncio

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from headrace.contract.entry import Entry
from headrace.contract.envelope import Envelope, encode, header
from support.apps import messages
from support.lab import Lab
from support.polling import eventually
from support.worker_process import run_headrace

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


async def test_messages_reach_handlers_in_the_loop_and_in_child_processes(lab: Lab) -> None:
    lab.use(messages.fleet)
    await lab.start("messages")
    await messages.at.enqueue(Timestamp(seconds=5))
    await messages.lasting.enqueue(length=Duration(seconds=7))
    await eventually(lambda: len(lab.ended()) == 2)
    assert [(note["seconds"], note["kind"]) for note in lab.notes("at")] == [(5, "Timestamp")]
    assert [(note["seconds"], note["unit"]) for note in lab.notes("lasting")] == [(7, "s")]


async def test_bytes_that_are_no_message_are_buried_and_what_the_command_line_sends_is_read(lab: Lab) -> None:
    lab.use(messages.fleet)
    await lab.start("messages")
    bad = Envelope(1, b"\xff\xff", codec="protobuf")
    await messages.jobs.producer.enqueue([Entry("bad", encode(header("at"), bad))])
    enqueue = ("enqueue", "jobs", "at", "--kwargs", '{"time": "1970-01-01T00:00:09Z"}')
    code, _, said = await asyncio.to_thread(run_headrace, *enqueue, environ={"REDIS_URL": lab.url})
    assert code == 0, said
    await eventually(lab.dead)
    await eventually(lambda: lab.notes("at"))
    assert [note["seconds"] for note in lab.notes("at")] == [9]
    assert {job: letter.reason for job, letter in (await lab.dead()).items()} == {"bad": "InvalidPayload"}

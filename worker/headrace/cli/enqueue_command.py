"""`headrace enqueue`: one job by the name of its task, checked against what the queue's workers have published."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from headrace.admin.published import check_arguments
from headrace.admin.queue_admin import QueueAdmin
from headrace.brokers.durability import Durability
from headrace.brokers.redis import RedisBroker
from headrace.cli.output import Format, Printer, note
from headrace.cli.session import with_link
from headrace.client.codec import MAX_PAYLOAD, codec_named, encode_arguments
from headrace.client.producer import Producer, new_id
from headrace.contract.entry import Entry
from headrace.contract.envelope import Envelope, encode, header
from headrace.contract.keys import check_queue_name
from headrace.contract.protocol import Priority
from headrace.errors import UsageError
from headrace.wire.link import Link


def enqueue(
    queue: str,
    task: str,
    *,
    args: str,
    kwargs: str,
    delay: float,
    priority: Priority,
    job_id: str | None,
    unchecked: bool,
    durability: Durability,
    redis_url: str,
    output: Format,
) -> None:
    """Prints the job's id. Raises UsageError, PayloadError, HeadraceError."""
    check_queue_name(queue)
    positional, named = _json(args, "--args", list), _json(kwargs, "--kwargs", dict)
    payload = encode_arguments(codec_named("msgpack"), task, positional, named, MAX_PAYLOAD)
    if job_id == "":
        raise UsageError("--id: must not be empty")
    entry = Entry(
        job_id or new_id(),
        encode(header(task), Envelope(int(time.time() * 1000), payload)),
        delay_ms=round(delay * 1000),
        priority=priority,
        given=job_id is not None,
    )

    async def send(link: Link) -> bool:
        if not unchecked:
            schemas = await QueueAdmin(link, queue).published.schemas()
            check_arguments(schemas, queue, task, positional, named)
        broker = RedisBroker(link)
        chosen = broker if durability is Durability.ACCEPTED else broker.assured(durability, replicas=1)
        return bool(await Producer(chosen, queue).enqueue([entry]))

    taken = with_link(redis_url, send)
    Printer(output).say(entry.id, {"id": entry.id, "queue": queue, "created": not taken})
    if taken:
        note(f"{entry.id} is taken: the first job of that id stands, nothing was enqueued")


def _json(text: str, option: str, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError:
        wanted = 'a list such as [1, "a"]' if kind is list else 'an object such as {"to": "ada"}'
        raise UsageError(f"{option}: must be {wanted}, as JSON") from None

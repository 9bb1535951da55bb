"""Brings dead letters back from the lines of an export with payloads. Ids that the queue knows are passed over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec

from headrace.admin.handle import QueueHandle
from headrace.admin.published import Schema, check_arguments
from headrace.client.codec import codec_named, decode_arguments, encode_arguments
from headrace.contract.envelope import DeathRecord, Envelope, dead_value, encode_death, lua_string
from headrace.contract.protocol import Priority
from headrace.errors import UsageError
from headrace.worker.failures import MAX_MESSAGE, MAX_REASON, MAX_TRACEBACK, fingerprint

LONGEST_LINE: Final = 16 * 1024 * 1024
"""Bytes: a letter with a payload of some megabytes, in base64 and readable."""
_UNLIMITED: Final = LONGEST_LINE

Count = Annotated[int, msgspec.Meta(ge=0)]


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the file; what else it has is passed over, its time of death too: it dies anew."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    task: str
    reason: Annotated[str, msgspec.Meta(max_length=MAX_REASON, pattern=r"^[^|\x00]*$")]
    error: str = ""
    attempts: Count = 0
    crashes: Count = 0
    worker: str = ""
    seconds: float = 0.0
    replays: Count = 0
    traceback: str = ""
    enqueued_ms: int | None = None
    correlation_id: str = ""
    meta: dict[str, str] = {}
    codec: str = "msgpack"
    payload: bytes | None = None
    args: list[Any] | None = None
    kwargs: dict[str, Any] | None = None
    priority: Priority = Priority.DEFAULT
    max_retries: Count | None = None
    timeout: float | None = None
    workflow: bool = False

    def packed(self) -> list[Any]:
        """As import_dead.lua takes it. Raises UsageError."""
        envelope = Envelope(
            enqueued_ms=self.enqueued_ms or 0,
            payload=self._payload(),
            codec=self.codec,
            correlation_id=self.correlation_id,
            meta=self.meta or None,
            max_retries=self.max_retries,
            timeout=self.timeout,
        )
        value = dead_value(self.task, envelope, attempts=self.attempts, replays=self.replays)
        record = DeathRecord(self.error[:MAX_MESSAGE], self.attempts, self.crashes, self.worker, self.seconds)
        traceback = self.traceback[-MAX_TRACEBACK:]
        return [
            *(self.id, lua_string(value), self.task, self.reason, lua_string(encode_death(record))),
            *(fingerprint(traceback) if traceback else "", traceback),
            "" if self.priority is Priority.DEFAULT else self.priority.value,
        ]

    def _payload(self) -> bytes:
        """The bytes, or else what is readable; never two different things. Raises UsageError."""
        if self.workflow:
            raise UsageError("it is a step of a workflow, which a file can't bring back")
        readable = self.args is not None and self.kwargs is not None
        if self.payload is None and not readable:
            raise UsageError("it has no payload: was it exported without --payload?")
        if self.payload is not None and readable and not self._agrees(self.payload):
            raise UsageError("args and kwargs say something else than payload: leave out payload to use them")
        if self.payload is not None:
            return self.payload
        return encode_arguments(codec_named(self.codec), self.task, self.args or [], self.kwargs or {}, _UNLIMITED)

    def _agrees(self, payload: bytes) -> bool:
        args, kwargs = decode_arguments(self.codec, payload)
        written = msgspec.json.decode(msgspec.json.encode([args, kwargs]))
        return bool(written == [self.args, self.kwargs])


_decode = msgspec.json.Decoder(Letter).decode


def read_letter(line: bytes, queue: str = "", schemas: Mapping[str, Schema] | None = None) -> list[Any]:
    """A line of an export, ready to be brought in.

    `schemas`: what the workers of `queue` have published. Arguments that stand in for a payload must fit it, as those
    of an edit; what was exported with its payload comes back as it was.

    Raises UsageError, which never quotes a payload.
    """
    try:
        letter = _decode(line)
        packed = letter.packed()
        if letter.payload is None and schemas:
            check_arguments(schemas, queue, letter.task, letter.args or [], letter.kwargs or {})
        return packed
    except msgspec.ValidationError as error:
        raise UsageError(f"it is no dead letter: {error}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise UsageError("it is no line of JSON") from None


async def bring_in(handle: QueueHandle, letters: Sequence[list[Any]]) -> list[str]:
    """Letters from `read_letter`, 1 to 1000 and some 16 MB at a time, become the latest ones; the ids passed over."""
    passed = await handle.run("import_dead", msgspec.msgpack.encode(letters))
    return [job_id.decode() for job_id in passed]

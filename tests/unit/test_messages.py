"""E15: one protobuf message as a job's payload: its own bytes, read by the class that the handler names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.source_context_pb2 import SourceContext
from google.protobuf.timestamp_pb2 import Timestamp

from headrace import Fleet
from headrace.client.codec import codec_named, decode_arguments, encode_arguments
from headrace.contract.envelope import decode
from headrace.errors import ConfigError, PayloadError
from support.apps import messages
from support.fresh_python import run_fresh


def test_the_payload_is_the_message_and_nothing_else() -> None:
    moment = Timestamp(seconds=5, nanos=1)
    envelope = decode(messages.at._entry((moment,), {}, None).value).envelope
    assert (envelope.codec, envelope.payload) == ("protobuf", moment.SerializeToString())
    args, kwargs = decode_arguments("protobuf", envelope.payload)
    assert messages.at.arguments.check(args, kwargs) == ((moment,), {})


def test_a_message_by_name_and_from_its_json_form() -> None:
    length = Duration(seconds=7)
    assert messages.lasting.arguments.check((), {"length": length}) == ((), {"length": length})
    assert messages.lasting.arguments.check([length.SerializeToString()], {}) == ((), {"length": length})
    assert messages.lasting.arguments.check([], {"length": "7s"}) == ((), {"length": length})

    async def read(where: SourceContext) -> None: ...

    task = Fleet().queue("q").task(codec="protobuf")(read)
    assert task.arguments.check([{"fileName": "a"}], {}) == ((SourceContext(file_name="a"),), {})
    with pytest.raises(PayloadError, match=r"the payload is no google\.protobuf\.SourceContext"):
        task.arguments.check(["hunter2"], {})


@pytest.mark.parametrize(
    ("args", "kwargs", "complaint"),
    [
        ((), {}, "task at: takes one google.protobuf.Timestamp as time"),
        ((Timestamp(), Timestamp()), {}, "takes one"),
        ((), {"other": Timestamp()}, "takes one"),
        ((Duration(),), {}, "takes a google.protobuf.Timestamp, got a Duration"),
        ((3,), {}, "got a int"),
        ((b"\xff\xff hunter2",), {}, "the payload is no google.protobuf.Timestamp"),
        (({"hunter2": 1},), {}, "the payload is no google.protobuf.Timestamp"),
    ],
)
def test_what_is_no_such_message_is_refused_without_its_value(args: Any, kwargs: Any, complaint: str) -> None:
    with pytest.raises(PayloadError, match=complaint) as refused:
        messages.at.arguments.check(args, kwargs)
    assert "hunter2" not in str(refused.value)


async def none() -> None: ...
async def two(one: Timestamp, other: Timestamp) -> None: ...
async def number(one: int) -> None: ...
async def unknown(one: Nowhere) -> None: ...  # type: ignore[name-defined] # noqa: F821


@pytest.mark.parametrize("handler", [none, two, number, unknown])
def test_a_handler_that_takes_no_message_is_refused_when_it_is_defined(handler: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="the handler takes one argument, annotated with a message class"):
        Fleet().queue("q").task(codec="protobuf")(handler)


@pytest.mark.parametrize("value", [3, b"bytes"])
def test_only_a_message_can_be_encoded(value: Any) -> None:
    with pytest.raises(PayloadError, match="takes one message"):
        encode_arguments(codec_named("protobuf"), "t", (value,), {}, 100)


def test_the_limit_is_that_of_every_codec() -> None:
    with pytest.raises(PayloadError, match="the limit is 3"):
        encode_arguments(codec_named("protobuf"), "t", (Timestamp(seconds=2**40),), {}, 3)


def test_without_the_package_one_line_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['google.protobuf.message'] = None; sys.modules['google.protobuf'] = None\n"
        "from headrace import Fleet\nfrom headrace.errors import ConfigError\n"
        "try:\n    Fleet().queue('q').task(name='t', codec='protobuf')(lambda m: None)\n"
        "except ConfigError as error:\n    print(error)"
    )
    assert run_fresh(code) == "codec protobuf needs protobuf: pip install 'headrace[protobuf]'\n"

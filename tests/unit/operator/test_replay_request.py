"""The replay annotation's little language, row by row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.admin.filter_words import Field, Moment, Span
from headrace.errors import ConfigError
from headrace_operator.core.replay_request import (
    MOST_CHARACTERS,
    ReplayRequest,
    is_cancel,
    parse_replay_request,
    without_values,
)

GOOD = [
    ("all", ReplayRequest(everything=True)),
    (" all , dry-run ", ReplayRequest(everything=True, dry_run=True)),
    ("all,,", ReplayRequest(everything=True)),
    ("all,all", ReplayRequest(everything=True)),
    ("id=a", ReplayRequest(ids=("a",))),
    ("id=b,id=a,id=b", ReplayRequest(ids=("b", "a"))),
    ("task=mail.send", ReplayRequest(task="mail.send")),
    ("reason=ValueError", ReplayRequest(reason="ValueError")),
    ("task = mail.send , reason = KeyError", ReplayRequest(task="mail.send", reason="KeyError")),
    ("since=2h", ReplayRequest(since=Moment(7_200_000_000, ago=True))),
    ("older-than=1970-01-02T00:00:00Z,task=t", ReplayRequest(older_than=Moment(86_400_000_000), task="t")),
    ("attempts=2..5", ReplayRequest(attempts=Span(2, 5))),
    ("where=to=ada, where=user.id=17", ReplayRequest(where=(Field(("to",), "ada"), Field(("user", "id"), "17")))),
    ("where=formula=a=b", ReplayRequest(where=(Field(("formula",), "a=b"),))),
    ("all,approve=0123456789ab", ReplayRequest(everything=True, approve="0123456789ab")),
    ("all,max-replays=3", ReplayRequest(everything=True, max_replays=3)),
    ("reason=a=b", ReplayRequest(reason="a=b")),
    ("all,max=10", ReplayRequest(everything=True, most=10)),
    ("all,rate=5", ReplayRequest(everything=True, rate=5.0)),
    ("all,guard=0.25,rate=9999", ReplayRequest(everything=True, rate=9999.0, guard=0.25)),
    ("all,guard=1,rate=0.5,max=123456789", ReplayRequest(everything=True, most=123_456_789, rate=0.5, guard=1.0)),
    ("all,queue=slow.1", ReplayRequest(everything=True, queue="slow.1")),
    ("queue=a,dry-run,task=t", ReplayRequest(task="t", queue="a", dry_run=True)),
    ("all,request=fix-17", ReplayRequest(everything=True, request="fix-17")),
    ("all,by=ada@example.org", ReplayRequest(everything=True, by="ada@example.org")),
    (
        "by=ada,max=3,dry-run,reason=KeyError,request=r.1",
        ReplayRequest(reason="KeyError", dry_run=True, most=3, request="r.1", by="ada"),
    ),
]

BAD = [
    ("", "nothing is selected; say all, id=… or a filter: task=…, reason=…, since=…"),
    ("id=a,task=t", "id=… goes with no filter; leave out id or task"),
    ("since=soon", "since must be an age such as 90s"),
    ("attempts=x", "attempts must be a number such as 3"),
    ("where=to", "where must name a parameter and its value, as in where=to=ada"),
    ("where=to=s3cret,s3cret", "its value can't have a comma"),
    ("all,approve=yes", "approve must be the digest that a dry run has told, got 'yes'"),
    ("all,dry-run,approve=0123456789ab", "dry-run shows a set, approve=… moves it"),
    ("all,max-replays=256", "max-replays must be a whole number from 1 to 255, got '256'"),
    (" , ", "nothing is selected"),
    ("queue=slow", "nothing is selected"),
    ("all,queue", "queue needs a value"),
    ("all,queue=Slow", "queue must be the name of one of the WorkerQueue's queues, got 'Slow'"),
    ("all,queue=a,queue=b", "queue is given 2 times"),
    ("dry-run", "nothing is selected"),
    ("max=5,by=ada", "nothing is selected"),
    ("everything", "'everything' is no word of a replay request; those are all, id=…, task=…"),
    ("All", "'All' is no word"),
    ("before=1h", "'before=1h' is no word"),
    ("all,id=a", "all goes with no filter; leave out all or id"),
    ("all,task=a,reason=b", "leave out all or task and reason"),
    ("all=yes", "all takes no value, got 'all=yes'"),
    ("all,dry-run=true", "dry-run takes no value"),
    ("id", "id needs a value, as in id=…"),
    ("id=", "id needs a value"),
    ("all,max", "max needs a value, as in max=10"),
    ("task=a,task=b", "task is given 2 times; once is enough"),
    ("all,max=1,max=2", "max is given 2 times"),
    ("all,max=0", "max must be a whole number from 1, got '0'"),
    ("all,max=-1", "max must be a whole number from 1, got '-1'"),
    ("all,max=many", "got 'many'"),
    ("all,max=1e3", "got '1e3'"),
    ("all,max=²", "got '²'"),
    ("all,rate", "rate needs a value, as in rate=10"),
    ("all,guard=", "guard needs a value, as in guard=0.2"),
    ("all,rate=0", "rate must be a number above 0, up to 9999, with two decimals at most, got '0'"),
    ("all,rate=fast", "got 'fast'"),
    ("all,rate=1e3", "got '1e3'"),
    ("all,guard=1.01", "guard must be a number above 0, up to 1"),
    ("all,guard=0.00", "got '0.00'"),
    ("all,guard=50%", "got '50%'"),
    ("all,request=a b", "request must have at most 64 letters"),
    ("all,request=" + "r" * 65, "request must have at most 64 letters"),
    ("all,by=-ada", "by must have at most 64 letters"),
    ("x" * (MOST_CHARACTERS + 1), "a replay request has at most 16384 characters, this one has 16385"),
]


@pytest.mark.parametrize(("value", "request_"), GOOD, ids=[value for value, _ in GOOD])
def test_a_good_request(value: str, request_: ReplayRequest) -> None:
    assert parse_replay_request(value) == request_


@pytest.mark.parametrize(("value", "says"), BAD, ids=[value[:30] for value, _ in BAD])
def test_a_bad_request_gets_one_clear_line(value: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_replay_request(value)
    message = str(refused.value)
    assert says in message
    assert "\n" not in message
    assert "s3cret" not in message
    assert len(message) < 300


@given(
    st.text(max_size=60)
    | st.from_regex(r"((all|id|task|max|by|dry-run|since|attempts|where|approve)(=\w{0,3})?,){0,5}", fullmatch=True)
)
def test_anything_is_a_request_or_a_config_error(value: str) -> None:
    try:
        request = parse_replay_request(value)
    except ConfigError:
        return
    assert parse_replay_request(request.value) == request


@pytest.mark.parametrize(("value", "request_"), GOOD, ids=[value for value, _ in GOOD])
def test_a_request_can_be_told_in_its_own_words(value: str, request_: ReplayRequest) -> None:
    assert parse_replay_request(request_.value) == request_


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("where=to=s3cret", "where=to=***"),
        ("task=t, where = to=s3cret ,by=ada", "task=t, where = to=*** ,by=ada"),
        ("where=to=s3cret,s3cret,where=n=s3cret,max=1", "where=to=***,where=n=***,max=1"),
        ("where=a=s3cret=s3cret\ns3cret,dry-run", "where=a=***,dry-run"),
        ("where=a=s3cret,queue=slow", "where=a=***,queue=slow"),
        ("all,by=ada", "all,by=ada"),
        ("where=to=", "where=to=***"),
    ],
)
def test_values_of_payloads_are_told_to_nobody(value: str, told: str) -> None:
    assert without_values(value) == told


def test_a_request_as_text_has_no_values_of_payloads() -> None:
    request = parse_replay_request("where=to=s3cret,by=ada")
    assert str(request) == "where=to=***,by=ada"
    assert "s3cret" not in repr(request)


def test_what_calls_a_replay_off() -> None:
    assert is_cancel(" cancel\n")
    assert not is_cancel("cancel,all")

"""`kubectl headrace`: how a command line is taken apart, and what it comes to in the operator's pod. No cluster."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.errors import UsageError
from headrace_operator.kubectl.entry import main
from headrace_operator.kubectl.replay import annotation_words
from headrace_operator.kubectl.words import Call, read_call
from headrace_operator.operate.queue_words import command_line

CALLS: dict[str, dict[str, Any]] = {
    "stats emails": {"verb": "stats", "name": "emails"},
    "status": {"verb": "status", "name": None},
    "status -A -o json": {"verb": "status", "name": None, "rest": ("-o", "json"), "everywhere": True},
    "enqueue emails send -- -A": {"verb": "enqueue", "name": "emails", "rest": ("send", "--", "-A")},
    "status -o json": {"verb": "status", "name": None, "rest": ("-o", "json")},
    "dlq list emails --limit 5 -n mail": {
        "verb": "dlq list",
        "name": "emails",
        "rest": ("--limit", "5"),
        "namespace": "mail",
    },
    "--context prod -n mail jobs emails --state dead --kubeconfig=/k": {
        "verb": "jobs",
        "name": "emails",
        "rest": ("--state", "dead"),
        "namespace": "mail",
        "connection": ("--context=prod", "--kubeconfig=/k"),
    },
    "show emails 17 --queue=slow --operator-namespace ops": {
        "verb": "show",
        "name": "emails",
        "rest": ("17",),
        "queue": "slow",
        "operator": "ops",
    },
    "enqueue emails send --args [1] -- -n": {
        "verb": "enqueue",
        "name": "emails",
        "rest": ("send", "--args", "[1]", "--", "-n"),
    },
}


@pytest.mark.parametrize("line", CALLS)
def test_a_command_line(line: str) -> None:
    assert read_call(line.split()) == Call(**CALLS[line])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("-n", "-n needs a value"),
        ("stats emails --context", "--context needs a value"),
        ("--limit 5 jobs emails", "a verb must come first"),
        ("dlq", "a verb of dlq must come first"),
        ("dlq --all", "a verb of dlq must come first"),
        ("-n mail", "a verb must come first"),
        ("fly emails", "no verb 'fly'"),
        ("dev emails", "no verb 'dev'"),
        ("stats", "name a WorkerQueue: kubectl headrace stats NAME"),
        ("dlq list -o json", "name a WorkerQueue: kubectl headrace dlq list NAME"),
        ("explain", "name a WorkerQueue"),
        ("pause emails now", "pause takes no 'now'"),
        ("drain emails --timeout soon", "drain: argument --timeout: invalid float value: 'soon'"),
        ("status -o xml", "status: argument -o/--output: invalid Format value: 'xml'"),
        ("schedules", "a verb of schedules must come first"),
        ("schedules fly nightly", "no verb 'schedules fly'"),
        ("schedules run", "name a Schedule: kubectl headrace schedules run NAME"),
        ("schedules run nightly -o xml", "schedules run: argument -o/--output: invalid Format value: 'xml'"),
        ("status emails -A", "-A is for status, schedules list, schedules next, without a name"),
        ("dlq list emails --all-namespaces", "-A is for status"),
        ("schedules next nightly --count 0", "schedules next: argument --count: must be a number from 1 to 1000"),
        ("schedules run nightly --request a,b", "schedules run: --request must have 1 to 100 letters"),
        ("schedules pause nightly soon", "schedules pause takes no 'soon'"),
        ("logs emails", "name a WorkerQueue and a job"),
        ("dlq replay emails all", "'all' is no option"),
        ("dlq replay emails --reason a,b", "a comma can't stand in"),
        ("dlq replay emails --all -o xml", "dlq replay: argument -o/--output: invalid Format value: 'xml'"),
        ("dlq replay emails --all --queue=", "--queue needs a value, and got an empty one"),
        ("dlq replay emails --cancel --no-wait", "--cancel stands alone"),
        ("dlq replay emails --cancel --queue slow", "--cancel stands alone"),
        (
            "pause emails --queue slow",
            "pause knows no --queue: it is for the whole WorkerQueue; to pause a single queue",
        ),
        ("drain emails --queue slow", "to pause a single queue: headrace pause QUEUE, where its Redis is"),
        ("resume --queue slow emails", "to resume a single queue: headrace resume QUEUE, where its Redis is"),
        ("explain emails --queue slow", "explain knows no --queue: leave it out"),
        ("schedules run nightly --queue slow", "schedules run knows no --queue: leave it out"),
    ],
)
def test_a_mistake_is_one_line_and_asks_nobody(
    line: str, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace_operator.kubectl.kubectl.shutil.which", lambda _: "/bin/false")
    assert main(line.split()) == 2
    told = capsys.readouterr()
    assert (told.out, len(told.err.splitlines())) == ("", 1)
    assert told.err.startswith("kubectl headrace: ")
    assert says in told.err


def test_without_kubectl(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["status"]) == 2
    assert capsys.readouterr().err == "kubectl headrace: there is no kubectl on the PATH\n"


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert (main(["--help"]), main(["dlq", "list", "--help"]), main([])) == (0, 0, 2)
    assert capsys.readouterr().out.count("Usage: kubectl headrace VERB NAME [OPTIONS]") == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--all", ["all"]),
        ("--all --dry-run", ["all", "dry-run"]),
        ("--reason OSError --max=5 --rate 2.5", ["reason=OSError", "max=5", "rate=2.5"]),
        ("--id a --id b --by ada@example.org", ["id=a", "id=b", "by=ada@example.org"]),
    ],
)
def test_options_are_the_words_of_the_annotation(options: str, words: list[str]) -> None:
    made, request = annotation_words(options.split())
    assert made == [*words, f"request={request}"]
    assert annotation_words([*options.split(), "--request", "mine"]) == ([*words, "request=mine"], "mine")
    assert annotation_words(options.split(), "slow")[0][:-1] == [*words, "queue=slow"]


TWO = ("emails", "slow")
LINES: dict[str, tuple[tuple[str, ...], str | None, str]] = {
    "stats": (TWO, None, "stats emails slow"),
    "top --every 1": (TWO, "slow", "top slow --every 1"),
    "jobs --state dead": (("emails",), None, "jobs emails --state dead"),
    "show 17": (TWO, "emails", "show emails 17"),
    "dlq list --limit 5": (("emails",), None, "dlq list emails --limit 5"),
    "dlq frobnicate x": (TWO, "slow", "dlq frobnicate slow x"),
    "dlq import -": (TWO, "slow", "dlq import slow -"),
    "dlq": (TWO, None, "dlq"),
    "dlq --help": (TWO, None, "dlq"),
}


@pytest.mark.parametrize("words", LINES)
def test_the_queue_is_put_where_the_verb_takes_it(words: str) -> None:
    queues, chosen, expected = LINES[words]
    assert command_line(queues, chosen, words.split()) == expected.split()


@pytest.mark.parametrize(
    ("words", "chosen", "says"),
    [
        ("jobs", None, "it has several queues, name one with --queue: emails, slow"),
        ("dlq list", None, "it has several queues"),
        ("stats", "other", "it has no queue 'other', only emails, slow"),
        ("worker shop", None, "no verb 'worker' here"),
        ("", None, "name a verb"),
        ("stats --redis-url redis://x", None, "--redis-url is not for here"),
        ("stats --redis-url=redis://x", None, "--redis-url is not for here"),
        ("dlq export --out x", "slow", "--out is not for here"),
        ("dlq import letters.jsonl", "slow", "a file would be one in the operator's pod"),
    ],
)
def test_what_is_refused_in_the_pod(words: str, chosen: str | None, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        command_line(TWO, chosen, words.split())

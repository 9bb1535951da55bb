"""`kubectl headrace`: finds the verb, runs it, turns errors into one line and an exit code, those of `headrace`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from headrace.cli.exit_codes import ExitCode
from headrace.errors import HeadraceError, UsageError
from headrace_operator.kubectl import schedules
from headrace_operator.kubectl.changes import drain, pause, resume
from headrace_operator.kubectl.kubectl import Kubectl
from headrace_operator.kubectl.logs import logs
from headrace_operator.kubectl.look import explain_queue, show_status
from headrace_operator.kubectl.pod import find_pod
from headrace_operator.kubectl.replay import replay
from headrace_operator.kubectl.words import Call, read_call
from headrace_operator.operate.queue_words import GROUPS, OF_ALL, OF_ONE

HELP: Final = """\
Usage: kubectl headrace VERB NAME [OPTIONS]

A fleet by the name of its WorkerQueue. What kubectl may do there, this may; nobody needs Redis.

  status [NAME]            how the fleet is, or all of the namespace
  explain NAME             why it has the workers that it has, in English
  pause NAME, resume NAME  let no job start, and let them start again
  drain NAME               pause, and wait until no worker holds a job (--timeout SECONDS)
  logs NAME ID             what workers wrote about one job
  dlq replay NAME          run dead letters again; options are the words of the replay annotation (--all, --reason R,
                           --max N, --by WHO, …); --no-wait leaves once it is asked for, --cancel calls it off
  schedules list [NAME]    when Schedules have run and will
  schedules next [NAME]    the next times at which one is due (--count N), or the next one of each
  schedules run NAME       run one now (--request ID)
  schedules pause NAME, schedules resume NAME

By `headrace` in the operator's pod, with the options that `headrace VERB --help` shows:

  stats, top, jobs, show, enqueue, cancel, limit, purge, audit, dlq list|show|delete|edit|export|import -

Options anywhere:
  -n, --namespace NS         namespace of the WorkerQueue (that of the context)
  -A, --all-namespaces       status, schedules list and schedules next: of all namespaces
  --queue QUEUE              which of its queues, where it has several
  --operator-namespace NS    where the operator is (HEADRACE_OPERATOR_NAMESPACE, else headrace)
  --context, --kubeconfig, … as kubectl takes them
"""

_VERBS: Final[Mapping[str, Callable[[Kubectl, Call], int]]] = {
    "status": show_status,
    "explain": explain_queue,
    "pause": pause,
    "resume": resume,
    "drain": drain,
    "logs": logs,
    "dlq replay": replay,
    "schedules list": schedules.list_all,
    "schedules next": schedules.next_ticks,
    "schedules run": schedules.run_now,
    "schedules pause": schedules.pause,
    "schedules resume": schedules.resume,
}


_OF_MANY: Final = ("status", "schedules list", "schedules next")
"""Those that without a name are about all that there are."""
_OF_A_QUEUE: Final = ("logs", "dlq replay")
"""Of those the ones that can be about a single queue."""
_ONE_PAUSES: Final = (
    "it is for the whole WorkerQueue; to pause a single queue: headrace pause QUEUE, where its Redis is"
)
_ONE_RESUMES: Final = (
    "it is for the whole WorkerQueue; to resume a single queue: headrace resume QUEUE, where its Redis is"
)
_INSTEAD: Final = {"pause": _ONE_PAUSES, "drain": _ONE_PAUSES, "resume": _ONE_RESUMES}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code, see ExitCode."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or {"-h", "--help"} & set(arguments):
        print(HELP, end="")  # noqa: T201
        return ExitCode.DONE if arguments else ExitCode.MISTAKE
    try:
        call = read_call(arguments)
        return _find(call)(Kubectl(call.connection, call.namespace), call)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except HeadraceError as error:
        print(f"kubectl headrace: {error}", file=sys.stderr)  # noqa: T201
        return ExitCode.MISTAKE if isinstance(error, UsageError) else ExitCode.FAILED


def _find(call: Call) -> Callable[[Kubectl, Call], int]:
    """Raises UsageError."""
    first = call.verb.partition(" ")[0]
    if call.everywhere and (call.verb not in _OF_MANY or call.name is not None):
        raise UsageError(f"-A is for {', '.join(_OF_MANY)}, without a name")
    if call.verb in _VERBS:
        if call.queue is not None and call.verb not in _OF_A_QUEUE:
            raise UsageError(f"{call.verb} knows no --queue: {_INSTEAD.get(call.verb, 'leave it out')}")
        return _VERBS[call.verb]
    if first not in (*OF_ALL, *OF_ONE, *GROUPS):
        raise UsageError(f"no verb {call.verb!r}: see kubectl headrace --help")
    return _through_the_pod


def _through_the_pod(kubectl: Kubectl, call: Call) -> int:
    if not call.named:
        raise UsageError(f"{call.verb} needs the name of a WorkerQueue")
    return find_pod(kubectl, call.operator).run(call, kubectl.namespace)

"""Every Redis key name of a queue, in one place; the Lua files use the same names after the prefix.

All keys of a queue share the hash tag `{queue}`, so that a Cluster keeps them on one node. Where jobs are kept in
streams, the same names stand behind `streams:`, and each `ready:` and `suspects` are a stream.
"""

from __future__ import annotations

import re
from typing import Final

from headrace.errors import ConfigError

NAMES: Final[dict[str, str]] = {
    "jobs": "hash id → value: header and envelope, see envelope.py",
    "sched": "zset of scheduled ids by due time, Unix ms",
    "ready:high": "zset of ready ids by ready-at, Unix µs",
    "ready:default": "the same, default priority",
    "ready:low": "the same, low priority",
    "suspects": "zset of ready ids that run alone, by ready-at",
    "prio": "hash id → priority, only for priorities other than default",
    "crash": "hash id → crashes, only for jobs whose worker has died",
    "trail": "hash id → msgpack list of its last five transitions out of the ordinary, see trail.py",
    "cancel": "set of leased ids whose cancellation was asked for",
    "parked": "set of ids blocked by a limit of their key",
    "awaiting": "hash id → gate it waits at, at_ms, delay_ms: jobs of workflows that others come before",
    "feeds": "hash id → gate that waits for its end, place there",
    "marks": "hash id → msgpack {limit key, rule, unique key, fingerprint}, only for jobs that have one of them",
    "kdue": "zset of limit keys that wait for their rate, by when a job may go, Unix ms",
    "rate": "hash: tat (Unix µs), interval (µs), burst of the queue's own rate, and the rules of who joined last",
    "sess": "zset of live session ids by deadline, Unix ms",
    "reaping": "zset of fenced sessions whose ids are still being moved",
    "workers": "hash sid → presence",
    "cordon": "zset of cordoned sids by expiry, Unix ms",
    "idle": "set of sids that asked and got nothing",
    "wake": "list of wake tokens",
    "signal": "channel: a sleeping queue has work",
    "dead": "zset of dead ids by time of death, Unix µs",
    "dj": "hash id → facet NUL traceback fingerprint NUL death record",
    "facets": "hash `task|reason` → number of dead letters",
    "tb": "hash fingerprint → traceback",
    "tbn": "hash fingerprint → number of dead letters with it",
    "count": "hash of counters",
    "versions": "hash `version:counter` → number; older versions added up as version `*`",
    "seen": "zset of versions by when a session of theirs last began or ended, Unix ms",
    "meta": "hash: tick, lease, reap_after, paused, asleep, alone, owner, owner_until, "
    "min_proto, proto, trial, trial_until, marks, limit, letters (edition of the dead letters: rises with an edit, an "
    "import, a repair)",
    "tried": "hash `version:id` → runs that a version on trial has failed, with PX",
    "failures": "hash `version:reason` → jobs that a version on trial has failed so, with PX",
    "credit": "hash priority → share carried over",
    "ticks": "hash periodic task → its latest planned tick, Unix ms, and its schedule",
    "schedules": "hash uid of a Schedule → its name; each has a record, `schedule:<uid>`, or had one; with PX",
    "keep": "hash task → for how many ms it keeps results, said by its workers at start",
    "schemas": "hash task → JSON Schema of its arguments",
    "at": "hash id → stream and entry, of jobs that are ready or leased; only where jobs are kept in streams",
}
"""Keys that stand once per queue, with their meaning."""

FAMILIES: Final[dict[str, str]] = {
    "own:": "own:<sid>: hash of leased ids → the claim (`lane.seq`) they are held under",
    "lane:": "lane:<sid>: hash lane → last seq and its refused ids; `rules` it claims by; once dead `worker`,"
    " whose it was, and `spared` if that was on trial",
    "dead:": "dead:<task>|<reason>: zset of dead ids by time of death",
    "progress:": "progress:<sid>: when it was said, Unix ms, a space, then msgpack of its jobs' progress, with PX",
    "p:": "p:<producer>: last enqueue's seq and answer, with PX",
    "i:": "i:<id>: a given job id is taken, by a job of this fingerprint (1: of none), with PX",
    "u:": "u:<unique key>: id of the job that keeps others of the key out, with PX",
    "gate:": "gate:<gate>: hash of what a step of a workflow waits for and has got, see lua/lib/gates.lua",
    "kc:": "kc:<limit key>: set of its leased ids",
    "kw:": "kw:<limit key>: zset of its parked ids by ready-at, Unix µs",
    "kt:": "kt:<limit key>: theoretical arrival time of its rate, Unix µs, the rule and its interval, with PX",
    "r:": "r:<id>: result in msgpack, or a mark that the job was called off; with PX",
    "kept:": "kept:<task>: zset of ids with a result by the µs it was kept, only where their number is bounded",
    "done:": "done:<stem>: channel of a process that enqueues: its jobs that ended, of tasks that keep results",
    "replay:": "replay:<request>: hash with the progress of a replay, with PX",
    "schedule:": "schedule:<uid>: hash with the record of a Schedule, see lua/lib/recurring.lua; with PX",
    "gone:": "gone:<uid>: this Schedule was deleted, with PX",
    "ready:": "ready:<priority>",
}
"""Keys made per session, producer, job or request."""

_QUEUE_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9._]{0,61}[a-z0-9])?")


def check_queue_name(name: str) -> str:
    """Return `name`, or raise ConfigError: it becomes a part of Redis keys, metrics and Kubernetes names."""
    if not _QUEUE_NAME.fullmatch(name):
        raise ConfigError(
            f"queue name {name!r}: use 1 to 63 of a-z, 0-9, '-', '.', '_', with a letter or digit at both ends"
        )
    return name


def prefix(queue: str) -> str:
    """The KEYS[1] of every script."""
    return f"hr:{{{queue}}}:"


def key(queue: str, name: str) -> str:
    """The full key of one of NAMES, or of a member of one of FAMILIES."""
    return prefix(queue) + name

"""`kubectl headrace` against a real API server, a real operator, real workers; see hop_kubectl for what stands in."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headrace.admin.queue_admin import QueueAdmin
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.cli import Ran
from support.control_plane import ControlPlane
from support.kube_client import until
from support.live_fleet import QUEUE, LiveFleet, StartFleet, scaling
from support.operator_account import own_namespace
from support.pages import PAGES
from support.seeding import Seeder

PLUGIN = Path(sys.executable).with_name("kubectl-headrace")
HOP = Path(__file__).parents[1] / "support" / "hop_kubectl.py"
POD = "headrace-7d9f8c6b5-x2x2x"


@dataclass(frozen=True)
class Plugin:
    """`await plugin("stats", "fleet")` runs the command line as a person with their kubeconfig would."""

    environ: dict[str, str]
    calls_file: Path

    async def __call__(self, *argv: str) -> Ran:
        return await asyncio.to_thread(self._run, argv)

    def _run(self, argv: tuple[str, ...]) -> Ran:
        done = subprocess.run(
            [PLUGIN, *argv],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    @property
    def calls(self) -> list[list[str]]:
        """The commands that were run in the operator's pod."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [json.loads(line) for line in lines]


@pytest.fixture
def operator_namespace(control_plane: ControlPlane) -> Iterator[str]:
    """With a pod of an operator that is ready, and one before it that is not."""
    with own_namespace(control_plane) as name:
        for pod, ready in (("headrace-0-starts", "False"), (POD, "True")):
            metadata = {"name": pod, "namespace": name, "labels": {"app.kubernetes.io/name": "headrace-operator"}}
            container = {"name": "operator", "image": "none.invalid/operator:1"}
            control_plane.apply(
                {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
            )
            status = {"status": {"conditions": [{"type": "Ready", "status": ready}]}}
            control_plane.kubectl(
                *("patch", "pod", pod, f"--namespace={name}", "--subresource=status", f"--patch={json.dumps(status)}")
            )
        yield name


@pytest.fixture
def plugin(
    control_plane: ControlPlane,
    programs: Path,
    namespace: str,
    operator_namespace: str,
    account: Path,
    tmp_path: Path,
) -> Plugin:
    """The person is an admin; what runs in the pod has the operator's account."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    kubectl = bin_ / "kubectl"
    kubectl.write_text(f'#!/bin/sh\nexec {sys.executable} {HOP} "$@"\n')
    kubectl.chmod(0o755)
    inside = {"KUBECONFIG": str(account), "WATCH_NAMESPACES": namespace, "POD_NAMESPACE": operator_namespace}
    config = json.loads(control_plane.kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = namespace
    kubeconfig = tmp_path / "person.kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    environ = {
        "PATH": f"{bin_}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "KUBECONFIG": str(kubeconfig),
        "HEADRACE_OPERATOR_NAMESPACE": operator_namespace,
        "HOP_KUBECTL": str(programs / "kubectl"),
        "HOP_ENVIRON": json.dumps(inside),
        "HOP_LOGS": str(tmp_path),
        "HOP_CALLS": str(tmp_path / "calls"),
    }
    return Plugin(environ, tmp_path / "calls")


async def with_secret(fleet: LiveFleet, **spec: Any) -> dict[str, Any]:
    """The fleet's manifest with its address in a Secret, under a password that Redis asks for."""
    await fleet.kube.do("create", "secret", "generic", "redis", f"--from-literal=url={fleet.url}")
    return fleet.manifest(redis={"urlSecretRef": {"name": "redis", "key": "url"}}, **spec)


async def test_verbs_by_the_name_of_the_workerqueue(start_fleet: StartFleet, plugin: Plugin, namespace: str) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(await with_secret(fleet, paused=True))
        await until(lambda: fleet.kube.condition(QUEUE, "RedisAvailable"))
        enqueued = await plugin("enqueue", QUEUE, "work", "--kwargs", '{"seconds": 0}', "--unchecked")
        job = enqueued.out.strip()
        assert (enqueued.code, enqueued.err) == (0, ""), enqueued.err
        [stats] = (await plugin("stats", QUEUE, "-o", "json")).json
        assert (stats["queue"], stats["ready"]) == (QUEUE, 1)
        assert (await plugin("jobs", QUEUE)).out.splitlines()[1].startswith(f"{job}\tready\t")
        assert (await plugin("show", QUEUE, job, "-o", "json")).json["id"] == job
        assert (await plugin("top", QUEUE, "--every", "0.1", "-o", "json")).json[0]["ready"] == 1
        assert (await plugin("dlq", "list", QUEUE, "-o", "json")).json == {"letters": [], "cursor": None}
        assert (await plugin("audit", QUEUE)).code == 0
        assert (await plugin("cancel", QUEUE, job, "-n", namespace)).out == f"{job} is cancelled\n"
        ours = ["headrace-operator", "cli", f"{namespace}/{QUEUE}"]
        assert plugin.calls[0] == [*ours, "enqueue", "work", "--kwargs", '{"seconds": 0}', "--unchecked"]
        # The codes and the one line of what ran there, without kubectl's own word for it.
        unknown = await plugin("show", QUEUE, "nope")
        assert (unknown.code, len(unknown.err.splitlines())) == (2, 1)
        assert "no job 'nope'" in unknown.err
        ran_all = await asyncio.gather(*(plugin(*words) for words in MISTAKES))
        for ran, (words, says) in zip(ran_all, MISTAKES.items(), strict=True):
            assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1), (words, ran)
            assert says in ran.err
            assert fleet.url not in ran.err
        await fleet.kube.do("delete", "secret", "redis")
        gone = await plugin("stats", QUEUE)
        assert (gone.code, gone.err) == (1, f"headrace-operator: there is no Secret redis in {namespace}\n")


MISTAKES = {
    ("stats", "nobody"): "there is no WorkerQueue nobody in namespace ",
    ("stats", QUEUE, "-n", "kube-system"): "this operator does not watch namespace kube-system",
    ("stats", QUEUE, "--queue", "other"): f"it has no queue 'other', only {QUEUE}",
    ("stats", QUEUE, "--redis-url", "redis://elsewhere"): "--redis-url is not for here",
    ("dlq", "export", QUEUE, "--out=/tmp/x"): "--out is not for here",
    ("dlq", "fly", QUEUE): "No such command 'fly'",
    ("purge", QUEUE): "say --yes to go on without a question",
}


async def test_status_and_explain(start_fleet: StartFleet, plugin: Plugin, namespace: str) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(scaling=scaling(minReplicas=1)))

        async def ready() -> bool:
            return (await fleet.kube.status(QUEUE)).get("readyReplicas") == 1

        await until(ready)
        one = (await plugin("status", QUEUE, "-o", "json")).json
        assert (one["name"], one["namespace"], one["queues"], one["readyReplicas"]) == (QUEUE, namespace, [QUEUE], 1)
        assert one["conditions"]["Ready"] == "True (Accepted)"
        assert set(one) == documented("kubectl headrace")["status"]
        assert [each["name"] for each in (await plugin("status", "-o", "json")).json] == [QUEUE]
        everywhere = (await plugin("status", "-A")).out.splitlines()
        assert [namespace, QUEUE] in [line.split("\t")[:2] for line in everywhere]
        assert (await plugin("status")).out.splitlines()[1].split("\t")[:3] == [QUEUE, "True", "1 of 1"]
        told = await plugin("explain", QUEUE)
        assert told.code == 0
        assert told.out.splitlines()[0].startswith("1 worker is wanted, 1 asked for, 1 ready: ")
        nobody = await plugin("explain", "nobody")
        assert (nobody.code, len(nobody.err.splitlines())) == (1, 1)
        assert 'workerqueues.headrace.dev "nobody" not found' in nobody.err


async def test_pause_drain_and_resume(start_fleet: StartFleet, plugin: Plugin) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(scaling=scaling(minReplicas=1)))
        await fleet.hold("gate", 2)

        async def running() -> bool:
            return (await fleet.admin.stats()).leased == 2

        await until(running)
        late = await plugin("drain", QUEUE, "--timeout", "0.5")
        assert (late.code, "not drained after 0.5 s" in late.err) == (1, True)
        draining = asyncio.create_task(plugin("drain", QUEUE))
        await until(lambda: _paused(fleet))
        await fleet.open("gate")
        drained = await draining
        assert (drained.code, drained.out.splitlines()[-1]) == (0, "drained")
        assert (await fleet.admin.stats()).leased == 0
        assert (await plugin("resume", QUEUE)).out == f"{QUEUE} goes on\n"

        async def open_again() -> bool:
            return not (await fleet.admin.stats()).paused

        await until(open_again)
        # A pause by hand in Redis ends with it, too.
        await fleet.admin.control.pause()

        async def seen() -> bool:
            return (await fleet.kube.condition(QUEUE, "Paused")).get("reason") == "PausedInRedis"

        await until(seen, seconds=60)
        assert (await plugin("resume", QUEUE)).code == 0
        assert not (await fleet.admin.stats()).paused


async def _paused(fleet: LiveFleet) -> bool:
    return (await fleet.admin.stats()).paused


async def test_a_replay_is_the_annotation(start_fleet: StartFleet, plugin: Plugin) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(scaling=scaling(minReplicas=1)))
        await fleet.enqueue_failing("fragile", 5)
        await fleet.enqueue_failing("brittle", 1)

        async def dead() -> bool:
            return (await fleet.admin.stats()).dead == 6

        await until(dead)
        await fleet.heal()
        dry = await plugin("dlq", "replay", QUEUE, "--task", "brittle", "--dry-run", "-o", "json")
        assert plugin.calls[-1][3:6] == ["dlq", "replay", "--task"]
        # What a dry run has shown is what its digest approves, though another way carries it out.
        approved = await plugin("dlq", "replay", QUEUE, "--task", "brittle", "--approve", dry.json["digest"])
        assert (approved.code, (await fleet.admin.stats()).replayed) == (0, 1), approved.err
        few = await plugin("dlq", "replay", QUEUE, "--task", "fragile", "--max=2", "--by", "ada")
        assert (few.code, few.err) == (0, ""), few.err
        assert (await fleet.admin.stats()).replayed == 3
        assert (await fleet.kube.status(QUEUE))["replay"]["request"].startswith("task=fragile,max=2,request=")
        refused = await plugin("dlq", "replay", QUEUE, "--all", "--fast")
        assert (refused.code, len(refused.err.splitlines())) == (2, 1)
        assert "'fast' is no word of a replay request" in refused.err
        asked = await plugin("dlq", "replay", QUEUE, "--all", "--no-wait", "--request", "rest-1")
        assert (asked.code, asked.out) == (0, "asked for: rest-1\n")

        async def over() -> bool:
            return (await fleet.admin.stats()).replayed == 6

        await until(over)
        nothing = await plugin("dlq", "replay", QUEUE, "--cancel")
        assert (nothing.code, nothing.err) == (2, f"kubectl headrace: no replay of {QUEUE} is under way\n")
        assert [call for call in plugin.calls if call[3:5] == ["dlq", "replay"] and "--dry-run" not in call] == []


async def test_a_replay_of_one_queue_of_several(start_fleet: StartFleet, plugin: Plugin, namespace: str) -> None:
    async with start_fleet() as fleet, AsyncExitStack() as stack:
        queues = [{"name": QUEUE}, {"name": "slow"}]
        await fleet.kube.apply(fleet.manifest(queues=queues, replicas=0, deadLetters={"maxReplays": 3}))
        await until(lambda: fleet.kube.condition(QUEUE, "RedisAvailable"))
        link = Link(parse_target(fleet.url))
        stack.push_async_callback(link.close)
        for name, count in ((QUEUE, 5), ("slow", 4)):
            seeder = Seeder(link, name)
            await seeder.join(slots=100)
            await seeder.bury(*(f"letter-{n}" for n in range(count)))

        async def dead() -> tuple[int, int]:
            return (await fleet.admin.stats()).dead, (await QueueAdmin(link, "slow").stats()).dead

        refused = await plugin("dlq", "replay", QUEUE, "--queue", "fast", "--all")
        assert (refused.code, refused.err) == (
            2,
            f"kubectl headrace: {QUEUE} has no queue 'fast', only {QUEUE}, slow\n",
        )
        for verb in ("pause", "drain", "resume"):
            assert (await plugin(verb, QUEUE, "--queue", "slow")).code == 2
        assert not (await fleet.kube.get("wq", QUEUE))["metadata"].get("annotations", {}).get("headrace.dev/paused")

        # One queue: what the pod shows is what the operator moves, though the WorkerQueue bounds its replays.
        dry = await plugin("dlq", "replay", QUEUE, "--queue", "slow", "--all", "--max", "3", "--dry-run", "-o", "json")
        assert plugin.calls[-1][2] == f"{namespace}/{QUEUE}/slow"
        approve = ("--approve", dry.json["digest"])
        wrong = await plugin("dlq", "replay", QUEUE, "--queue", QUEUE, "--all", "--max", "3", *approve)
        assert (wrong.code, await dead()) == (1, (5, 4)), wrong
        moved = await plugin("dlq", "replay", QUEUE, "--queue=slow", "--all", "--max", "3", *approve, "-o", "json")
        assert (moved.code, moved.err, await dead()) == (0, "", (5, 1))
        assert {"phase": "Completed", "matched": 4, "replayed": 3}.items() <= moved.json.items()
        assert set(moved.json) | {"by", "digest"} == documented("kubectl headrace")["dlq replay"]

        # All of them: the operator's own dry run, in no pod.
        calls = len(plugin.calls)
        shown = await plugin("dlq", "replay", QUEUE, "--all", "--max=4", "--dry-run")
        assert (shown.code, len(plugin.calls)) == (0, calls)
        assert shown.out.startswith("would replay 4 of 6 dead letters: ")
        digest = shown.err.split("--approve ")[1].split()[0]
        assert shown.err == f"headrace: to replay just these: the same with --approve {digest} in place of --dry-run\n"
        approved = await plugin("dlq", "replay", QUEUE, "--all", "--max=4", "--approve", digest)
        assert (approved.code, approved.err, await dead()) == (0, "", (1, 1))


async def test_logs_of_one_job(start_fleet: StartFleet, plugin: Plugin) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(scaling=scaling(minReplicas=2)))
        await fleet.enqueue_failing("fragile", 3)

        async def dead() -> bool:
            return (await fleet.admin.stats()).dead == 3

        await until(dead)
        letters = (await fleet.admin.dead_letters.page(limit=3)).letters
        for letter in letters:
            ran = await plugin("logs", QUEUE, letter.id)
            assert ran.code == 0, ran.err
            lines = [line.partition("  ") for line in ran.out.splitlines()]
            assert {pod for pod, _, _ in lines} <= set(fleet.pods.names)
            said = [json.loads(text) for _, _, text in lines]
            assert {one["job_id"] for one in said} == {letter.id}
            assert said[-1]["event"] == "job is a dead letter"
        unknown = await plugin("logs", QUEUE, "nope")
        assert (unknown.code, unknown.out) == (1, "")
        assert unknown.err == "headrace: no worker that is there has written about job nope\n"


SCHEDULE = {
    "apiVersion": "headrace.dev/v1alpha1",
    "kind": "Schedule",
    "metadata": {"name": "nightly"},
    "spec": {"workerQueue": QUEUE, "cron": "0 3 * * *", "timeZone": "Europe/Berlin", "task": "work"}
    | {"kwargs": {"seconds": 0}},
}


def documented(command: str) -> dict[str, set[str]]:
    """Of each verb of that command, the fields that the page names."""
    table = PAGES["docs/cli"].read_text().partition(f"| verb of `{command}` | document |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `([a-z ]+)` \| (.+) \|$", table, re.MULTILINE)
    return {verb: set(re.findall(r"`(\w+)`", fields)) for verb, fields in rows}


async def test_schedules(start_fleet: StartFleet, plugin: Plugin, namespace: str) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest())
        await fleet.kube.apply(SCHEDULE)

        async def ready() -> bool:
            [one] = (await plugin("schedules", "list", "-o", "json")).json
            return (one["ready"], one["reason"]) == ("True", "Scheduled") and one["nextScheduleTime"] is not None

        await until(ready, seconds=60)
        listed = (await plugin("schedules", "list", "nightly")).out.splitlines()
        assert listed[1].split("\t")[:6] == ["nightly", "0 3 * * *", "Europe/Berlin", "no", "True", "Scheduled"]
        documents = documented("kubectl headrace")
        assert documents["schedules list"] == set((await plugin("schedules", "list", "-o", "json")).json[0])
        everywhere = await plugin("schedules", "list", "-A")
        assert (everywhere.err, everywhere.out.splitlines()[0].split("\t")[:2]) == ("", ["NAMESPACE", "NAME"])
        assert [namespace, "nightly"] in [line.split("\t")[:2] for line in everywhere.out.splitlines()]
        coming = (await plugin("schedules", "next", "nightly", "--count", "2")).out.splitlines()
        assert [line[10:19] for line in coming] == ["", " 03:00:00", " 03:00:00"]
        ran = await plugin("schedules", "run", "nightly", "--request", "once", "-o", "json")
        assert (ran.code, ran.err, ran.json["phase"]) == (0, "", "Enqueued"), ran
        assert documents["schedules run"] == set(ran.json)
        assert (await fleet.admin.stats()).enqueued == 1
        assert (await plugin("schedules", "run", "nightly", "--request", "once")).code == 0
        assert (await fleet.admin.stats()).enqueued == 1
        spec = {"spec": {"cron": "99 * * * *"}}
        await fleet.kube.do("patch", "schedule", "nightly", "--type=merge", f"--patch={json.dumps(spec)}")
        refused = await plugin("schedules", "run", "nightly")
        assert (refused.code, len(refused.err.splitlines())) == (2, 1), refused
        wrong = await plugin("schedules", "next", "nightly")
        assert (wrong.code, len(wrong.err.splitlines())) == (2, 1), wrong
        await fleet.kube.apply(SCHEDULE)
        assert (await plugin("schedules", "pause", "nightly")).out == "nightly is paused\n"
        assert "nightly is suspended" in (await plugin("schedules", "next", "nightly")).err
        assert (await fleet.kube.get("schedule", "nightly"))["spec"]["suspend"] is True
        assert (await plugin("schedules", "resume", "nightly")).out == "nightly goes on\n"
        nobody = await plugin("schedules", "run", "nobody")
        assert (nobody.code, len(nobody.err.splitlines())) == (1, 1)


async def test_without_an_operator_it_says_how_to_name_one(plugin: Plugin, namespace: str) -> None:
    ran = await plugin("stats", QUEUE, "--operator-namespace", namespace)
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (1, "", 1)
    assert f"no operator is ready in namespace {namespace}; say where it is with --operator-namespace" in ran.err

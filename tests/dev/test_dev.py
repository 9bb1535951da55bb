"""`headrace dev` as a whole: real processes, a real server, and what people do to them."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.dev_process import APP, YAML, DevProcess, is_alive
from support.servers import RedisServer


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[DevProcess]:
    with DevProcess(tmp_path) as running:
        yield running


def children(dev: DevProcess) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{dev.pid}/task/{dev.pid}/children").read_text().split()]


def test_from_zero_to_zero_and_out(tmp_path: Path) -> None:
    with DevProcess(tmp_path, "--exit-when-idle") as dev:
        assert dev.workers() == 0
        dev.enqueue("note", "hello")
        assert dev.wait() == 0
    assert dev.out == ["1 hello"]
    assert "has a Redis of its own: export REDIS_URL=redis://127.0.0.1:" in dev.printed
    assert "shop: without effect here: spec.redis\n" in dev.printed
    assert re.search(r"shop: Scaled: from 0 to 1 workers \(Backlog\)", dev.printed)
    assert re.search(r"shop#1 \| .*worker started", dev.printed)
    assert "stopped; jobs are kept" in dev.printed


def test_ctrl_c_lets_jobs_finish_and_keeps_the_others(dev: DevProcess) -> None:
    dev.enqueue("slow", "a", 1.5)
    dev.enqueue("note", "later", delay=6)
    dev.until("it runs", lambda: "1 begin-a" in dev.out)
    url = dev.redis_url
    dev.signal()
    assert dev.wait() == 0
    assert dev.out == ["1 begin-a", "1 end-a"]
    assert not (dev.folder / ".headrace/redis-url").exists()
    dev.start()
    assert dev.redis_url == url, "an exported REDIS_URL stays good"
    dev.until("the other one has run", lambda: "1 later" in dev.out)
    assert len(dev.out) == 3, "none twice"


def test_a_second_ctrl_c_gives_jobs_back(dev: DevProcess) -> None:
    dev.enqueue("slow", "a", 30)
    dev.until("it runs", lambda: "1 begin-a" in dev.out)
    dev.signal()
    dev.until("it drains", lambda: "draining workers" in dev.printed)
    began = time.monotonic()
    dev.signal()
    assert dev.wait() == 0
    assert time.monotonic() - began < 20, "not the job's 30 s"
    dev.edit("shop.py", "asyncio.sleep(seconds)", "asyncio.sleep(0)")
    dev.start()
    dev.until("it has run again", lambda: "1 end-a" in dev.out)


def test_nothing_outlives_a_kill(dev: DevProcess) -> None:
    dev.enqueue("slow", "a", 30)
    dev.until("it runs", lambda: "1 begin-a" in dev.out)
    left = [*children(dev), *dev.pids]
    assert len(set(left)) == 2, "the server and a worker"
    dev.kill()
    give_up = time.monotonic() + 20
    while any(is_alive(pid) for pid in left):
        assert time.monotonic() < give_up, "processes are left"
        time.sleep(0.02)
    dev.edit("shop.py", "asyncio.sleep(seconds)", "asyncio.sleep(0)")
    dev.start()
    took = dev.until("the job has run again", lambda: "1 end-a" in dev.out)
    assert took < 25, "without waiting for the old worker's lease"


def test_a_killed_worker_is_replaced_and_its_job_run_at_once(dev: DevProcess) -> None:
    dev.enqueue("slow", "a", 3)
    dev.until("it runs", lambda: "1 begin-a" in dev.out)
    os.kill(dev.pids[0], signal.SIGKILL)
    took = dev.until("it runs again", lambda: dev.out.count("1 begin-a") == 2)
    assert took < 25, "less than the lease of 30 s"
    dev.until("it has ended", lambda: "1 end-a" in dev.out)


def test_saving_the_code_is_the_rollout(dev: DevProcess) -> None:
    dev.edit("queue.yaml", "maxReplicas: 3", "maxReplicas: 3, minReplicas: 1")
    dev.enqueue("note", "a")
    dev.until("it has run", lambda: dev.out == ["1 a"])
    dev.until("all is as wanted", lambda: dev.condition("Progressing") == "UpToDate")
    dev.enqueue("slow", "long", 4)
    dev.until("it runs", lambda: "1 begin-long" in dev.out)

    dev.edit("shop.py", 'VERSION = "1"', 'VERSION = = "2"')
    dev.until("the new version fails", lambda: dev.condition("Progressing") == "VersionFailing")
    assert "SyntaxError" in dev.printed or "invalid syntax" in dev.printed
    dev.enqueue("note", "b")
    dev.until("the old version still works", lambda: "1 b" in dev.out)

    dev.edit("shop.py", 'VERSION = = "2"', 'VERSION = "2"')
    dev.until("the rollout is over", lambda: "RolloutFinished" in dev.printed)
    dev.enqueue("note", "c")
    dev.until("the new version works", lambda: "2 c" in dev.out)
    dev.until("the old worker has finished what it had", lambda: "1 end-long" in dev.out)
    assert dev.out.count("1 begin-long") == 1, "undisturbed"


def test_editing_the_yaml_is_the_apply(dev: DevProcess) -> None:
    dev.edit("queue.yaml", "maxReplicas: 3", "maxReplicas: 3, minReplicas: 2")
    dev.until("two are ready", lambda: dev.status["readyReplicas"] == 2)
    dev.edit("queue.yaml", "minReplicas: 2", "minReplicas: two")
    dev.until("it is refused", lambda: dev.condition("Ready") == "InvalidSpec")
    dev.until("it says why", lambda: "spec.scaling.minReplicas: must be a whole number" in dev.printed)
    dev.edit("queue.yaml", "minReplicas: two", "minReplicas: ]")
    dev.until("it is no YAML", lambda: "queue.yaml: is no YAML: line " in dev.printed)
    assert dev.status["readyReplicas"] == 2, "the last good one stays in force"
    dev.edit("queue.yaml", "minReplicas: ]", "minReplicas: 1")
    dev.until("one is left", lambda: dev.workers() == 1)
    assert dev.condition("Ready") == "Accepted"


def test_documents_come_and_go(dev: DevProcess) -> None:
    second = YAML.replace("name: shop", "name: second").replace("name: q", "name: q2")
    (dev.folder / "shop.py").write_text(
        APP + '\n@fleet.queue("q2").task()\nasync def two() -> None:\n    write("two")\n'
    )
    (dev.folder / "queue.yaml").write_text(f"{YAML}---{second}")
    dev.until("both are known", lambda: "queue" in dev.status_of("second"))
    dev.run("enqueue", "q2", "two")
    dev.until("the second works", lambda: "1 two" in dev.out)
    (dev.folder / "queue.yaml").write_text(YAML)
    dev.until("the second is gone", lambda: not dev.status_of("second"))
    dev.enqueue("note", "a")
    dev.until("the first works", lambda: "1 a" in dev.out)


def test_replay_from_the_command_line(dev: DevProcess) -> None:
    for text in "ab":
        dev.enqueue("picky", text)
    dev.until("both are dead", lambda: dev.status["deadLetters"]["total"] == 2)
    proposed = dev.run("replay", "shop", "--all", "--dry-run")
    assert proposed.startswith("would replay 2 of 2 dead letters: 2 RuntimeError; approve=")
    dev.edit("shop.py", 'VERSION = "1"', 'VERSION = "2"')
    dev.until("the code is seen", lambda: "the code has changed" in dev.printed)
    assert dev.run("replay", "shop", "--reason", "KeyError") == "replayed 0 of 0 dead letters"
    assert "there is no queue 'none' here, only " in dev.run("replay", "shop", "--all", "--queue", "none", code=2)
    told = json.loads(dev.run("replay", "shop", "--all", "--max", "1", "-o", "json"))
    assert (told["phase"], told["matched"], told["message"]) == ("Completed", 2, "replayed 1 of 2 dead letters")
    assert dev.run("replay", "shop", "--all") == "replayed 1 of 1 dead letters"
    dev.until("both have run", lambda: sorted(dev.out) == ["2 a", "2 b"])
    for wrong, says in (
        (["nobody", "--all"], "no WorkerQueue 'nobody' here; there is shop"),
        (["shop", "--all", "--max", "x"], "max must be a whole number"),
        (["shop", "--all", "--task", "t"], "all goes with no filter"),
        (["shop"], "say which letters: --id, --all, or a filter"),
        (["shop", "--dry-run", "--max", "1"], "say which letters: --id, --all, or a filter"),
        (["shop", "--all", "--data", "/nonexistent"], "no `headrace dev` runs with its data in /nonexistent"),
    ):
        assert says in dev.run("replay", *wrong, code=2)


def test_a_replay_is_called_off_from_the_command_line(dev: DevProcess) -> None:
    for text in "abc":
        dev.enqueue("picky", text)
    dev.until("all are dead", lambda: dev.status["deadLetters"]["total"] == 3)
    assert "no replay of shop is under way" in dev.run("replay", "shop", "--cancel", code=2)
    with ThreadPoolExecutor() as others:
        slow = others.submit(dev.run, "replay", "shop", "--all", "--rate", "0.05", code=1)
        dev.until("it runs", lambda: dev.status.get("replay", {}).get("replayed") == 1)
        assert "another replay is under way" in dev.run("replay", "shop", "--all", code=2)
        assert "--cancel stands alone" in dev.run("replay", "shop", "--cancel", "--max", "1", code=2)
        assert dev.run("replay", "shop", "--cancel") == "the replay of shop is called off"
        assert slow.result(timeout=60) == "called off; 1 were replayed"
    assert "no replay of shop is under way" in dev.run("replay", "shop", "--cancel", code=2)


def test_another_redis(tmp_path: Path) -> None:
    with RedisServer() as server, DevProcess(tmp_path, redis_url=server.url) as dev:
        assert f"uses the Redis at {server.url}" in dev.printed
        dev.enqueue("note", "hello")
        dev.until("it has run", lambda: dev.out == ["1 hello"])
        assert not list((tmp_path / ".headrace/redis").iterdir()), "no server of its own"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"options": ["-f", "none.yaml"]}, "none.yaml: no such file"),
        ({"yaml": "a: ["}, "queue.yaml: is no YAML: line 1"),
        ({"yaml": ""}, "queue.yaml: there is no WorkerQueue in it"),
        (
            {"yaml": "kind: Pod\napiVersion: v1\nmetadata: {name: a}"},
            'apiVersion: must be headrace.dev/v1alpha1, got "v1"',
        ),
        ({"yaml": YAML.replace("app:", "ap:")}, "spec.worker.ap: unknown field, did you mean app?"),
        ({"yaml": YAML.replace("shop, c", "nothing.here, c")}, "shop: spec.worker.app: no module named 'nothing' in "),
        ({"yaml": f"{YAML}---{YAML}"}, "default/shop is there 2 times"),
        ({"options": ["--redis-url", "http://x"]}, "--redis-url: unknown scheme 'http'"),
        ({"redis_url": "redis://127.0.0.1:1/0"}, "can't connect to redis://127.0.0.1:1/0"),
        ({"options": ["--data", "/proc/nope"]}, "/proc/nope: can't be used to keep data"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, given: dict[str, str | list[str]], says: str) -> None:
    (tmp_path / "queue.yaml").write_text(str(given.get("yaml", YAML)))
    (tmp_path / "shop.py").write_text(APP)
    dev = DevProcess(tmp_path, *given.get("options", ()), redis_url=str(given.get("redis_url", "")))
    dev._process.start()
    assert dev.wait(30) == 2, dev.printed
    assert says in dev.printed
    assert dev.printed.startswith("headrace dev: ")
    assert dev.printed.count("\n") == 1


def test_one_dev_at_a_time(dev: DevProcess) -> None:
    other = DevProcess(dev.folder)
    other.log = dev.folder / "other.log"
    other._process.log = other.log
    other._process.start()
    assert other.wait(30) == 2
    assert "another `headrace dev` runs here" in other.printed


def test_a_crash_loop_stops_growth_until_workers_run(tmp_path: Path) -> None:
    """The same code crashes or not, so this is no rollout."""
    (tmp_path / "shop.py").write_text(f'{APP}\nif not Path("mended").exists():\n    raise SystemExit(3)\n')
    (tmp_path / "queue.yaml").write_text(YAML.replace("maxReplicas: 3", "maxReplicas: 3, breaker: {coolOffSeconds: 1}"))
    opened = "! BreakerOpened: the only worker crashes again and again: ended with exit code"
    with DevProcess(tmp_path) as dev:
        dev.enqueue("note", "first")
        dev.until("it crashes again and again", lambda: opened in dev.printed)
        for number in range(11):
            dev.enqueue("note", str(number))
        dev.until("no worker is added", lambda: dev.status["lastDecision"]["reason"] == "BreakerOpen")
        assert dev.workers() == 1
        (tmp_path / "mended").touch()
        dev.until("it runs", lambda: "BreakerClosed: no more CrashLoop; workers may be added again" in dev.printed)
        assert dev.condition("BreakerOpen") == "BreakerClosed"
        dev.until("all is done", lambda: len(dev.out) == 12)

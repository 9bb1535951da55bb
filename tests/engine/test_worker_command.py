"""`headrace worker` and `headrace drain` on the command line: a mistake is one line and exit code 2, no traceback."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.apps import kinds
from support.lab import Lab
from support.polling import eventually
from support.ports import free_ports
from support.servers import RedisServer
from support.worker_process import WorkerProcess, run_headrace

NOBODY = "redis://127.0.0.1:1/0"
"""Port 1: nobody listens there."""

MODULES = {
    "no_fleet": "x = 1\n",
    "no_task": "from headrace import Fleet\nfleet = Fleet()\n",
    "two_fleets": "from headrace import Fleet\none, two = Fleet(), Fleet()\n",
    "raises": "def boom():\n    raise ValueError('several\\nlines')\n\nboom()\n",
    "exits": "import sys\nsys.exit(7)\n",
    "imports": "import no_such_module_anywhere\n",
    "syntax": "def (:\n",
    "bad_queue": "from headrace import Fleet\nfleet = Fleet()\nq = fleet.queue('No Good')\n",
    "bad_task": (
        "from headrace import Fleet\nfleet = Fleet()\n\n@fleet.queue('q').task(timeout=0)\nasync def t(): ...\n"
    ),
    "good": "from headrace import Fleet\nfleet = Fleet()\n\n@fleet.queue('q').task()\nasync def t(): ...\n",
    "bad_start": (
        "from headrace import Fleet\nfleet = Fleet()\n\n@fleet.queue('q').task()\nasync def t(): ...\n\n"
        "@fleet.on_start\nasync def start():\n    raise OSError('no database')\n"
    ),
}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("modules")
    for name, text in MODULES.items():
        (directory / f"{name}.py").write_text(text)
    return directory


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "name the application: headrace worker module[:attribute]"),
        (("nowhere.at_all",), "no module named 'nowhere' here; is the directory or PYTHONPATH right?"),
        (("good.nowhere",), "no module named 'good.nowhere' here; is the directory or PYTHONPATH right?"),
        ((":fleet",), "':fleet': name the application as module or module:attribute"),
        (("no_fleet",), "module 'no_fleet' has no Fleet; name one as no_fleet:attribute"),
        (("no_fleet:x",), "no_fleet:x: x is a int, not a Fleet or a Queue"),
        (("no_fleet:y",), "module 'no_fleet' has no attribute 'y'"),
        (("no_task",), "no_task: the fleet has no task; register one with @fleet.queue(name).task()"),
        (("two_fleets",), "module 'two_fleets' has several fleets; name one as two_fleets:attribute"),
        (("raises",), "raises can't be imported: ValueError: several lines ({here}/raises.py:2)"),
        (("exits",), "exits can't be imported: SystemExit: 7 ({here}/exits.py:2)"),
        (("imports",), "imports can't be imported: No module named 'no_such_module_anywhere' ({here}/imports.py:1)"),
        (("syntax",), "syntax can't be imported: SyntaxError: invalid syntax (syntax.py, line 1)"),
        (
            ("bad_queue",),
            "bad_queue: queue name 'No Good': use 1 to 63 of a-z, 0-9, '-', '.', '_', with a letter or digit at both "
            "ends ({here}/bad_queue.py:3)",
        ),
        (("bad_task",), "bad_task: timeout: must be more than 0 seconds, got 0 ({here}/bad_task.py:4)"),
        (("good", "--queues", "other"), "good has no task on queue 'other'; it has tasks on q"),
        (("good", "--concurrency", "many"), "--concurrency: must be a whole number, got 'many'"),
        (("good", "--redis-url", "http://x"), "--redis-url: unknown scheme 'http'; {expected}"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, tuple) else "",
)
def test_mistakes(modules: Path, arguments: tuple[str, ...], complaint: str) -> None:
    expected = (
        "expected redis://host[:port][/db] (or user:password@host), rediss://… for TLS, "
        "redis+sentinel://host,host/master-name, redis+cluster://host,host, or unix:///path"
    )
    done = run_headrace("worker", *arguments, cwd=modules, environ={"REDIS_URL": NOBODY, "METRICS_PORT": "0"})
    assert done == (2, "", f"headrace worker: {complaint.format(here=modules, expected=expected)}\n")


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("WORKER_COUNT", "0", "must be 1 to 10,000, got 0"),
        ("SHUTDOWN_TIMEOUT", "soon", "must be a duration such as 30s, 500ms or 5m, got 'soon'"),
        ("LOG_LEVEL", "loud", "must be debug, info, warning or error, got 'loud'"),
        ("HEADRACE_QUEUES", "q=0", "must be 1 to 1,000, got 0"),
        ("REDIS_URL", "redis://:s3cret@h:99999999/0", "the port must be a number from 1 to 65535"),
    ],
)
def test_wrong_environment_values(modules: Path, name: str, value: str, complaint: str) -> None:
    code, out, err = run_headrace("worker", "good", cwd=modules, environ={name: value})
    assert (code, out) == (2, "")
    assert err.startswith(f"headrace worker: {name}: {complaint}")
    assert err.count("\n") == 1
    assert "s3cret" not in err


def test_redis_that_can_not_be_reached(modules: Path) -> None:
    variables = {"REDIS_URL": "redis://:s3cret@127.0.0.1:1/0", "STARTUP_TIMEOUT": "300ms", "LOG_LEVEL": "error"}
    code, out, err = run_headrace("worker", "good", cwd=modules, environ={"METRICS_PORT": "0", **variables})
    why = "can't connect to redis://:***@127.0.0.1:1/0: Connection refused (tried for 0.3 s)"
    assert (code, out, err) == (2, "", f"headrace worker: REDIS_URL: {why}\n")


async def _configure(server: RedisServer, *words: str) -> None:
    link = Link(parse_target(server.url))
    assert await link.request("CONFIG", "SET", *words) == b"OK"
    await link.close()


async def test_a_wrong_password(modules: Path) -> None:
    with RedisServer() as server:
        await _configure(server, "requirepass", "right")
        url = server.url.replace("redis://", "redis://:wr0ng@")
        variables = {"REDIS_URL": url, "STARTUP_TIMEOUT": "200ms", "METRICS_PORT": "0", "LOG_LEVEL": "error"}
        code, _, err = await asyncio.to_thread(run_headrace, "worker", "good", cwd=modules, environ=variables)
    assert (code, err) == (
        2,
        "headrace worker: REDIS_URL: Redis refused the login: wrong or missing password (tried for 0.2 s)\n",
    )


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
async def test_settings_of_redis_that_lose_jobs_are_warned_of(lab: Lab) -> None:
    with RedisServer() as server:
        await _configure(server, "maxmemory-policy", "allkeys-lru")
        worker = await lab.start("kinds", url=server.url)
        why = "Redis's maxmemory-policy is allkeys-lru: a full Redis throws jobs away; set it to noeviction"
        assert (await worker.logged(why))["level"] == "warning"


def test_a_taken_metrics_port(modules: Path) -> None:
    (port,) = free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        done = run_headrace("worker", "good", "--metrics-port", str(port), cwd=modules, environ={"REDIS_URL": NOBODY})
    why = f"METRICS_PORT: can't listen on 127.0.0.1:{port}: Address already in use; 0 takes any free port"
    assert done == (2, "", f"headrace worker: {why}\n")


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
async def test_an_on_start_that_fails_ends_the_worker_and_leaves_no_session(lab: Lab, modules: Path) -> None:
    variables = {"REDIS_URL": lab.url, "METRICS_PORT": "0", "LOG_LEVEL": "error"}
    code, _, err = await asyncio.to_thread(run_headrace, "worker", "bad_start", cwd=modules, environ=variables)
    assert code in (1, 2)
    assert err.startswith("headrace worker: ")
    assert "OSError: no database" in err
    assert err.count("\n") == 1
    assert not (await lab.stats("q")).workers


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
async def test_a_control_socket_that_can_not_be_made(lab: Lab, modules: Path) -> None:
    variables = {"REDIS_URL": lab.url, "METRICS_PORT": "0", "LOG_LEVEL": "error"}
    path = f"/tmp/{'x' * 120}"
    variables["HEADRACE_CONTROL_SOCKET"] = path
    code, _, err = await asyncio.to_thread(run_headrace, "worker", "good", cwd=modules, environ=variables)
    assert (code, err) == (
        2,
        f"headrace worker: HEADRACE_CONTROL_SOCKET: can't listen on {path}: AF_UNIX path too long\n",
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--grace", "soon"), "must be a duration such as 30s, 500ms or 5m, got 'soon'"),
        ((), "no worker runs here (no control socket); name its socket with --socket"),
    ],
)
def test_drain_of_nothing(tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
    done = run_headrace("drain", *arguments, environ={"TMPDIR": str(tmp_path)})
    assert done == (2, "", f"headrace drain: {complaint}\n")


def test_print_config_shows_each_setting_with_its_source_and_no_secret() -> None:
    variables = {"REDIS_URL": "redis://u:s3cret@h/1", "METRICS_TOKEN": "t0ken", "MAX_RETRIES": "7"}
    code, out, err = run_headrace("worker", "--print-config", "--concurrency", "5", environ=variables)
    assert (code, err) == (0, "")
    lines = {line.split()[0]: line.split() for line in out.splitlines()}
    assert lines["REDIS_URL"][1:3] == ["redis://u:***@h:6379/1", "REDIS_URL"]
    assert lines["METRICS_TOKEN"][1:3] == ["***", "METRICS_TOKEN"]
    assert lines["MAX_RETRIES"][1:3] == ["7", "MAX_RETRIES"]
    assert lines["WORKER_COUNT"][1:3] == ["5", "--concurrency"]
    assert lines["QUEUE_SIZE"][1:3] == ["1000", "default"]
    assert "s3cret" not in out
    assert "t0ken" not in out


async def _reloading(lab: Lab, app: str) -> tuple[WorkerProcess, Path]:
    """A worker that has started with version 1 of that source, and the file it watches."""
    lab.use(kinds.fleet)
    worker = lab.worker("reloaded.app", "--reload")
    source = worker.directory / "reloaded" / "app.py"
    source.parent.mkdir()
    source.write_text(app.format(version=1))
    worker.launch()
    await worker.logged("worker started")
    return worker, source


APP = """
import os
from headrace import Fleet
from support.apps.journal import note

fleet = Fleet()

@fleet.queue("jobs").task()
async def say() -> None:
    note("said", version={version})
"""


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
async def test_reload_starts_anew_when_the_source_changes(lab: Lab) -> None:
    worker, source = await _reloading(lab, APP)
    say = kinds.fleet.queue("jobs").task(name="say")(_say)
    await say.enqueue()
    await eventually(lambda: lab.notes("said"))
    source.write_text(APP.format(version=2))
    await worker.logged("worker started", count=2)
    assert worker.lines("worker stopped")
    await say.enqueue()
    await eventually(lambda: len(lab.notes("said")) == 2)
    assert [note["version"] for note in lab.notes("said")] == [1, 2]
    assert await worker.stop() == 0
    assert len(worker.lines("worker stopped")) == 2


SLOW = """
import asyncio
from headrace import Fleet
from support.apps.journal import note

fleet = Fleet()

@fleet.queue("jobs").task()
async def slow() -> None:
    note("begun")
    await asyncio.sleep(1)
    note("said", version={version})
"""


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
async def test_reload_lets_a_running_job_end_and_outlives_source_that_does_not_run(lab: Lab) -> None:
    worker, source = await _reloading(lab, SLOW)
    slow = kinds.fleet.queue("jobs").task(name="slow")(_say)
    await slow.enqueue()
    await eventually(lambda: lab.notes("begun"))
    source.write_text("this is no Python")
    await eventually(lambda: "headrace worker: reloaded.app" in worker.output())
    assert [note["version"] for note in lab.notes("said")] == [1]
    assert await lab.idle()
    source.write_text(SLOW.format(version=2))
    await eventually(lambda: worker.output().count('"worker started"') == 2)
    await slow.enqueue()
    await eventually(lambda: len(lab.notes("said")) == 2)
    assert [note["version"] for note in lab.notes("said")] == [1, 2]
    assert await worker.stop() == 0
    worker.log_file.write_text("")  # the complaint about the broken source is no log line


async def _say() -> None: ...

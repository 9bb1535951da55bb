"""allowedRedisHosts: the operator connects to the hosts that it may, and sends nothing anywhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from headrace_operator.api.names import API_VERSION, KIND
from headrace_operator.api.worker_queue import WorkerQueue, read_worker_queue
from headrace_operator.core.conditions import ConditionType
from headrace_operator.core.observation import Unknown
from headrace_operator.reconcile.addresses import SpecAddresses
from headrace_operator.seams.errors import HostNotAllowedError
from support.fleet_rig import MemorySecrets, Rig, redis_spec


def worker_queue(redis: Mapping[str, Any]) -> WorkerQueue:
    return read_worker_queue(
        {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": "emails", "namespace": "home", "uid": "u", "generation": 1, "resourceVersion": "1"},
            "spec": {"redis": redis, "queues": [{"name": "q"}], "worker": {"app": "app"}},
        }
    )


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ((), "redis://anywhere.example.com"),
        (("redis.home.svc",), "redis://redis.home.svc:6379/0"),
        (("Redis.Home.svc.",), "rediss://user:secret@REDIS.home.svc"),
        (("a", "*.cache.example.com"), "redis://one.cache.example.com"),
        (("*.cache.example.com",), "redis://a.b.cache.example.com"),
        (("10.0.0.7",), "redis://10.0.0.7:6380"),
        (("fd00::7",), "redis://[fd00::7]:6379"),
        (("a", "b"), "redis+sentinel://a:26379,b:26379/jobs"),
        (("a", "*.b"), "rediss+cluster://a:6379,c.b:6379"),
    ],
)
async def test_a_host_that_is_named_is_allowed(allowed: tuple[str, ...], url: str) -> None:
    target = await SpecAddresses(MemorySecrets(), allowed).find(worker_queue({"url": url}))
    assert target.host.lower() in url.lower()


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        (("redis",), "redis://other"),
        (("redis",), "redis://redis.attacker.example"),
        (("redis",), "redis://redis@169.254.169.254:80"),
        (("*.example.com",), "redis://example.com"),
        (("*.example.com",), "redis://notexample.com"),
        (("example.com",), "redis://sub.example.com"),
        (("10.0.0.7",), "redis://10.0.0.70"),
        (("redis",), "unix:///var/run/redis.sock"),
        (("redis",), "redis+sentinel://redis:26379,169.254.169.254:80/jobs"),
        (("redis",), "redis+cluster://other:6379,redis:6379"),
    ],
)
async def test_any_other_host_is_refused_in_one_line_without_the_login(allowed: tuple[str, ...], url: str) -> None:
    secrets = MemorySecrets()
    secrets.values["redis"] = url.replace("://", "://:hunter2@", 1)
    with pytest.raises(HostNotAllowedError) as caught:
        await SpecAddresses(secrets, allowed).find(worker_queue(redis_spec("redis")))
    said = str(caught.value)
    assert "allowedRedisHosts" in said
    assert "hunter2" not in said
    assert "\n" not in said


async def test_nothing_is_sent_to_a_host_that_is_not_allowed_and_the_condition_says_so(rig: Rig) -> None:
    knocks: list[object] = []

    async def knocked(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocks.append(writer.get_extra_info("peername"))
        writer.close()

    async with await asyncio.start_server(knocked, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        rig.allowed_hosts = ("redis.home.svc",)
        rig.secrets.values["elsewhere"] = f"redis://127.0.0.1:{port}"
        plain = rig.apply("plain", url=f"redis://127.0.0.1:{port}")
        secret = rig.apply("secret", redis=redis_spec("elsewhere"))
        async with rig.running():
            for key in (plain, secret):
                await rig.reason(key, ConditionType.REDIS_AVAILABLE, Unknown.HOST_NOT_ALLOWED)
                found = rig.condition(key, ConditionType.REDIS_AVAILABLE)
                assert found is not None
                assert found.message.startswith("127.0.0.1 is not among the allowedRedisHosts")
                assert await rig.workers(key) == 0
    assert knocks == []


async def test_an_allowed_host_works(rig: Rig) -> None:
    rig.allowed_hosts = ("127.0.0.1", "localhost")
    key = rig.apply()
    async with rig.running():
        await rig.seeder().enqueue("a")
        await rig.has_workers(key, 1)

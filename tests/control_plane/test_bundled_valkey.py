"""The chart's Valkey: its command and configuration, run by a real server, keep jobs and ask for the password."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError

from headrace.wire.target import parse_target
from headrace_operator.dev.server import find_server
from support.helm import render
from support.ports import free_ports
from support.server_process import ServerProcess

Json = dict[str, Any]
PASSWORD = "pass word-1"


def the(manifests: list[Json], kind: str, name: str = "headrace-valkey") -> Json:
    [found] = [one for one in manifests if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


@pytest.fixture
def manifests(helm_program: Path) -> list[Json]:
    return render(helm_program, "home", "valkey.enabled=true", "valkey.maxMemory=64mb")


@pytest.fixture
def server(manifests: list[Json], tmp_path: Path) -> ServerProcess:
    """The container's command, with its files in other places and a port of the test's own."""
    [port] = free_ports(1)
    for folder in ("bin", "data"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bin" / "valkey-server").symlink_to(find_server())
    configuration = the(manifests, "ConfigMap")["data"]["valkey.conf"].replace("/data", str(tmp_path / "data"))
    (tmp_path / "valkey.conf").write_text(f"{configuration}port {port}\nbind 127.0.0.1\n")
    [container] = the(manifests, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    command = [part.replace("/etc/valkey/", f"{tmp_path}/") for part in container["command"]]
    environ = (f"PATH={tmp_path / 'bin'}:{os.environ['PATH']}", f"VALKEY_PASSWORD={PASSWORD}", f"PORT={port}")
    return ServerProcess("valkey", ["/usr/bin/env", *environ, *command], tmp_path / "valkey.log")


def port_of(folder: Path) -> int:
    return int((folder / "valkey.conf").read_text().partition("\nport ")[2].split()[0])


def client(server: ServerProcess, tmp_path: Path) -> Redis:
    """Connected to a server that answers."""
    made = Redis(port=port_of(tmp_path), password=PASSWORD, socket_timeout=10)
    deadline = time.monotonic() + 30
    while True:
        try:
            made.ping()
        except RedisConnectionError:
            assert time.monotonic() < deadline, server.report("does not answer")
            time.sleep(0.05)
        else:
            return made


def test_it_keeps_what_it_has_and_asks_for_the_password(server: ServerProcess, tmp_path: Path) -> None:
    server.start()
    try:
        redis = client(server, tmp_path)
        assert redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert redis.config_get("maxmemory") == {"maxmemory": str(64 * 1024**2)}
        redis.set("kept", "yes")
        redis.close()
        stranger = Redis(port=port_of(tmp_path), socket_timeout=10)
        with pytest.raises(AuthenticationError):
            stranger.ping()
        stranger.close()
        server.stop(grace=10)
        server.start()
        redis = client(server, tmp_path)
        assert redis.get("kept") == b"yes"
        redis.close()
    finally:
        server.stop(grace=0)


def test_the_secret_names_the_service_and_its_password(manifests: list[Json]) -> None:
    secret = the(manifests, "Secret")["stringData"]
    target = parse_target(secret["url"])
    assert (target.host, target.port) == (
        "headrace-valkey.home.svc",
        the(manifests, "Service")["spec"]["ports"][0]["port"],
    )
    assert target.password == secret["password"]
    assert len(secret["password"]) >= 32


def test_a_secret_of_your_own_is_used_and_none_is_made(helm_program: Path) -> None:
    manifests = render(helm_program, "home", "valkey.enabled=true", "valkey.existingSecret=mine")
    assert [one for one in manifests if one["kind"] == "Secret"] == []
    [container] = the(manifests, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    assert [one["valueFrom"]["secretKeyRef"] for one in container["env"]] == [{"name": "mine", "key": "password"}]

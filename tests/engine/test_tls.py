"""Redis over TLS with an ACL user, on a server of the test's own: the engine's two kinds of connection."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.errors import ConfigError, QueueUnavailableError
from headrace.wire.blocking import BlockingConnection
from headrace.wire.connection import connect
from headrace.wire.target import Target, parse_target
from support.certificate import make_certificate
from support.ports import free_ports
from support.servers import RedisServer

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs a redis-server built with TLS")


@pytest.fixture(scope="module")
def certificate() -> Iterator[Path]:
    """A folder with a self-signed certificate for localhost, `cert.pem` and `key.pem`."""
    with make_certificate() as folder:
        yield folder


@pytest.fixture(scope="module")
def url(certificate: Path) -> Iterator[str]:
    """The address of a server's TLS port, for the ACL user `ada`."""
    (port,) = free_ports(1)
    tls = ("--tls-port", str(port), "--tls-auth-clients", "no", "--tls-cert-file", str(certificate / "cert.pem"))
    server = RedisServer(
        *tls,
        *("--tls-key-file", str(certificate / "key.pem")),
        *("--user", "ada", "on", ">s3cret", "~*", "&*", "+@all"),
        binary=shutil.which("redis-server"),
    )
    with server:
        yield f"rediss://ada:s3cret@localhost:{port}/0"


async def _ping(target: Target) -> bytes:
    connection = await connect(target)
    reply: bytes = await connection.request("PING", timeout=5)
    connection.close()
    return reply


async def test_a_named_authority_is_trusted(url: str, certificate: Path) -> None:
    by_file = parse_target(f"{url}?ca_file={certificate / 'cert.pem'}")
    by_text = replace(parse_target(url), ca_data=(certificate / "cert.pem").read_text())
    for target in (by_file, by_text):
        assert await _ping(target) == b"PONG"
        blocking = BlockingConnection(target, 5, "test")
        assert blocking.pipeline([("PING",)]) == [b"PONG"]
        blocking.close()


async def test_an_address_that_fails_in_the_handshake_is_passed_over(
    url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = parse_target(f"{url}?ca_file={certificate / 'cert.pem'}")
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, target.port)) for host in ("127.0.0.2", "127.0.0.1")]
    with socket.create_server(("127.0.0.2", target.port)) as closing:

        def close() -> None:
            for _ in range(2):
                closing.accept()[0].close()

        threading.Thread(target=close, daemon=True).start()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        blocking = await asyncio.to_thread(BlockingConnection, target, 5, "test")
        assert blocking.pipeline([("PING",)]) == [b"PONG"]
        blocking.close()
        assert await _ping(target) == b"PONG"


async def test_an_unknown_authority_is_refused_unless_verification_is_off(url: str) -> None:
    with pytest.raises(QueueUnavailableError, match="certificate") as refused:
        await connect(parse_target(url))
    assert "s3cret" not in str(refused.value)
    assert await _ping(parse_target(f"{url}?verify=no")) == b"PONG"


async def test_a_wrong_password_is_said(url: str) -> None:
    with pytest.raises(QueueUnavailableError, match="password"):
        await connect(parse_target(f"{url.replace('s3cret', 'guess')}?verify=no"))


async def test_an_authority_that_cannot_be_read(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CA certificate"):
        await connect(parse_target(f"{url}?ca_file={tmp_path / 'missing.pem'}"))

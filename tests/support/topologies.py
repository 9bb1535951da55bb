"""The ways in which Redis is run, by name: alone, over TLS with an ACL user, behind Sentinels, as a Cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol

from support.certificate import make_certificate
from support.cluster_group import ClusterGroup
from support.ports import free_ports
from support.sentinel_group import SentinelGroup
from support.servers import RedisServer, server_binaries

BINARIES: Final = dict(server_binaries())
EVERYWHERE: Final = [
    *BINARIES,
    *(["redis-tls", "redis-cluster"] if "redis" in BINARIES else ["valkey-cluster"]),
    "valkey-sentinel",
]
"""Where tests marked `everywhere` run: every topology once. The embedded Valkey speaks no TLS."""


class Place(Protocol):
    """What the suites need of it."""

    @property
    def url(self) -> str:
        """For producers, workers and admins."""

    def flush(self) -> None:
        """Empty it."""


def place(name: str) -> AbstractContextManager[Place]:
    """One of EVERYWHERE, started and stopped."""
    binary, _, kind = name.partition("-")
    match kind:
        case "sentinel":
            return SentinelGroup(BINARIES[binary])
        case "cluster":
            return ClusterGroup(BINARIES[binary])
        case "tls":
            return tls_server(BINARIES[binary])
        case _:
            return RedisServer(binary=BINARIES[binary])


class TlsPlace:
    """A server that `ada` reaches over TLS with her password; only the test itself comes in without."""

    def __init__(self, server: RedisServer, url: str) -> None:
        self._server = server
        self.url = url

    def flush(self) -> None:
        self._server.flush()


@contextmanager
def tls_server(binary: str) -> Iterator[TlsPlace]:
    """The certificate is trusted by name, not by turning verification off."""
    (port,) = free_ports(1)
    with make_certificate() as folder:
        certificate = str(folder / "cert.pem")
        options = (
            *("--tls-port", str(port), "--tls-auth-clients", "no", "--tls-cert-file", certificate),
            *("--tls-key-file", str(folder / "key.pem")),
            *(
                "--user",
                "ada",
                "on",
                ">s3cret",
                "~hr:*",
                "&*",
                "+@all",
                "-@admin",
                "-@dangerous",
                "+keys",
                "+config|set",
            ),
        )
        with RedisServer(*options, binary=binary) as server:
            yield TlsPlace(server, f"rediss://ada:s3cret@localhost:{port}/0?ca_file={certificate}")

"""A Cluster of three primaries, with replicas or without, on loopback."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType

from support.ports import free_ports
from support.server_talk import CALM, ask, info, wait_for
from support.servers import RedisServer


class ClusterGroup:
    """Three primaries that share the slots, each with its replicas; `node_timeout` ms of silence are a node's end."""

    slots = ((0, 5460), (5461, 10922), (10923, 16383))

    def __init__(self, binary: str, *, replicas: int = 0, node_timeout: int = CALM, aof: str | None = None) -> None:
        self._buses = free_ports(3 + 3 * replicas)
        self.servers = [
            RedisServer(
                *("--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", str(node_timeout)),
                *("--repl-diskless-sync-delay", "0"),
                binary=binary,
                aof=aof,
            )
            for bus in self._buses
        ]
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in self.servers[:3])

    def __enter__(self) -> ClusterGroup:
        for server in self.servers:
            self._stack.enter_context(server)
        for number, (server, (first, last)) in enumerate(zip(self.servers[:3], self.slots, strict=True)):
            ask(server, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            ask(server, "CLUSTER", "ADDSLOTSRANGE", first, last)
        for server, bus in zip(self.servers[1:], self._buses[1:], strict=True):
            ask(self.servers[0], "CLUSTER", "MEET", "127.0.0.1", server.port, bus)
        wait_for(lambda: all(self._known_by(server) == len(self.servers) for server in self.servers), "all have met")
        for number, replica in enumerate(self.servers[3:]):
            ask(replica, "CLUSTER", "REPLICATE", ask(self.servers[number % 3], "CLUSTER", "MYID").decode())
        self.wait_until_whole()
        return self

    def wait_until_whole(self) -> None:
        """Every node knows who serves what, and the replicas have all of the data."""
        wait_for(lambda: all(self._serves(server) for server in self.servers), "the Cluster serves")

    def _known_by(self, server: RedisServer) -> int:
        return int(_cluster_info(server)["cluster_known_nodes"])

    def _serves(self, server: RedisServer) -> bool:
        ranges = ask(server, "CLUSTER", "SLOTS")
        whole = len(ranges) == 3 and all(len(nodes) == len(self.servers) // 3 for _, _, *nodes in ranges)
        linked = info(server, "replication").get("master_link_status", "up") == "up"
        return _cluster_info(server)["cluster_state"] == "ok" and whole and linked

    def primary_of(self, slot: int) -> RedisServer:
        """Who serves it, as the first node that answers says."""
        for server in self.servers:
            if not server.running:
                continue
            for first, last, (_, port, *_), *_ in ask(server, "CLUSTER", "SLOTS"):
                if first <= slot <= last:
                    return next(server for server in self.servers if server.port == port)
        raise AssertionError(f"nobody serves slot {slot}")

    def flush(self) -> None:
        for server in self.servers:
            if info(server, "replication")["role"] == "master":
                ask(server, "FLUSHALL")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()


def _cluster_info(server: RedisServer) -> dict[str, str]:
    return dict(line.split(":", 1) for line in ask(server, "CLUSTER", "INFO").decode().splitlines() if ":" in line)

"""A primary with replicas behind three Sentinels, on loopback."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from headrace.wire.target import Target
from support.ports import free_ports
from support.server_process import ServerProcess
from support.server_talk import CALM, ask, info, wait_for
from support.servers import RedisServer


class SentinelGroup:
    """A primary, its replicas, and three Sentinels that take `down_after` ms of silence for its end."""

    master = "jobs"

    def __init__(
        self,
        binary: str,
        *,
        replicas: int = 1,
        down_after: int = CALM,
        aof: str | None = None,
        options: Sequence[str] = (),
        sentinel_lines: Sequence[str] = (),
        login: tuple[str, str] | None = None,
    ) -> None:
        """`login`: what a test needs to ask the Sentinels, where `sentinel_lines` have made that necessary."""
        self.servers = [
            RedisServer("--repl-diskless-sync-delay", "0", *options, binary=binary, aof=aof)
            for _ in range(1 + replicas)
        ]
        self._lines = [
            "bind 127.0.0.1",
            f"sentinel monitor {self.master} 127.0.0.1 {self.servers[0].port} 2",
            f"sentinel down-after-milliseconds {self.master} {down_after}",
            f"sentinel failover-timeout {self.master} 10000",
            *sentinel_lines,
        ]
        self._binary = binary
        self._login = login
        self._stack = ExitStack()
        self.sentinels: list[Target] = []

    @property
    def url(self) -> str:
        hosts = ",".join(f"{sentinel.host}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{self.master}/0"

    def __enter__(self) -> SentinelGroup:
        for server in self.servers:
            self._stack.enter_context(server)
        for replica in self.servers[1:]:
            ask(replica, "REPLICAOF", "127.0.0.1", self.servers[0].port)
        for port in free_ports(3):
            self._start_sentinel(port)
        self.wait_until_whole()
        return self

    def _start_sentinel(self, port: int) -> None:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-sentinel-")))
        conf = folder / "sentinel.conf"
        conf.write_text("\n".join([f"port {port}", f"dir {folder}", *self._lines, ""]))
        process = ServerProcess("sentinel", [self._binary, conf, "--sentinel"], folder / "log")
        process.start()
        self._stack.callback(process.stop, grace=0)
        username, password = self._login or (None, None)
        self.sentinels.append(Target("127.0.0.1", port, username=username, password=password))

    def _is_whole(self, sentinel: Target) -> bool:
        seen = self._master_as_seen_by(sentinel)
        return (seen["num-slaves"], seen["num-other-sentinels"]) == (str(len(self.servers) - 1), "2")

    def _master_as_seen_by(self, sentinel: Target) -> dict[str, str]:
        flat = [part.decode() for part in ask(sentinel, "SENTINEL", "MASTER", self.master)]
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def wait_until_whole(self) -> None:
        """Every Sentinel knows the others and all replicas, and those follow the primary."""
        wait_for(lambda: all(self._is_whole(sentinel) for sentinel in self.sentinels), "the Sentinels know each other")
        wait_for(lambda: self._followers() == len(self.servers) - 1, "the replicas follow")

    def _followers(self) -> int:
        """Those who have all of the data."""
        seen = info(self.primary, "replication")
        return sum("state=online" in value for name, value in seen.items() if name.startswith("slave"))

    def primary_of(self, slot: int) -> RedisServer:
        """The one for all slots."""
        del slot
        return self.primary

    @property
    def primary(self) -> RedisServer:
        """As the first Sentinel sees it."""
        port = int(self._master_as_seen_by(self.sentinels[0])["port"])
        return next(server for server in self.servers if server.port == port)

    def flush(self) -> None:
        ask(self.primary, "FLUSHALL")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

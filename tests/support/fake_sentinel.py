"""Something that answers like a Sentinel, and names whichever server the test wants."""

from __future__ import annotations

import socketserver
import threading
from types import TracebackType

import hiredis

from support.servers import RedisServer


class FakeSentinel:
    """`with FakeSentinel(server) as sentinel:`; `master` may be set at any time, None: it knows none."""

    def __init__(self, master: RedisServer | None) -> None:
        self.master = master
        self.asked = 0
        """How often it was asked for the master."""
        sentinel = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                parser = hiredis.Reader()
                while data := self.request.recv(4096):
                    parser.feed(data)
                    while (command := parser.gets()) is not False:
                        self.request.sendall(sentinel.answer(command[0]))

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True  # the client's loop may close its connection later than this ends
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> FakeSentinel:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def answer(self, command: bytes) -> bytes:
        """To any command."""
        if command != b"SENTINEL":
            return b"+OK\r\n"
        self.asked += 1
        if self.master is None:
            return b"*-1\r\n"
        host, port = self.master.host, str(self.master.port)
        return f"*2\r\n${len(host)}\r\n{host}\r\n${len(port)}\r\n{port}\r\n".encode()

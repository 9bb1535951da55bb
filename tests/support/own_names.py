"""Host names for chosen processes alone: they see a hosts file and a name service of the test's own.

A mount namespace hides the machine's files from them and leaves everybody else's resolver as it is. Needs root, and
`unshare` and `mount` of util-linux.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SILENT = f"127.{64 + (os.getpid() >> 16)}.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
"""Where a name server listens that never answers: another address of loopback for each process, as the port is 53."""
_ENTER = (
    'mount --bind "$1/hosts" /etc/hosts && mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf '
    '&& mount --bind "$1/resolv.conf" /etc/resolv.conf && shift && exec "$@"'
)


def names_possible() -> bool:
    """Whether this user may do so on this machine."""
    files = ("/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf")
    return os.geteuid() == 0 and shutil.which("unshare") is not None and all(Path(one).exists() for one in files)


class OwnNames:
    """Prefix a program with `prefix` and it knows `name` as 127.0.0.1, until `forget`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "resolv.conf").write_text(f"nameserver {SILENT}\n")
        self.know()

    @property
    def prefix(self) -> tuple[str, ...]:
        """To be put before a command; the process keeps its id."""
        return ("/usr/bin/env", "unshare", "--mount", "sh", "-c", _ENTER, "sh", str(self._folder))

    def know(self) -> None:
        """The name has an address."""
        self._write(f"127.0.0.1 localhost {self._name}", "files")

    def forget(self) -> None:
        """There is no such name, says the name service at once."""
        self._write("127.0.0.1 localhost", "files")

    def silence(self) -> None:
        """The name service doesn't answer; to be called within `silent_name_server()`."""
        self._write("127.0.0.1 localhost", "files dns")

    def _write(self, hosts: str, services: str) -> None:
        """In place: what is mounted elsewhere is the file, not its path."""
        (self._folder / "nsswitch.conf").write_text(f"hosts: {services}\n")
        (self._folder / "hosts").write_text(f"{hosts}\n")


@contextmanager
def silent_name_server() -> Iterator[None]:
    """Take questions and answer none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((SILENT, 53))
        yield

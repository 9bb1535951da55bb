"""A self-signed certificate for this machine."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def make_certificate() -> Iterator[Path]:
    """A folder with `cert.pem` and `key.pem`, for localhost and 127.0.0.1."""
    with tempfile.TemporaryDirectory(prefix="headrace-tls-") as name:
        folder = Path(name)
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
        subprocess.run(
            [*command, "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
            check=True,
            capture_output=True,
        )
        yield folder

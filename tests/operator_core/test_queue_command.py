"""`headrace-operator cli` hands over to `headrace`: the address by the environment, certificates by a nameless file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_operator.operate.queue_command import Resolved
from support.certificate import make_certificate
from support.ports import free_ports
from support.servers import RedisServer

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs a redis-server built with TLS")


@pytest.fixture(scope="module")
def certificate() -> Iterator[Path]:
    """A folder with a self-signed certificate for localhost."""
    with make_certificate() as folder:
        yield folder


@pytest.fixture(scope="module")
def url(certificate: Path) -> Iterator[str]:
    """A server's TLS port, with a password."""
    (port,) = free_ports(1)
    server = RedisServer(
        *("--tls-port", str(port), "--tls-auth-clients", "no", "--tls-cert-file", str(certificate / "cert.pem")),
        *("--tls-key-file", str(certificate / "key.pem"), "--user", "ada", "on", ">s3cret", "~*", "&*", "+@all"),
        binary=shutil.which("redis-server"),
    )
    with server:
        yield f"rediss://ada:s3cret@localhost:{port}/0"


def handed_over(resolved: Resolved) -> subprocess.CompletedProcess[str]:
    code = f"from headrace_operator.operate.queue_command import Resolved, hand_over; hand_over({resolved!r})"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


STATS = ["stats", "q", "-o", "plain"]


def test_an_authority_from_a_secret_is_trusted(url: str, certificate: Path) -> None:
    done = handed_over(Resolved(STATS, url, (certificate / "cert.pem").read_text(), verify=True))
    assert (done.returncode, done.stderr) == (0, "headrace: nothing has ever used queue 'q' in this Redis\n")
    assert done.stdout.startswith("QUEUE\t")


def test_without_it_the_server_is_not_trusted_unless_told_so(url: str) -> None:
    done = handed_over(Resolved(STATS, url, None, verify=True))
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert "certificate" in done.stderr
    assert "s3cret" not in done.stderr
    assert handed_over(Resolved(STATS, f"{url}?db=0", None, verify=False)).returncode == 0


def test_the_code_of_the_verb_is_the_code(url: str) -> None:
    done = handed_over(Resolved(["show", "q", "nope"], url, None, verify=False))
    assert (done.returncode, done.stdout) == (2, "")
    assert "no job 'nope'" in done.stderr

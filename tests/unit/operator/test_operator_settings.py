"""The operator's variables: what they mean, and the one line that a wrong one gets."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from headrace.errors import ConfigError
from headrace_operator.entry import main
from headrace_operator.operate.settings import VARIABLES, load_operator_settings
from support.operator_process import PROGRAM


def test_it_watches_its_own_namespace_by_default() -> None:
    assert load_operator_settings({"POD_NAMESPACE": "fleets"}).namespaces == ("fleets",)


@pytest.mark.parametrize(
    ("text", "namespaces"), [("*", ()), ("a", ("a",)), ("a, b,,a", ("a", "b")), ("", ("default",))]
)
def test_namespaces(text: str, namespaces: tuple[str, ...]) -> None:
    assert load_operator_settings({"WATCH_NAMESPACES": text}).namespaces == namespaces


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("", ()),
        ("a", ("a",)),
        ("a, *.b.example,,a", ("a", "*.b.example")),
        ("10.0.0.7,fd00::1", ("10.0.0.7", "fd00::1")),
    ],
)
def test_hosts(text: str, hosts: tuple[str, ...]) -> None:
    assert load_operator_settings({"ALLOWED_REDIS_HOSTS": text}).allowed_redis_hosts == hosts


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("WATCH_NAMESPACES", "a,*", "WATCH_NAMESPACES: must be a name of at most 63 of a-z, 0-9 and -, got '*'"),
        ("HEADRACE_CLUSTER_NAME", "My Cluster", "HEADRACE_CLUSTER_NAME: must be a name"),
        (
            "ALLOWED_REDIS_HOSTS",
            "redis://a",
            "ALLOWED_REDIS_HOSTS: must be names, addresses or *.domain, without scheme",
        ),
        ("ALLOWED_REDIS_HOSTS", "a.*.b", "ALLOWED_REDIS_HOSTS: must be names"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL: must be debug, info, warning or error, got 'loud'"),
        ("LEASE_NAME", "-", "LEASE_NAME: must be a name"),
        ("AUDIT_SECONDS", "5m", "AUDIT_SECONDS: must be a whole number of seconds from 0 to 86400, got '5m'"),
        ("AUDIT_SECONDS", "-1", "AUDIT_SECONDS: must be a whole number"),
        ("METRICS_PORT", "99999", "METRICS_PORT: must be a port from 0 to 65535, got '99999'"),
        ("METRICS_PORT", "http", "METRICS_PORT: must be a port"),
    ],
)
def test_a_wrong_value_gets_one_line_that_names_it(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_operator_settings({name: value})
    assert str(caught.value).startswith(says)
    monkeypatch.setenv(name, value)
    assert main([]) == 2
    assert capsys.readouterr().err == f"headrace-operator: {caught.value}\n"


def test_no_cluster_is_one_line_too(tmp_path: Path) -> None:
    """In a process of its own, since it turns on the log."""
    environ = {**os.environ, "KUBECONFIG": str(tmp_path / "none"), "METRICS_PORT": "0"}
    done = subprocess.run([PROGRAM], env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("headrace-operator: no cluster: ")
    assert done.stderr.count("\n") == 1


def test_help_names_every_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    said = capsys.readouterr().out
    assert [name for name in VARIABLES if name not in said] == []

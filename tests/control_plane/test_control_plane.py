"""The control plane of these tests is a real one: controllers act, RBAC refuses, outages end."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from support.control_plane import ControlPlane
from support.kubectl import KubectlFailed
from support.sample_objects import deployment, pod_reader
from support.server_process import ServerFailed, ServerProcess


def test_controllers_make_a_replica_set_and_its_pods(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.apply(deployment("web", namespace, replicas=3))
    control_plane.kubectl(
        "wait", "deployment/web", f"-n={namespace}", "--for=jsonpath={.status.replicas}=3", "--timeout=20s"
    )
    sets = json.loads(control_plane.kubectl("get", "replicasets", f"-n={namespace}", "-o=json"))["items"]
    pods = json.loads(control_plane.kubectl("get", "pods", f"-n={namespace}", "-o=json"))["items"]
    assert [(owned["spec"]["replicas"], owned["metadata"]["ownerReferences"][0]["name"]) for owned in sets] == [
        (3, "web")
    ]
    assert [pod["status"]["phase"] for pod in pods] == ["Pending"] * 3
    assert {pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods} == {sets[0]["metadata"]["uid"]}


def test_a_service_account_may_do_what_its_role_says_and_no_more(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("create", "serviceaccount", "reader", f"-n={namespace}")
    reader = control_plane.service_account_kubeconfig(namespace, "reader")

    def read(kind: str) -> str:
        return control_plane.kubectl("get", kind, "-o=name", kubeconfig=reader)

    with pytest.raises(KubectlFailed, match=rf'"system:serviceaccount:{namespace}:reader" cannot list .*"pods"'):
        read("pods")
    control_plane.apply(*pod_reader(namespace, "reader"))
    # The API server's authorizer learns of the role by a watch, so a moment later.
    deadline = time.monotonic() + 10
    while True:
        try:
            assert read("pods") == ""
            break
        except KubectlFailed:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    with pytest.raises(KubectlFailed, match="cannot list"):
        read("secrets")


def test_objects_and_tokens_outlive_an_api_server_crash(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("create", "serviceaccount", "reader", f"-n={namespace}")
    control_plane.apply(*pod_reader(namespace, "reader"), deployment("web", namespace, replicas=1))
    reader = control_plane.service_account_kubeconfig(namespace, "reader")
    control_plane.stop_apiserver()
    try:
        with pytest.raises(KubectlFailed, match="refused"):
            control_plane.kubectl("get", "pods", f"-n={namespace}")
    finally:
        control_plane.start_apiserver()
    control_plane.kubectl("scale", "deployment/web", f"-n={namespace}", "--replicas=2")
    control_plane.kubectl(
        "wait", "deployment/web", f"-n={namespace}", "--for=jsonpath={.status.replicas}=2", "--timeout=30s"
    )
    assert len(control_plane.kubectl("get", "pods", "-o=name", kubeconfig=reader).splitlines()) == 2


def test_a_frozen_api_server_answers_nothing_until_it_is_thawed(control_plane: ControlPlane) -> None:
    control_plane.freeze_apiserver()
    try:
        with pytest.raises(KubectlFailed, match=r"[Tt]imeout|deadline exceeded"):
            control_plane.kubectl("get", "namespaces", "--request-timeout=1s")
    finally:
        control_plane.thaw_apiserver()
    assert "namespace/default" in control_plane.kubectl("get", "namespaces", "-o=name")


def test_a_server_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    server = ServerProcess("sh", ["/bin/sh", "-c", "echo no such port >&2; exit 3"], tmp_path / "sh.log")
    server.start()
    with pytest.raises(ServerFailed, match=r"(?s)sh is not running.*no such port"):
        server.poll_until(lambda: False, deadline=time.monotonic() + 10)
    server.stop(grace=0)


def test_a_server_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    server = ServerProcess("sleep", ["/bin/sleep", "60"], tmp_path / "log")

    def start() -> None:
        server.start()
        program = Path(f"/proc/{server.pid}/cmdline")
        server.poll_until(lambda: program.read_bytes().startswith(b"/bin/sleep"), deadline=time.monotonic() + 10)

    asking = threading.Thread(target=start)
    asking.start()
    asking.join()
    process = os.pidfd_open(server.pid)
    try:
        ended, _, _ = select.select([process], [], [], 0.2)
        assert ended == []
    finally:
        os.close(process)
        server.stop(grace=0)


def test_no_server_outlives_a_killed_test_run(tmp_path: Path) -> None:
    """The run below starts a server, says its pid and is killed."""
    script = (
        "import sys, time; from pathlib import Path; from support.server_process import ServerProcess\n"
        "server = ServerProcess('sleep', ['/bin/sleep', '60'], Path(sys.argv[1])); server.start()\n"
        "print(server.pid, flush=True); time.sleep(60)"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    with run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        server = os.pidfd_open(pid)
        run.kill()
    try:
        ended, _, _ = select.select([server], [], [], 10)
        assert ended == [server]
    finally:
        os.close(server)


def test_the_scheduler_is_there_on_demand(programs: Path) -> None:
    with ControlPlane(programs, scheduler=True) as plane:
        plane.apply(deployment("web", "default", replicas=1))
        plane.kubectl("wait", "--for=jsonpath={.status.replicas}=1", "deployment/web", "--timeout=20s")
        said = plane.kubectl("wait", "pods", "-l=app=web", "--for=condition=PodScheduled=false", "--timeout=20s")
        assert "condition met" in said

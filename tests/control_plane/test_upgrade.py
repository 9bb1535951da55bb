"""An upgrade from an earlier release, by its chart and its code, to this one: workers and queues don't notice.

On a control plane of its own, since CRDs belong to a whole cluster. Pods stay Pending: the objects are compared.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.control_plane import ControlPlane
from support.earlier_release import RELEASES, HistoryMissing, unpack
from support.helm import CHART, helm
from support.kubectl import KubectlFailed
from support.leave_out import leave_out
from support.operator_process import OperatorProcess
from support.servers import RedisServer

Json = dict[str, Any]
NAMESPACE = "fleets"
NAME = "emails"
NEW_FIELD = "somethingNew"
PATIENCE = 60.0

pytestmark = pytest.mark.timeout(300)


def wait_for(what: str, is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Site:
    """A cluster, and somebody who installs by helm."""

    plane: ControlPlane
    helm: Path

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.plane.kubectl(f"--namespace={NAMESPACE}", *arguments, stdin=stdin)

    def objects(self, kind: str) -> list[Json]:
        found: list[Json] = json.loads(self.kubectl("get", kind, "--selector=headrace.dev/queue", "-o=json"))["items"]
        return found

    def run_helm(self, *arguments: str) -> str:
        return helm(self.helm, *arguments, f"--kubeconfig={self.plane.kubeconfig}", f"--namespace={NAMESPACE}")

    def account(self) -> Path:
        """The kubeconfig of the operator's account, once its rights are in force."""
        kubeconfig = self.plane.service_account_kubeconfig(NAMESPACE, "headrace")

        def may() -> bool:
            try:
                questions = (("list", "workerqueues"), ("watch", "pods"), ("create", "leases"))
                return all(
                    self.plane.kubectl("auth", "can-i", *one, f"-n={NAMESPACE}", kubeconfig=kubeconfig)
                    for one in questions
                )
            except KubectlFailed:
                return False

        wait_for("the operator's rights are in force", may)
        return kubeconfig

    def fleet(self) -> Json:
        """All that an upgrade must leave alone."""
        queue = json.loads(self.kubectl("get", "workerqueue", NAME, "-o=json"))
        deployments = {
            one["metadata"]["name"]: (one["metadata"]["uid"], one["metadata"]["generation"], one["spec"])
            for one in self.objects("deployments")
        }
        hashes = {one["metadata"]["labels"]["pod-template-hash"] for one in self.objects("replicasets")}
        return {
            # Its spec gains the defaults of new fields when it is read, which changes no generation.
            "queue": (queue["metadata"]["uid"], queue["metadata"]["generation"]),
            "deployments": deployments,
            "versions": {one["metadata"]["labels"]["headrace.dev/version"] for one in self.objects("deployments")},
            "template hashes": hashes,
            "pods": {one["metadata"]["uid"] for one in self.objects("pods")},
        }


@pytest.fixture
def site(programs: Path, helm_program: Path) -> Iterator[Site]:
    with ControlPlane(programs) as plane:
        plane.kubectl("create", "namespace", NAMESPACE)
        plane.kubectl("wait", "--for=create", "serviceaccount/default", f"--namespace={NAMESPACE}", "--timeout=30s")
        yield Site(plane, helm_program)


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The tree of an earlier release."""
    try:
        return unpack(request.param, tmp_path / "release")
    except HistoryMissing as exc:
        leave_out(f"{exc}; fetch the whole history to test upgrades")


def next_release(folder: Path) -> Path:
    """The chart as it is here, with one more field in its CRD."""
    chart = folder / "headrace"
    shutil.copytree(CHART, chart)
    path = chart / "files" / "workerqueues.headrace.dev.yaml"
    crd = yaml.safe_load(path.read_text())
    [version] = crd["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"][NEW_FIELD] = {"type": "string", "description": "Comes with a later release."}
    path.write_text(yaml.safe_dump(crd))
    return chart


def manifest(url: str) -> Json:
    return {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "WorkerQueue",
        "metadata": {"name": NAME},
        "spec": {
            "redis": {"url": url},
            "queues": [{"name": NAME}],
            "worker": {"app": "mail.tasks", "env": [{"name": "A", "value": "b"}]},
            "scaling": {"minReplicas": 2, "maxReplicas": 5},
        },
    }


def metrics(operator: OperatorProcess) -> str:
    """What it exposes; nothing where it exposes none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{operator.port}/metrics", timeout=10) as answer:
            text: str = answer.read().decode()
            return text
    except urllib.error.HTTPError as exc:
        exc.close()
        return ""


def looks(operator: OperatorProcess) -> int:
    """How often it has looked at a WorkerQueue with success."""
    found = [line for line in metrics(operator).splitlines() if line.startswith("headrace_operator_reconciles_total")]
    return next((int(float(line.split()[-1])) for line in found if 'result="ok"' in line), 0)


def test_an_upgrade_leaves_queues_and_workers_alone(site: Site, release: Path, tmp_path: Path) -> None:
    site.run_helm("install", "headrace", str(release / "charts" / "headrace"), "--set=workerImage=mail:1")
    account = site.account()
    old_code = ("/usr/bin/env", f"PYTHONPATH={release / 'operator'}{os.pathsep}{release / 'worker'}")
    image = "HEADRACE_WORKER_IMAGE="
    before_it = OperatorProcess(account, NAMESPACE, tmp_path, name="before", prefix=(*old_code, f"{image}mail:1"))
    after_it = OperatorProcess(account, NAMESPACE, tmp_path, name="after", prefix=("/usr/bin/env", f"{image}mail:2"))
    with RedisServer() as redis:
        try:
            site.kubectl("apply", "-f", "-", stdin=json.dumps(manifest(redis.url)))
            before_it.start()
            wait_for("two pods", lambda: len(site.objects("pods")) == 2)
            assert metrics(before_it) == "", "this is to be the code of the earlier release, which had no metrics"
            before_it.stop()
            fleet = site.fleet()
            [spec] = [one[2] for one in fleet["deployments"].values()]
            assert spec["template"]["spec"]["containers"][0]["image"] == "mail:1"

            upgrade = ("upgrade", "headrace", str(next_release(tmp_path)), "--set=workerImage=mail:2")
            site.run_helm(*upgrade, "--set=logLevel=debug")
            crd = site.kubectl("get", "crd", "workerqueues.headrace.dev", "-o=json")
            assert NEW_FIELD in crd
            assert site.fleet() == fleet
            after_it.start()
            wait_for("the new operator has looked at the queue", lambda: looks(after_it) >= 5)
            assert site.fleet() == fleet

            change = json.dumps({"spec": {NEW_FIELD: "used", "scaling": {"minReplicas": 3}}})
            site.kubectl("patch", "workerqueue", NAME, "--type=merge", f"--patch={change}")
            wait_for("a third pod of the same version", lambda: len(site.objects("pods")) == 3)
            grown = site.fleet()
            assert grown["versions"] == fleet["versions"]
            assert grown["template hashes"] == fleet["template hashes"]
            assert grown["pods"] > fleet["pods"]
        finally:
            before_it.kill()
            after_it.kill()


def test_an_uninstall_leaves_queues_and_workers(site: Site) -> None:
    site.run_helm("install", "headrace", str(CHART))
    site.kubectl("apply", "-f", "-", stdin=json.dumps(manifest("redis://none.invalid")))
    uid = json.loads(site.kubectl("get", "workerqueue", NAME, "-o=json"))["metadata"]["uid"]
    site.run_helm("uninstall", "headrace", "--wait", "--timeout=60s")
    assert json.loads(site.kubectl("get", "workerqueue", NAME, "-o=json"))["metadata"]["uid"] == uid
    assert "headrace" not in site.kubectl("get", "deployments,roles,services", "-o=name")
    site.run_helm("install", "headrace", str(CHART))
    assert json.loads(site.kubectl("get", "workerqueue", NAME, "-o=json"))["metadata"]["uid"] == uid


def test_an_upgrade_keeps_the_password_of_the_bundled_valkey(site: Site) -> None:
    def secret() -> Json:
        found: Json = json.loads(site.kubectl("get", "secret", "headrace-valkey", "-o=json"))["data"]
        return found

    site.run_helm("install", "headrace", str(CHART), "--set=valkey.enabled=true")
    first = secret()
    site.run_helm("upgrade", "headrace", str(CHART), "--set=valkey.enabled=true,valkey.maxMemory=512mb")
    assert secret() == first

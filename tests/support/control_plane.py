"""A real Kubernetes control plane on loopback: etcd, API server, controllers, and on demand the scheduler.

Owns their processes, files and credentials. There is no kubelet: pods stay Pending unless a fake_kubelet runs
them. Nodes are never found unhealthy, because nothing would renew a fake node's lease.
"""

from __future__ import annotations

import json
import secrets
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from support import control_plane_arguments as arguments
from support.kubectl import run_kubectl
from support.ports import free_ports
from support.server_process import ServerProcess

START_SECONDS = 40.0


class ControlPlane:
    """`with ControlPlane(programs) as plane:` gives it ready; leaving ends processes and removes files.

    `programs` is the folder of the binaries (see kubernetes_programs). Raises ServerFailed when one doesn't
    start.
    """

    def __init__(self, programs: Path, *, scheduler: bool = False) -> None:
        self._programs = programs
        self._home = tempfile.TemporaryDirectory(prefix="headrace-kube-")
        self.folder = Path(self._home.name)
        """Logs, certificates, kubeconfigs and etcd's data."""
        self.token = secrets.token_hex(16)
        """A bearer token of a member of system:masters."""
        etcd_client, etcd_peer, port, controllers_port, scheduler_port = free_ports(5)
        self.url = f"https://127.0.0.1:{port}"
        self.certificate = self.folder / "pki" / "apiserver.crt"
        """The authority that signed the API server's certificate."""
        self.kubeconfig = self._write_kubeconfig("admin", self.token)
        self._etcd = self._server("etcd", arguments.etcd(self.folder, etcd_client, etcd_peer))
        self._apiserver = self._server("kube-apiserver", arguments.apiserver(self.folder, etcd_client, port))
        self._controllers = self._server(
            "kube-controller-manager",
            arguments.controllers(self.folder, self.kubeconfig, self.certificate, controllers_port),
        )
        self._schedulers = [
            self._server("kube-scheduler", arguments.scheduler(self.kubeconfig, scheduler_port))
            for _ in range(int(scheduler))
        ]

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def start_apiserver(self) -> None:
        """Start the API server, on the port and data it had, and wait until it is ready."""
        self._apiserver.start()
        self._wait_for(self._apiserver, "/readyz")

    def stop_apiserver(self, *, grace: float = 0) -> None:
        """End the API server: connections are refused. A crash, or SIGTERM and up to `grace` seconds."""
        self._apiserver.stop(grace=grace)

    def freeze_apiserver(self) -> None:
        """Connections stay open and are accepted, and nothing answers."""
        self._apiserver.freeze()

    def thaw_apiserver(self) -> None:
        """Go on after freeze_apiserver, and wait until it is ready."""
        self._apiserver.thaw()
        self._wait_for(self._apiserver, "/readyz")

    def kubectl(self, *arguments: str, stdin: str | None = None, kubeconfig: Path | None = None) -> str:
        """What `kubectl arguments…` prints, as admin or as `kubeconfig` says; raises KubectlFailed."""
        return run_kubectl(self._programs / "kubectl", kubeconfig or self.kubeconfig, *arguments, stdin=stdin)

    def apply(self, *manifests: object) -> None:
        """Create or change the objects `manifests`, each in its JSON form."""
        self.kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(manifest) for manifest in manifests))

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig that speaks as this existing ServiceAccount, for an hour."""
        token = self.kubectl("create", "token", name, f"--namespace={namespace}", "--duration=1h").strip()
        return self._write_kubeconfig(f"{namespace}.{name}", token, namespace=namespace)

    def _start(self) -> None:
        (self.folder / "tokens.csv").write_text(f'{self.token},admin,admin,"system:masters"\n')
        self._etcd.start()
        self.start_apiserver()
        for client in (self._controllers, *self._schedulers):
            client.start()
        # The first thing that the controllers do for a namespace, and without it no pod is admitted.
        self._wait_for(self._controllers, "/api/v1/namespaces/default/serviceaccounts/default")

    def _stop(self) -> None:
        for server in (*self._schedulers, self._controllers, self._apiserver, self._etcd):
            server.stop(grace=0)
        self._home.cleanup()

    def _server(self, name: str, options: list[str]) -> ServerProcess:
        return ServerProcess(name, [self._programs / name, *options], self.folder / f"{name}.log")

    def _wait_for(self, server: ServerProcess, path: str) -> None:
        """Wait until `server` has done what makes the API server answer `path`."""
        server.poll_until(lambda: self._answers(path), deadline=time.monotonic() + START_SECONDS)

    def _answers(self, path: str) -> bool:
        if not self.certificate.exists():
            return False
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.token}"})
        try:
            context = ssl.create_default_context(cafile=self.certificate)
            with urllib.request.urlopen(request, timeout=2, context=context):
                return True
        except (urllib.error.HTTPError, OSError) as exc:
            if isinstance(exc, urllib.error.HTTPError):
                exc.close()
            return False

    def _write_kubeconfig(self, user: str, token: str, *, namespace: str = "default") -> Path:
        cluster = {"server": self.url, "certificate-authority": str(self.certificate)}
        context = {"cluster": "test", "user": user, "namespace": namespace}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "test", "context": context}],
            "current-context": "test",
        }
        path = self.folder / f"{user}.kubeconfig"
        path.write_text(json.dumps(config))
        return path

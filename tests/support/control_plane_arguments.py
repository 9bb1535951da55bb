"""The options with which each of a test's Kubernetes programs runs, everything on loopback."""

from __future__ import annotations

from pathlib import Path


def etcd(folder: Path, client: int, peer: int) -> list[str]:
    """One member, its data in `folder`, nothing synced to disk: it only has to outlive its processes."""
    client_url, peer_url = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    return [
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client_url}",
        f"--advertise-client-urls={client_url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver(folder: Path, etcd: int, port: int) -> list[str]:
    """Tokens for the admin, RBAC for everybody; its own serving key signs service account tokens too."""
    pki = folder / "pki"
    key = pki / "apiserver.key"
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={pki}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--authorization-mode=Node,RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",
        "--allow-privileged=true",
    ]


def controllers(folder: Path, kubeconfig: Path, certificate: Path, port: int) -> list[str]:
    """All controllers but the one that judges nodes, quick enough for hundreds of pods."""
    return [
        f"--kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'controller-pki'}",
        f"--service-account-private-key-file={certificate.with_suffix('.key')}",
        f"--root-ca-file={certificate}",
        "--use-service-account-credentials=true",
        "--controllers=*,-node-lifecycle-controller,-node-ipam-controller",
        "--leader-elect=false",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]


def scheduler(kubeconfig: Path, port: int) -> list[str]:
    """The default profile."""
    return [
        f"--kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--leader-elect=false",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]

"""What several suites share: servers, ledgers, proxies, a control plane. No tests live here."""

"""A Redis address, parsed and checked once."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from headrace.errors import ConfigError

_SCHEMES = {"redis": False, "rediss": True, "valkey": False, "valkeys": True}
DEFAULT_PORT = 6379


@dataclass(frozen=True)
class Target:
    """Where a Redis or Valkey server listens and how to log in. `repr` never shows the password."""

    host: str = "localhost"
    port: int = DEFAULT_PORT
    db: int = 0
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: str | None = None
    """Certificate authority to trust instead of the system's, a PEM file …"""
    ca_data: str | None = None
    """… or its text."""
    verify: bool = True
    """False accepts any certificate: for tests only."""
    unix_path: str | None = None

    def __repr__(self) -> str:
        return f"Target({self.redacted})"

    def tls_context(self) -> ssl.SSLContext | None:
        """How to speak TLS, or None without it. Raises ConfigError when the CA can't be read."""
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file, cadata=self.ca_data)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"the CA certificate for {self.redacted} can't be used: {error}") from None
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def redacted(self) -> str:
        """The address without its password, for logs and status."""
        login = f"{self.username or ''}:***@" if self.password else ""
        if self.unix_path:
            return f"unix://{login}{self.unix_path}?db={self.db}"
        return f"{'rediss' if self.tls else 'redis'}://{login}{self.host}:{self.port}/{self.db}"


def parse_target(url: str, source: str = "REDIS_URL") -> Target:
    """Parse `redis[s]://[user:password@]host[:port][/db]` or `unix:///path?db=n`.

    rediss takes `?ca_file=PATH` and, for tests, `?verify=no`.

    Raises ConfigError with one line that names `source` and never the password.
    """
    try:
        return _parse(url)
    except ValueError as error:
        raise ConfigError(
            f"{source}: {error}; expected redis://host[:port][/db] (or user:password@host), rediss://… for TLS, or unix:///path"
        ) from None


def _parse(url: str) -> Target:
    parts = _split(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if unknown := set(query) - {"db", "ca_file", "verify"}:
        raise ValueError(f"unknown parameter{_quoted(sorted(unknown)[0])}")
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    if parts.scheme == "unix":
        if not parts.path:
            raise ValueError("the socket's path is missing")
        db = _number(query.get("db", "0"), "database")
        return Target(db=db, username=username, password=password, unix_path=parts.path)
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"unknown scheme {parts.scheme!r}" if "://" in url else "not a URL")
    if not parts.hostname:
        raise ValueError("the host is missing")
    try:
        port = parts.port or DEFAULT_PORT
    except ValueError:
        raise ValueError("the port must be a number from 1 to 65535") from None
    return Target(
        host=parts.hostname,
        port=port,
        db=_number(parts.path.strip("/") or query.get("db", "0"), "database"),
        username=username,
        password=password,
        tls=_SCHEMES[parts.scheme],
        ca_file=query.get("ca_file"),
        verify=_yes_or_no(query.get("verify", "yes"), "verify"),
    )


def _yes_or_no(text: str, what: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(f"{what} must be yes or no, not {text!r}")
    return text == "yes"


def _number(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"the {what} must be a number{_quoted(text, ', not')}")
    return int(text)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:  # some of its messages quote the login
        raise ValueError("not a URL" if "netloc" in str(error) else str(error)) from None


def _quoted(text: str, lead: str = "") -> str:
    """What may be a password with a slash or question mark in it is not quoted."""
    return "" if "@" in text else f"{lead} {text!r}"

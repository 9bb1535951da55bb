"""Where Redis is: one server, a primary that Sentinels know, or a Cluster; and how to log in; parsed and checked
once. Nothing of a wrong address that may be a password is ever quoted. Opens no connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from headrace.errors import ConfigError

if TYPE_CHECKING:
    import ssl

DEFAULT_PORT = 6379
DEFAULT_SENTINEL_PORT = 26379

_SCHEMES: Final = {"redis": False, "rediss": True, "valkey": False, "valkeys": True}
_PLAIN_PARAMETERS: Final = {"db", "ca_file", "verify", "cluster"}
_SENTINEL_PARAMETERS: Final = {"db", "ca_file", "verify", "sentinel_username", "sentinel_password"}
_CLUSTER_PARAMETERS: Final = {"ca_file", "verify", "cluster"}
_UNIX_PARAMETERS: Final = {"db"}
_MOST_HOSTS: Final = 64

Address = tuple[str, int]
"""Host, and port."""


@dataclass(frozen=True)
class Sentinels:
    """Who says where the primary is. They are asked in this order, over TLS if the primary speaks it."""

    addresses: tuple[Address, ...]
    master: str
    """The name they know the primary by."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    """Their own login; the primary's is the target's."""


@dataclass(frozen=True)
class Seeds:
    """Nodes of a Cluster that are asked which node serves which slots."""

    addresses: tuple[Address, ...]


@dataclass(frozen=True)
class Target:
    """Where a Redis or Valkey server listens and how to log in. `repr` never shows the password."""

    host: str = "localhost"
    """Of the one server; else of the first Sentinel or node."""
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
    found_by: Sentinels | Seeds | None = None
    """None: `host` and `port` are the server itself."""

    def __repr__(self) -> str:
        return f"Target({self.redacted})"

    def tls_context(self) -> ssl.SSLContext | None:
        """How to speak TLS, or None without it. Raises ConfigError when the CA can't be read or the host is no name."""
        if not self.tls:
            return None
        import ssl

        try:
            context = ssl.create_default_context(cafile=self.ca_file, cadata=self.ca_data)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"the CA certificate for {self.redacted} can't be used: {error}") from None
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        try:  # later it would cost a connection that nobody closes
            context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=self.host)
        except ValueError as error:
            raise ConfigError(f"TLS can't ask {self.redacted} for its name: {error}") from None
        return context

    @property
    def redacted(self) -> str:
        """The address without its password, for logs and status."""
        login = f"{self.username or ''}:***@" if self.password else ""
        if self.unix_path:
            return f"unix://{login}{self.unix_path}?db={self.db}"
        scheme = "rediss" if self.tls else "redis"
        match self.found_by:
            case Sentinels(addresses, master):
                return f"{scheme}+sentinel://{login}{_joined(addresses)}/{master}/{self.db}"
            case Seeds(addresses):
                return f"{scheme}+cluster://{login}{_joined(addresses)}"
            case None:
                return f"{scheme}://{login}{self.host}:{self.port}/{self.db}"

    @property
    def host_to_resolve(self) -> str | bytes:
        """As a name service is best asked: the codec for others than ASCII takes time, and has errors of its own."""
        return self.host.encode() if self.host.isascii() else self.host

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host that is named in it; none for a unix socket."""
        if self.unix_path:
            return ()
        return tuple(host for host, _ in self.found_by.addresses) if self.found_by else (self.host,)

    def at(self, address: Address) -> Target:
        """One server of it, with the same login."""
        return replace(self, host=address[0], port=address[1], found_by=None)


def sentinel_targets(target: Target, sentinels: Sentinels) -> list[Target]:
    """Each Sentinel as a server to connect to."""
    login = replace(target, db=0, username=sentinels.username, password=sentinels.password)
    return [login.at(address) for address in sentinels.addresses]


def _joined(addresses: tuple[Address, ...]) -> str:
    return ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in addresses)


def parse_target(url: str, source: str = "REDIS_URL") -> Target:
    """Parse one of

    - `redis[s]://[user:password@]host[:port][/db]` or `unix:///path?db=n`: one server;
    - `redis[s]+sentinel://[user:password@]host[:port],host[:port]/master-name[/db]`: a master that Sentinels know;
      the login is the master's, `?sentinel_username=` and `?sentinel_password=` are theirs;
    - `redis[s]+cluster://[user:password@]host[:port],host[:port]`, or `redis://…?cluster=true`: a Cluster.

    rediss takes `?ca_file=PATH` and, for tests, `?verify=no`.

    Raises ConfigError with one line that names `source` and never the password.
    """
    try:
        return _parse(url)
    except ValueError as error:
        raise ConfigError(
            f"{source}: {error}; expected redis://host[:port][/db] (or user:password@host), rediss://… for TLS, "
            "redis+sentinel://host,host/master-name, redis+cluster://host,host, or unix:///path"
        ) from None


def _parse(url: str) -> Target:
    parts = _split(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    if parts.scheme == "unix":
        _check_parameters(query, _UNIX_PARAMETERS)
        if not parts.path:
            raise ValueError("the socket's path is missing")
        return Target(db=_database(query.get("db", "0")), username=username, password=password, unix_path=parts.path)
    scheme, _, kind = parts.scheme.partition("+")
    if scheme not in _SCHEMES or kind not in ("", "sentinel", "cluster"):
        raise ValueError(f"unknown scheme {parts.scheme!r}" if "://" in url else "not a URL")
    if kind == "" and _yes_or_no(query.get("cluster", "no"), "cluster"):
        kind = "cluster"
    _check_parameters(
        query, {"sentinel": _SENTINEL_PARAMETERS, "cluster": _CLUSTER_PARAMETERS, "": _PLAIN_PARAMETERS}[kind]
    )
    addresses = _addresses(parts, DEFAULT_SENTINEL_PORT if kind == "sentinel" else DEFAULT_PORT)
    db, found_by = _place(kind, parts.path.strip("/"), query, addresses)
    return Target(
        host=addresses[0][0],
        port=addresses[0][1],
        db=db,
        username=username,
        password=password,
        tls=_SCHEMES[scheme],
        ca_file=query.get("ca_file"),
        verify=_yes_or_no(query.get("verify", "yes"), "verify"),
        found_by=found_by,
    )


def _place(
    kind: str, path: str, query: dict[str, str], addresses: tuple[Address, ...]
) -> tuple[int, Sentinels | Seeds | None]:
    """The database, and who knows where it is."""
    if kind == "sentinel":
        master, _, db = path.partition("/")
        if not master:
            raise ValueError("the master's name is missing: redis+sentinel://host,host/master-name")
        if "@" in master:
            raise ValueError("the master's name has an @ in it; a password's / must be written as %2F")
        login = query.get("sentinel_username"), query.get("sentinel_password")
        return _database(db or query.get("db", "0")), Sentinels(addresses, unquote(master), *login)
    if kind == "cluster":
        if path and _database(path):
            raise ValueError("a Cluster has database 0 only")
        return 0, Seeds(addresses)
    if len(addresses) > 1:
        raise ValueError("several hosts need redis+sentinel:// or redis+cluster://")
    return _database(path or query.get("db", "0")), None


def _addresses(parts: SplitResult, default_port: int) -> tuple[Address, ...]:
    hosts = parts.netloc.rpartition("@")[2]
    found = tuple(_address(parts, one, default_port) for one in hosts.split(","))
    if len(found) > _MOST_HOSTS:
        raise ValueError(f"more than {_MOST_HOSTS} hosts")
    return found


def _address(parts: SplitResult, text: str, default_port: int) -> Address:
    one = parts._replace(netloc=text)
    if not one.hostname:
        raise ValueError("the host is missing")
    try:
        return one.hostname, one.port or default_port
    except ValueError:
        raise ValueError("the port must be a number from 1 to 65535") from None


def _check_parameters(query: dict[str, str], known: set[str]) -> None:
    if unknown := set(query) - known:
        raise ValueError(f"unknown parameter{_quoted(sorted(unknown)[0])}")


def _yes_or_no(text: str, what: str) -> bool:
    if text not in ("yes", "no", "true", "false"):
        raise ValueError(f"{what} must be yes or no, not {text!r}")
    return text in ("yes", "true")


def _database(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"the database must be a number{_quoted(text, ', not')}")
    return int(text)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:  # some of its messages quote the login
        raise ValueError("not a URL" if "netloc" in str(error) else str(error)) from None


def _quoted(text: str, lead: str = "") -> str:
    """What may be a password with a slash or question mark in it is not quoted."""
    return "" if "@" in text else f"{lead} {text!r}"

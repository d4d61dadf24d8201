"""The connection to Valkey or Redis: one place for its addresses, time-outs and retries."""

from typing import Any
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

# For each process: more would only wait for the same server.
CONNECTIONS_MAX = 32  # in use at once; the pool has room for those that are being closed

_PORT = 6379
_SENTINEL_PORT = 26379

type Client = Redis | RedisCluster


class InvalidAddress(ValueError):
    """A URL that names no Valkey. The message says what is expected; it never repeats the URL."""


def connect(url: str) -> Client:
    """A client; nothing is sent before the first command.

    ``redis://``, ``rediss://`` and ``unix://`` name one server; ``redis+sentinel://HOST:PORT,HOST:PORT/NAME``
    the primary that Sentinels watch under NAME; ``redis+cluster://HOST:PORT,HOST:PORT`` a cluster. With
    ``rediss+`` the servers are reached by TLS; ``USER:PASSWORD@`` before the hosts is the servers' own.

    One retry at once covers a pooled connection that the server has closed meanwhile; only idempotent
    commands are sent through it. The caller bounds each wait: a bound here too would cost as much again.
    Raises ``InvalidAddress``.
    """
    scheme, _, kind = urlsplit(url).scheme.partition("+")
    if not kind:
        client: Redis = Redis.from_url(url, **_options())
        return client
    if scheme not in ("redis", "rediss") or kind not in ("sentinel", "cluster"):
        raise InvalidAddress("expected redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://")
    credentials, hosts, name = _parts(url, _SENTINEL_PORT if kind == "sentinel" else _PORT)
    options = _options() | credentials | {"ssl": scheme == "rediss"}
    if kind == "cluster":
        return RedisCluster(startup_nodes=[ClusterNode(*host) for host in hosts], **options)
    if not name:
        raise InvalidAddress("redis+sentinel:// needs the primary's name as its path")
    sentinel: Any = Sentinel
    primary: Redis = sentinel(hosts, sentinel_kwargs={"socket_timeout": 0.5}).master_for(name, **options)
    return primary


def _options() -> dict[str, Any]:
    return {
        "decode_responses": False,
        "protocol": 2,
        "socket_timeout": None,
        "socket_connect_timeout": 1.0,
        "retry": Retry(NoBackoff(), 1),
        "max_connections": 2 * CONNECTIONS_MAX,
    }


def _parts(url: str, port: int) -> tuple[dict[str, str], list[tuple[str, int]], str]:
    """User and password, hosts with ports, and the path; ``urlsplit`` knows no list of hosts."""
    split = urlsplit(url)
    userinfo, _, places = split.netloc.rpartition("@")
    user, _, password = userinfo.partition(":")
    credentials = {
        key: unquote(value) for key, value in (("username", user), ("password", password)) if value
    }
    hosts = []
    for place in places.split(","):
        one = urlsplit(f"//{place}")
        try:
            hosts.append((one.hostname or "", one.port or port))
        except ValueError as error:
            raise InvalidAddress("a port is not a number") from error
    if not all(host for host, _ in hosts):
        raise InvalidAddress("a host is missing")
    return credentials, hosts, unquote(split.path.strip("/"))

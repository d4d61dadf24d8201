"""The connection to Valkey or Redis: one place for its time-outs and retries."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

# For each process: more would only wait for the same server.
CONNECTIONS_MAX = 32  # in use at once; the pool has room for those that are being closed


def connect(url: str) -> Redis:
    """A client for ``redis://``, ``rediss://`` or ``unix://``; nothing is sent before the first command.

    One retry at once covers a pooled connection that the server has closed meanwhile; only idempotent
    commands are sent through it. The caller bounds each wait: a bound here too would cost as much again.
    """
    client: Redis = Redis.from_url(
        url,
        decode_responses=False,
        protocol=2,
        socket_timeout=None,
        socket_connect_timeout=1.0,
        retry=Retry(NoBackoff(), 1),
        max_connections=2 * CONNECTIONS_MAX,
    )
    return client

"""Client connections before they carry a call: how many there may be, and what is made of rubbish."""

from loguru import logger
from mitmproxy import connection, tls

from addons import client_hello
from addons.configuration import Bounds
from addons.connections import Connections
from addons.deadlines import Deadlines
from addons.snapshots import Snapshots
from addons.turned_away import TurnedAway
from addons.watching import watch
from policy.refusals import Reason, Refusal

_MESSAGES = {
    "valid-framing": "What came is not a valid HTTP request.",
    "head-size": "The head of a request was too long.",
    "head-in-time": "The head of a request did not come to its end in time.",
    "sent-ahead": "Too much was sent before an answer had come.",
    "valid-http2": "What came is not valid HTTP/2.",
    "http2-flood": "Frames came that cost nothing to send, without measure.",
    "client-hello": "What came in place of a TLS ClientHello is none.",
}


class Entrance:
    """Admits connections, and is the ``Watcher`` of each."""

    def __init__(
        self,
        bounds: Bounds,
        connections: Connections,
        deadlines: Deadlines,
        snapshots: Snapshots,
        turned_away: TurnedAway,
    ) -> None:
        self._bounds = bounds
        self._connections = connections
        self._deadlines = deadlines
        self._snapshots = snapshots
        self._turned_away = turned_away
        deadlines.head_late = lambda client: self.unreadable(client, "head-in-time")

    @property
    def head_bytes_max(self) -> int:
        """How long a request head may be."""
        return self._bounds.head_bytes_max

    @property
    def header_count_max(self) -> int:
        """How many header lines it may have."""
        return self._bounds.header_count_max

    def connected(self, client: connection.Client) -> None:
        """Bound how many connections there are, in all and from one address."""
        self._connections.begin(client)
        watch(client, self)
        over = len(self._connections) > self._bounds.connections_max
        over = over or self._connections.count(client.peername[0]) > self._bounds.connections_per_address_max
        if over:
            client.error = "too many connections"
            message = "Too many connections are open."
            self._note(client, Refusal(Reason.CONCURRENCY_LIMITED, message, "connections-max"))
        else:
            self._deadlines.await_head(client)

    def head_begun(self, client: connection.Client) -> None:
        """From now on its end is awaited, also of a later head on a connection that is kept."""
        self._deadlines.head_begun(client)

    def unreadable(self, client: connection.Client, rule: str) -> None:
        """Write down that nothing could be made of what came."""
        self._note(client, Refusal(Reason.REQUEST_MALFORMED, _MESSAGES[rule], rule))

    def tls_failed(self, data: tls.TlsData) -> None:
        """Of failed handshakes only those are rubbish that did not begin as TLS."""
        if (data.conn.error or "").startswith(client_hello.UNREADABLE) and isinstance(
            data.conn, connection.Client
        ):
            self.unreadable(data.conn, "client-hello")

    def _note(self, client: connection.Client, refusal: Refusal) -> None:
        try:
            facts = self._connections.of(client)
            self._turned_away.note(client, facts, self._snapshots.current, refusal)
        except Exception:
            logger.opt(exception=True).error("a refused connection was not recorded")

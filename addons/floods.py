"""HTTP/2 connections end when their client sends frames without measure that cost it nothing.

HTTP/2 leaves resets, pings, settings and empty frames unlimited; CVE-2023-44487 (rapid reset) and the
CVE-2019-95xx series are why every server counts them.
"""

import time
from collections import OrderedDict
from typing import Any

import h2.events
from h2.settings import SettingCodes
from mitmproxy.proxy.layers import http as layers

from addons.rate import Rate
from addons.watching import Commands, watcher_of

# A browser that leaves a page resets some tens of streams.
CONTROL_FRAMES_MAX = 200
WINDOW_S = 10.0
# Of all connections of one source address: who is cut off must not begin anew at once.
RESETS_PER_ADDRESS_MAX = 1000
ADDRESSES_MAX = 10_000
_ENHANCE_YOUR_CALM = 11
# RFC 9113 section 6.5.2: what a field counts beyond its own bytes.
_FIELD_OVERHEAD = 32

_COUNTED = (
    h2.events.StreamReset,
    h2.events.PingReceived,
    h2.events.RemoteSettingsChanged,
    h2.events.PriorityUpdated,
    h2.events.UnknownFrameReceived,
)


class _RatePerAddress:
    """A rate for each source address; the least recently seen is forgotten first."""

    def __init__(self) -> None:
        self._rates: OrderedDict[str, Rate] = OrderedDict()

    def is_over(self, address: str, now: float) -> bool:
        rate = self._rates.setdefault(address, Rate(RESETS_PER_ADDRESS_MAX, WINDOW_S))
        self._rates.move_to_end(address)
        if len(self._rates) > ADDRESSES_MAX:
            self._rates.popitem(last=False)
        return rate.is_over(now)


# Of this process: a connection lives no longer than its layers, an attacker does.
_resets = _RatePerAddress()


class BoundedHttp2Server(layers.Http2Server):
    """A client's HTTP/2 connection with bounds on heads and on frames that cost their sender nothing."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._frames = Rate(CONTROL_FRAMES_MAX, WINDOW_S)
        watcher = watcher_of(context.client)
        # Checked as it is decoded: a few bytes may stand for much (CVE-2016-6581).
        head_max = watcher.head_bytes_max + _FIELD_OVERHEAD * watcher.header_count_max
        self.h2_conn.local_settings[SettingCodes.MAX_HEADER_LIST_SIZE] = head_max
        self.h2_conn.local_settings.acknowledge()
        self.h2_conn.decoder.max_header_list_size = head_max
        self._flooded = False

    def handle_h2_event(self, event: h2.events.Event) -> Commands:
        """Count what is free to send; over the bound the connection is closed with GOAWAY."""
        empty = isinstance(event, h2.events.DataReceived) and not event.data and event.stream_ended is None
        if (empty or isinstance(event, _COUNTED)) and self._is_flood(event):
            self._flooded = True
            yield from self.protocol_error("too many control frames", error_code=_ENHANCE_YOUR_CALM)
            return True
        return (yield from super().handle_h2_event(event))

    def _is_flood(self, event: h2.events.Event) -> bool:
        now = time.monotonic()
        over = self._frames.is_over(now)
        if isinstance(event, h2.events.StreamReset):
            over = _resets.is_over(self.context.client.peername[0], now) or over
        return over

    def protocol_error(self, message: str, error_code: int = 1) -> Commands:
        """Tell of it, then say GOAWAY and close."""
        watcher_of(self.context.client).unreadable(
            self.context.client, "http2-flood" if self._flooded else "valid-http2"
        )
        yield from super().protocol_error(message, error_code)

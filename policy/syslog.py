"""Alerts as syslog messages (RFC 5424), and how a stream tells them apart (RFC 6587 section 3.4.1)."""

import json
import re
from datetime import datetime

from policy.alert import Alert, document
from policy.event import timestamp
from policy.incident import Severity

# RFC 5424 section 6.2.1: alert, warning, notice.
_SEVERITIES = {Severity.ALARM: 1, Severity.WARNING: 4, Severity.NOTICE: 5}
# rsyslog cuts longer messages unless told otherwise; a cut JSON document is none.
BODY_BYTES_MAX = 7680
_NOT_PRINTED = re.compile(r"[^!-~]")


def message(alert: Alert, *, facility: int, host: str) -> bytes:
    """One message, without end of line; what it says is a JSON document in ASCII.

    Where that would be too long for common receivers, the detail is left out of it.
    """
    priority = 8 * facility + _SEVERITIES[alert.severity]
    at = timestamp(datetime.fromisoformat(str(alert.event["at"])))
    head = (f"<{priority}>1", at, _word(host, 255), "conduit", "-", _word(alert.action, 32), "-")
    shown = document(alert)
    body = json.dumps(shown)
    if len(body) > BODY_BYTES_MAX:
        body = json.dumps(shown | {"data": shown["data"] | {"detail": {}}})
    return " ".join((*head, body)).encode("ascii")


def counted(packet: bytes) -> bytes:
    """A message for a stream: its length in octets, a blank, itself."""
    return b"%d %b" % (len(packet), packet)


def _word(text: str, length: int) -> str:
    return _NOT_PRINTED.sub("", text)[:length] or "-"

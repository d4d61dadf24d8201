"""Events as other systems read them: a CSV line, CEF; OCSF is ``policy.event_ocsf``. Pure.

docs/record-format.md has the mappings. None of these can be verified: that needs the canonical text, which
only the JSON lines keep.
"""

import json
from datetime import datetime
from enum import StrEnum

from policy.event import SCHEMA, Event
from policy.spreadsheet import line

VENDOR = "APIConduit"
PRODUCT = "conduit"

CSV_COLUMNS = (
    *("sequence", "at", "kind", "id", "tenant", "user", "team", "cost_centre", "placeholder_id"),
    *("credential_id", "identity_sources", "mode", "source_address", "provider", "host", "port", "method"),
    *("path", "operation", "model", "endpoint_state", "decision", "reason", "rule", "status", "outcome"),
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"),
    *("cost_micro_dollars", "estimated", "bytes_up", "bytes_down", "total_us", "findings"),
    *("action", "actor", "via", "target", "detail", "ja4"),
)


class Format(StrEnum):
    """``jsonl`` is the one that ends in a signed checkpoint."""

    JSONL = "jsonl"
    CSV = "csv"
    CEF = "cef"
    OCSF = "ocsf"


def csv_line(event: Event) -> str:
    """One line of CSV, safe to open in a spreadsheet; lists and objects as JSON."""
    return line(_cell(event.get(name)) for name in CSV_COLUMNS)


def _cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


# CEF

_CEF_FIELDS: tuple[tuple[str, str], ...] = (
    ("externalId", "id"),
    ("suid", "user_id"),
    ("suser", "user"),
    ("dhost", "host"),
    ("dpt", "port"),
    ("request", "path"),
    ("requestMethod", "method"),
    ("act", "decision"),
    ("reason", "reason"),
    ("outcome", "outcome"),
    ("out", "bytes_up"),
    ("in", "bytes_down"),
    ("msg", "message"),
)
_CEF_LABELLED: tuple[tuple[str, str, str], ...] = (
    ("cs1", "tenant", "tenant_id"),
    ("cs2", "model", "model"),
    ("cs3", "placeholder", "placeholder_id"),
    ("cs4", "credential", "credential_id"),
    ("cs5", "provider", "provider"),
    ("cs6", "rule", "rule"),
    ("cn1", "inputTokens", "input_tokens"),
    ("cn2", "outputTokens", "output_tokens"),
    ("cn3", "costMicroDollars", "cost_micro_dollars"),
)


def cef_line(event: Event) -> str:
    """One line of ArcSight's Common Event Format, version 0, as it travels in a syslog message."""
    name = event.get("action") or event.get("reason") or event.get("outcome") or event["kind"]
    header = ("CEF:0", VENDOR, PRODUCT, SCHEMA, event["kind"], name, weight(event))
    fields: dict[str, object] = {"rt": milliseconds(event)}
    address = event.get("source_address")
    if isinstance(address, str):
        fields |= {"c6a2": address, "c6a2Label": "sourceAddress"} if ":" in address else {"src": address}
    fields |= {key: event[name] for key, name in _CEF_FIELDS if name in event}
    for key, label, name in _CEF_LABELLED:
        if name in event:
            fields |= {key: event[name], f"{key}Label": label}
    if "actor" in event:
        fields |= {"suser": event["actor"], "duser": event.get("target", "")}
    extension = " ".join(f"{key}={_cef_value(value)}" for key, value in fields.items())
    return "|".join((header[0], *(_cef_header(part) for part in header[1:]), extension)) + "\n"


def _cef_header(value: object) -> str:
    return " ".join(str(value).splitlines()).replace("\\", "\\\\").replace("|", "\\|")


def _cef_value(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("=", "\\=")
    return text.replace("\r", "\\r").replace("\n", "\\n").translate(_LINE_ENDS)


# Other line ends, and what terminals act on, would split or hide a line of a log.
_LINE_ENDS = dict.fromkeys((*range(0x20), 0x7F, 0x85, 0x2028, 0x2029), " ")


def weight(event: Event) -> int:
    """0 to 10: what was let through 2, acts 3, refusals 5, lost and cut calls 6, incidents 8."""
    if event["kind"] == "incident":
        return 8
    if event.get("outcome") in ("cut", "lost", "failed"):
        return 6
    if event.get("decision") == "deny" or event.get("reason"):
        return 5
    return 3 if event["kind"] == "act" else 2


def milliseconds(event: Event) -> int:
    """When it was, in milliseconds since 1970."""
    moment = datetime.fromisoformat(str(event["at"]))
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000

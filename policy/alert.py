"""Alerts: incidents of the record as they are told to people and their systems.

An alert's texts are bounded and of printable characters alone, because they end up in mail subjects, in log
lines and on terminals, and parts of an incident come from the wire.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policy.event import PLATFORM_TENANT, Event
from policy.incident import Severity

TEXT_CHARACTERS_MAX = 300
DETAILS_MAX = 20
_CALLER = ("user", "user_id", "team", "placeholder_id", "credential_id")


@dataclass(frozen=True, slots=True)
class Alert:
    """One message about an incident, for one destination.

    ``id`` is the same at every attempt, so that a receiver can tell a repetition. ``repeats`` is how many
    more incidents of the same kind have come since the last message about it, up to ``last_at`` (RFC 3339).
    ``follows`` is true where the incident itself has been told before.
    """

    id: str
    event: Event
    tenant: str
    repeats: int = 0
    follows: bool = False
    last_at: str = ""

    @property
    def severity(self) -> Severity:
        return severity_of(self.event)

    @property
    def action(self) -> str:
        """What befell what, such as ``isolation.breach``."""
        return printable(str(self.event.get("action", "incident")))


def severity_of(event: Event) -> Severity:
    """How soon somebody should look; today, where an older record does not say it."""
    try:
        return Severity(event.get("severity", ""))
    except ValueError:
        return Severity.WARNING


def reaches(severity: Severity, least: Severity) -> bool:
    """Whether an incident is grave enough for a destination that wants ``least`` and above."""
    order = list(Severity)
    return order.index(severity) >= order.index(least)


def fingerprint(event: Event, *, folded: bool) -> bytes:
    """What makes incidents the same: action, tenant, caller and every text of the detail; numbers may differ.

    ``folded`` leaves action and tenant alone, for times when more comes than anybody can read. 32 bytes.
    """
    parts: list[object] = [folded, event.get("action"), event.get("tenant_id")]
    if not folded:
        detail = _detail(event)
        parts += [event.get("placeholder_id"), event.get("user_id")]
        parts += [[name, detail[name]] for name in sorted(detail) if isinstance(detail[name], str)]
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def sentence(alert: Alert) -> str:
    """One line for people. Those that are told of as repeated may have been at several hosts."""
    again = f", {alert.repeats} more times since" if alert.repeats else ""
    host = _detail(alert.event).get("host")
    where = f" at {printable(host)}" if isinstance(host, str) and host and not again else ""
    return f"{alert.severity.value}: {alert.action} of {printable(alert.tenant)}{where}{again}"


def document(alert: Alert) -> dict[str, Any]:
    """The alert as machines take it; the outer form is that of standardwebhooks.com."""
    event = alert.event
    tenant_id = str(event.get("tenant_id", PLATFORM_TENANT))
    data: dict[str, Any] = {
        "id": alert.id,
        "incident_id": event.get("id"),
        "action": alert.action,
        "severity": alert.severity.value,
        "tenant_id": tenant_id,
        "tenant": printable(alert.tenant),
        "summary": sentence(alert),
        **{name: printable(str(event[name])) for name in _CALLER if event.get(name)},
        "detail": {printable(str(key)): _bounded(value) for key, value in _first(_detail(event)).items()},
    }
    if alert.repeats or alert.follows:
        data |= {"repeats": alert.repeats, "follows": alert.follows, "last_at": alert.last_at}
    return {"type": f"incident.{alert.action}", "timestamp": event.get("at"), "data": data}


def lines(alert: Alert) -> str:
    """The alert as a text of short lines, for a mail."""
    shown = document(alert)
    data = shown["data"]
    detail = data.pop("detail")
    summary = data.pop("summary")
    facts = {"at": shown["timestamp"], **data, **{f"detail.{name}": value for name, value in detail.items()}}
    return "\n".join([summary, "", *(f"{name}: {value}" for name, value in facts.items()), ""])


def printable(text: str) -> str:
    """At most 300 characters, none of which moves a cursor, ends a line or hides."""
    shown = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return shown if len(shown) <= TEXT_CHARACTERS_MAX else f"{shown[: TEXT_CHARACTERS_MAX - 1]}…"


def _bounded(value: object) -> object:
    return value if isinstance(value, bool | int) else printable(str(value))


def _first(detail: Mapping[str, Any]) -> dict[str, Any]:
    return dict(list(detail.items())[:DETAILS_MAX])


def _detail(event: Event) -> Mapping[str, Any]:
    detail = event.get("detail")
    return detail if isinstance(detail, dict) else {}

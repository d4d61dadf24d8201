"""Events in the Open Cybersecurity Schema Framework, version 1.5 (https://schema.ocsf.io/1.5.0).

    call, tunnel   API Activity (6003)
    act            Entity Management (3004)
    sign_in        Authentication (3002)
    incident       Detection Finding (2004)

Pure; docs/record-format.md has the mapping. What has no attribute there stands in ``unmapped``.
"""

import json
from collections.abc import Mapping
from typing import Any

from policy.event import SCHEMA, Event
from policy.event_formats import PRODUCT, VENDOR, milliseconds, weight

VERSION = "1.5.0"
OTHER = (99, "Other")

_CATEGORIES = {2: "Findings", 3: "Identity & Access Management", 6: "Application Activity"}
_CLASSES = {
    2004: "Detection Finding",
    3002: "Authentication",
    3004: "Entity Management",
    6003: "API Activity",
}
_CLASS_OF = {"act": 3004, "sign_in": 3002, "incident": 2004}

_BY_METHOD = {"POST": (1, "Create"), "GET": (2, "Read"), "HEAD": (2, "Read"), "PUT": (3, "Update")} | {
    "PATCH": (3, "Update"),
    "DELETE": (4, "Delete"),
}
_BY_VERB = (
    dict.fromkeys(("create", "add", "issue", "invite", "place", "request", "except"), (1, "Create"))
    | dict.fromkeys(("view", "open", "export"), (2, "Read"))
    | dict.fromkeys(("set", "rotate", "policy", "review", "approve", "refuse", "release"), (3, "Update"))
    | dict.fromkeys(("revoke", "remove", "delete", "clear", "prune", "unexcept"), (4, "Delete"))
    | {"enable": (8, "Enable"), "disable": (9, "Disable")}
)
_BY_OUTCOME = {"accepted": (1, "Logon"), "refused": (1, "Logon"), "signed_out": (2, "Logoff")}
_SEVERITY = {2: (1, "Informational"), 3: (1, "Informational"), 5: (3, "Medium"), 6: (3, "Medium")} | {
    8: (4, "High")
}
_OF_INCIDENTS = {"notice": (2, "Low"), "warning": (3, "Medium"), "alarm": (5, "Critical")}
_MAPPED = frozenset(
    (
        *("id", "at", "kind", "sequence", "tenant_id", "user_id", "user", "actor", "operation", "action"),
        *("provider", "status", "source_address", "host", "port", "method", "path", "reason", "message"),
        *("target", "severity"),
    )
)


def ocsf_line(event: Event) -> str:
    """One OCSF event as a line of JSON."""
    return json.dumps(ocsf(event), ensure_ascii=False, separators=(",", ":")) + "\n"


def ocsf(event: Event) -> dict[str, Any]:
    """The OCSF event of its kind's class."""
    class_uid = _CLASS_OF.get(event["kind"], 6003)
    activity, activity_name = _activity(event, class_uid)
    severity, severity_name = _severity(event)
    failed = bool(event.get("reason")) or event.get("outcome") in _FAILED
    found: dict[str, Any] = {
        "class_uid": class_uid,
        "class_name": _CLASSES[class_uid],
        "category_uid": class_uid // 1000,
        "category_name": _CATEGORIES[class_uid // 1000],
        "activity_id": activity,
        "activity_name": activity_name,
        "type_uid": class_uid * 100 + activity,
        "time": milliseconds(event),
        "severity_id": severity,
        "severity": severity_name,
        "status_code": event.get("reason") or event.get("outcome"),
        "status_detail": event.get("message"),
        "metadata": _metadata(event),
        "unmapped": {name: value for name, value in event.items() if name not in _MAPPED},
        **_OF_CLASS[class_uid](event),
    }
    if class_uid == 2004:
        found |= {"status_id": 1, "status": "New"}
    else:
        found |= {"status_id": 2 if failed else 1, "status": "Failure" if failed else "Success"}
    return _without_nothing(found)


_FAILED = ("refused", "failed", "lost", "cut", "aborted_by_client", "aborted_by_provider")


def _activity(event: Event, class_uid: int) -> tuple[int, str]:
    if class_uid == 6003:
        return _BY_METHOD.get(str(event.get("method")), OTHER)
    if class_uid == 3002:
        return _BY_OUTCOME.get(str(event.get("outcome")), OTHER)
    if class_uid == 3004:
        return _BY_VERB.get(str(event.get("action")).rpartition(".")[2], OTHER)
    return 1, "Create"


def _severity(event: Event) -> tuple[int, str]:
    stated = _OF_INCIDENTS.get(str(event.get("severity")))
    return stated if stated is not None else _SEVERITY[weight(event)]


def _metadata(event: Event) -> dict[str, Any]:
    return {
        "uid": event["id"],
        "version": VERSION,
        "log_version": str(SCHEMA),
        "product": {"name": PRODUCT, "vendor_name": VENDOR},
        "tenant_uid": event.get("tenant_id"),
        "sequence": event.get("sequence"),
        "event_code": event["kind"],
    }


def _user(event: Event) -> dict[str, Any]:
    return {"uid": event.get("user_id"), "name": event.get("user") or event.get("actor")}


def _actor(event: Event) -> dict[str, Any]:
    """Who did it; where nobody is known, this program, for the class demands one."""
    user = _without_nothing(_user(event))
    return {"user": user} if user else {"app_name": VENDOR}


def _call(event: Event) -> dict[str, Any]:
    host, path = event.get("host"), event.get("path")
    address = event.get("source_address")
    return {
        "actor": _actor(event),
        "api": {
            "operation": event.get("operation") or event["kind"],
            "service": {"name": event.get("provider")},
            "request": {"uid": event["id"]},
            "response": {"code": event.get("status")},
        },
        "src_endpoint": {"ip": address} if address else {"name": "unknown"},
        "dst_endpoint": {"hostname": host, "port": event.get("port")} if host else None,
        "http_request": {"http_method": event.get("method"), "url": {"path": path} if path else None},
    }


def _act(event: Event) -> dict[str, Any]:
    noun = str(event.get("action", "act")).partition(".")[0]
    return {
        "actor": _actor(event),
        "entity": {"uid": str(event.get("target") or noun), "type": noun, "type_id": 99},
        "comment": event.get("action"),
        "src_endpoint": {"ip": event.get("source_address")},
    }


def _sign_in(event: Event) -> dict[str, Any]:
    return {
        "user": {"name": event.get("actor") or "unknown"},
        "service": {"name": f"{VENDOR} console"},
        "is_mfa": True,
        "is_remote": True,
        "src_endpoint": {"ip": event.get("source_address")},
    }


def _incident(event: Event) -> dict[str, Any]:
    return {
        "finding_info": {"uid": event["id"], "title": event.get("action")},
        "actor": {"user": _user(event)},
    }


_OF_CLASS = {6003: _call, 3004: _act, 3002: _sign_in, 2004: _incident}


def _without_nothing(value: Mapping[str, Any]) -> dict[str, Any]:
    """Without absent attributes, and without objects that hold none."""
    kept = {
        name: _without_nothing(item) if isinstance(item, dict) and name != "unmapped" else item
        for name, item in value.items()
    }
    return {name: item for name, item in kept.items() if item not in (None, {})}

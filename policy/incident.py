"""Incidents: events that somebody should be told of, beyond the record of single calls and acts.

Whatever detects one appends it to the record, a worker through its spool, any other process to the chain;
alerts are sent from the record alone, so that what was told can always be shown.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7

from policy.event import PLATFORM_TENANT, SCHEMA, Event, principal_facts, timestamp
from policy.exchange import Principal
from policy.identifiers import TenantId

# So that one thing that is met twice, as after a crash of the shipper, is one event.
NAMESPACE = UUID("5b0c3f5e-6f0c-5f0e-9d5b-0d6f4c7b7a11")


# Actions on which more follows than an alert: the shipper writes down what the provider said of a credential.
CREDENTIAL_REFUSED = "credential.refused"
CREDENTIAL_ACCEPTED = "credential.accepted"


class Severity(StrEnum):
    """How soon somebody should look: some day, today, now."""

    NOTICE = "notice"
    WARNING = "warning"
    ALARM = "alarm"


def incident(
    action: str,
    at: datetime,
    *,
    severity: Severity,
    whose: Principal | TenantId | None = None,
    once: str | None = None,
    detail: Mapping[str, int | str],
) -> Event:
    """One event of kind ``incident``, named as acts are: what it is about, a dot, what befell it.

    It belongs to the tenant of ``whose``, a caller or the tenant itself, else to the platform. ``once``
    names the thing that it is about: the same action, tenant and name give the same id, and the record
    takes an id once only.
    """
    caller = whose if isinstance(whose, Principal) else None
    owner = str(caller.tenant_id if caller is not None else whose or PLATFORM_TENANT)
    identity = uuid7() if once is None else uuid5(NAMESPACE, f"{action} {owner} {once}")
    return {
        "schema": SCHEMA,
        "id": str(identity),
        "at": timestamp(at),
        "kind": "incident",
        **principal_facts(caller),
        "tenant_id": owner,
        "action": action,
        "severity": severity.value,
        "detail": dict(detail),
    }

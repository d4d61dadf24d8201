"""The alarm that a honeytoken raises: somebody uses what nobody was given to use."""

from datetime import datetime

from policy.event import Event
from policy.exchange import Client
from policy.identifiers import ExchangeId
from policy.incident import Severity, incident
from policy.snapshot import Placeholder


def decoy_used(
    decoy: Placeholder, client: Client, at: datetime, *, use: ExchangeId, host: str | None
) -> Event:
    """One alarm for one use, in the record of the tenant whose decoy it is.

    ``use`` is the id of the event of the call, or of the tunnel, that carried it. ``host`` is where it was
    to go, as far as that is known.
    """
    facts = {
        "placeholder_id": str(decoy.id),
        "user_id": str(decoy.user_id),
        "source_address": client.address,
        "mode": client.mode.value,
        "host": host or client.connect_host,
        "call_id": str(use),
    }
    return incident(
        "honeytoken.used",
        at,
        severity=Severity.ALARM,
        whose=decoy.tenant_id,
        once=f"{use} {decoy.id}",
        detail={name: value for name, value in facts.items() if value is not None},
    )

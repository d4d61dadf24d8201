"""What the handlers work with, put together once by the assembly."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from litestar.connection import ASGIConnection

from console.alert_destinations import Destination
from console.api_tokens import ApiTokens
from console.enrolment import Enroller
from console.health import Health
from console.live import Live
from console.sign_in import SignIn
from console.step_up import StepUp
from policy.accounts import Restriction
from store.checkpoint import VerifierKey
from store.door import Store
from store.inventory import Defaults
from vault.vault import Vault


@dataclass(frozen=True, slots=True)
class Services:
    """``retention_days_min`` is the operator's bound on how soon events may be deleted.

    ``destinations`` are those that incidents are told to. ``provider_hosts`` names where a provider's key
    may go by default and raises ``InvalidRecord``; ``record_key`` verifies the record's checkpoints.

    ``proxy`` is the explicit proxy as clients reach it (``host:port``). ``secure`` tells that browsers reach
    the console over TLS; ``form_key`` signs the forms' tokens.
    """

    store: Store
    vault: Vault
    sign_in: SignIn
    step_up: StepUp
    tokens: ApiTokens
    enroller: Enroller
    live: Live
    health: Health
    defaults: Defaults
    restrictions: Sequence[Restriction]
    destinations: Sequence[Destination]
    provider_hosts: Callable[[str], Sequence[str]]
    record_key: Callable[[], VerifierKey]
    retention_days_min: int
    clock: Callable[[], datetime]
    secure: bool
    proxy: str
    form_key: str = field(repr=False)


def services_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Services:
    """The services of the application that serves this connection."""
    services: Services = connection.app.state.services
    return services

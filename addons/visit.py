"""What the steps of one exchange share: the exchange's facts, and the live objects that carry them out.

It lives in ``flow.metadata`` under ``KEY`` from the request's head to the record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mitmproxy import http

from addons.overhearing import Overheard, OverheardSession
from policy.answers import Answer
from policy.attribution import PresentedKey
from policy.ceilings import OutputAllowance
from policy.content import Gathered
from policy.destination import Destination
from policy.evidence import RequestEvidence
from policy.exchange import Exchange, Outcome, Shape
from policy.head import FoundKey
from policy.price_rules import LIST_PRICES, Terms
from policy.refusals import Refusal
from policy.snapshot import Credential, Placeholder, PolicySnapshot

if TYPE_CHECKING:
    from addons.growth import GrowingReservation
    from addons.session import Session
    from policy.decoding import Decoder
    from policy.event import Event
    from policy.redaction import Scrubber
    from policy.usage import Meter
    from vault.secret import Secret

KEY = "conduit.visit"


@dataclass(slots=True)
class Kept:
    """What is kept of a call whose tenant keeps content: the key to seal it, and what has passed so far."""

    key: bytearray = field(repr=False)
    question: Gathered = field(repr=False)
    answer: Gathered = field(repr=False)
    scrubber: "Scrubber | None" = field(default=None, repr=False)
    content_type: str = ""


@dataclass(slots=True)
class Visit:
    """One exchange on its way through the chain.

    ``passes`` is true once it is known not to be an AI call: it is relayed as it is, and no step acts on it.
    ``evidence`` and ``overheard`` are question and answer of what passes, for a verdict when both are known.
    ``states_reason`` is true for the form in which a coached endpoint's user states a reason, and ``page`` is
    what a browser is answered instead of a plain refusal as ``coached``.
    ``judged_by`` is the policy that the call was last held against; ``released`` is true once it may leave.
    ``session`` is set once the call is known to open a WebSocket.
    ``decoys`` are the honeytokens that the request carried.
    ``provider_error`` is the beginning of an answer that may refuse the credential.
    ``allowance`` is where a stream ends that states no output ceiling itself, if a limit says so.
    ``held_bytes`` is what of its body is held in memory.
    ``body_came`` is true once all of the request has come.
    ``judging`` is true while steps judge it, and ``left_as`` how it ended meanwhile.
    ``identity_refusal`` is what attribution found wrong; it counts only for AI calls.
    """

    flow: http.HTTPFlow
    exchange: Exchange
    snapshot: PolicySnapshot
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    query: str = ""
    found_keys: tuple[FoundKey, ...] = field(default=(), repr=False)
    keys: tuple[PresentedKey, ...] = ()
    placeholder: Placeholder | None = None
    placeholder_key: FoundKey | None = field(default=None, repr=False)
    decoys: tuple[Placeholder, ...] = ()
    identity_refusal: Refusal | None = None
    destination: Destination | None = None
    shape: Shape = Shape.OTHER
    provider: str | None = None
    key_places: tuple[str, ...] = ()
    passes: bool = False
    asked: "Event | None" = None
    judged_by: PolicySnapshot | None = None
    evidence: RequestEvidence | None = field(default=None, repr=False)
    overheard: Overheard | OverheardSession | None = field(default=None, repr=False)
    states_reason: bool = False
    page: Answer | None = field(default=None, repr=False)
    secret: "Secret | None" = None
    credential: Credential | None = None
    provider_error: bytearray | None = field(default=None, repr=False)
    meter: "Meter | None" = None
    scrubber: "Scrubber | None" = None
    decoder: "Decoder | None" = None
    encoding: str = ""
    answer_head_seen: bool = False
    timed_out: bool = False
    released: bool = False
    held_bytes: int = 0
    body_came: bool = False
    judging: bool = False
    left_as: Outcome | None = None
    rate_headers: tuple[tuple[str, str], ...] = ()
    growth: "GrowingReservation | None" = None
    at_risk: int = 0
    session: "Session | None" = None
    kept: Kept | None = field(default=None, repr=False)
    allowance: OutputAllowance | None = None

    @property
    def terms(self) -> Terms:
        """What the caller's tenant pays, by the policy that the call was judged by."""
        principal = self.exchange.principal
        return LIST_PRICES if principal is None else self.snapshot.terms_of(principal.tenant_id)


def visit_of(flow: http.HTTPFlow) -> Visit | None:
    """The visit of a flow; ``None`` for one that never reached the chain."""
    return flow.metadata.get(KEY)

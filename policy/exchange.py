"""One call under decision: the value that flows through the chain.

Each step reads what earlier steps established and sets its own fact once; nothing is derived again
downstream. A fact is ``None`` until its step has run.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from policy.identifiers import CredentialId, ExchangeId, PlaceholderId, TenantId, UserId
from policy.limits import Granted
from policy.money import MicroDollars
from policy.refusals import Refusal


class Mode(StrEnum):
    """By which door the call came in."""

    EXPLICIT = "explicit"
    GATEWAY = "gateway"
    TRANSPARENT = "transparent"


class IdentitySource(StrEnum):
    """What can establish who is calling."""

    PLACEHOLDER = "placeholder"
    TOKEN = "token"  # noqa: S105 - a kind of identity, not a secret
    PROXY_CREDENTIALS = "proxy_credentials"
    CERTIFICATE = "certificate"
    SESSION = "session"
    NETWORK = "network"


class EndpointState(StrEnum):
    """What the organisation has decided about an AI endpoint."""

    BLOCKED = "blocked"
    COACHED = "coached"
    MONITORED = "monitored"
    SANCTIONED = "sanctioned"


class Shape(StrEnum):
    """The wire shape of an API: how its requests, answers, streams and errors are written."""

    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    ANTHROPIC_MESSAGES = "anthropic-messages"
    GEMINI = "gemini"
    OTHER = "other"


class Outcome(StrEnum):
    """How a call ended."""

    FINISHED = "finished"
    REFUSED = "refused"
    ABORTED_BY_CLIENT = "aborted_by_client"
    ABORTED_BY_PROVIDER = "aborted_by_provider"
    CUT = "cut"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Client:
    """Connection facts from kernel and handshake; ``sni`` and ``connect_host`` are the client's claims.

    ``ja4`` is the fingerprint of the TLS that it spoke last, ``None`` without TLS.
    """

    mode: Mode
    address: str
    port: int
    sni: str | None
    connect_host: str | None
    connect_port: int | None
    ja4: str | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling, and what established it. ``sources`` lists all that agreed, strongest first."""

    tenant_id: TenantId
    tenant_name: str
    user_id: UserId | None
    user_name: str | None
    team: str | None
    cost_centre: str | None
    placeholder_id: PlaceholderId | None
    credential_id: CredentialId | None
    sources: tuple[IdentitySource, ...]
    team_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the call is really going. ``host`` is canonical: lower case, A-label, no trailing dot.

    ``score`` (0 to 100) and ``evidence`` say why an uncatalogued host was taken for an AI endpoint. ``web``
    is true of a host for people: what they send there is a session of theirs, and no key.
    """

    host: str
    port: int
    scheme: str
    path: str
    provider: str | None
    shape: Shape
    region: str
    catalogued: bool
    state: EndpointState
    verdict: str
    score: int
    evidence: tuple[str, ...]
    web: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked: the model, whether the answer streams, and the most that it may cost.

    Token counts are upper bounds before the call. ``output_ceiling`` is ``None`` where the request sets
    none; ``choices`` is how many answers are asked for (``n``, ``candidateCount``). ``asks_usage`` tells
    whether the caller itself asked for the usage chunk of an OpenAI stream. ``tier`` is the processing tier
    that the request asks for, where it changes the price (``priority``, ``fast``).
    """

    operation: str
    model: str | None
    stream: bool
    input_tokens_ceiling: int
    output_ceiling: int | None
    choices: int
    asks_usage: bool
    body_bytes: int
    tier: str | None = None


@dataclass(frozen=True, slots=True)
class Priced:
    """A cost, and by which price: ``source`` and ``version`` name it (``policy.price_rules.PriceSource``).

    ``amount`` is what is owed, ``listed`` what it was before ``discount``, in hundredths of a per cent.
    """

    amount: MicroDollars
    listed: MicroDollars
    source: str
    version: str
    discount: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What the answer consumed. ``estimated`` is true where the provider reported nothing usable.

    ``input_tokens`` includes cache reads and writes, ``output_tokens`` includes reasoning, as
    ``genai-prices`` normalises them.
    """

    model: str | None
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost: MicroDollars | None
    estimated: bool
    priced: Priced | None = None


@dataclass(slots=True)
class Timing:
    """Wall-clock start, and durations in microseconds from it (monotonic)."""

    started_at: datetime
    started_ns: int
    first_byte_us: int | None = None
    total_us: int | None = None


@dataclass(slots=True)
class Exchange:
    """The facts of one call, in the order in which the chain establishes them.

    ``concerned`` is in whose record a call stands whose ``principal`` could not be established.
    ``overshoot`` is by how much the cost exceeded what a budget held for it; ``None`` without a budget.
    The messages and the close code (RFC 6455 section 7.4) are those of a WebSocket session.
    ``credential_id`` is the credential that the call was given.
    ``content_digest`` is the SHA-256 of the sealed content that is kept, empty where keeping it failed.
    """

    id: ExchangeId
    client: Client
    timing: Timing
    snapshot_version: int = 0
    method: str = ""
    principal: Principal | None = None
    concerned: Principal | None = None
    endpoint: Endpoint | None = None
    call: Call | None = None
    refusal: Refusal | None = None
    grant: Granted | None = None
    credential_id: CredentialId | None = None
    usage: Usage | None = None
    overshoot: MicroDollars | None = None
    outcome: Outcome | None = None
    status: int | None = None
    bytes_up: int = 0
    bytes_down: int = 0
    messages_up: int | None = None
    messages_down: int | None = None
    close_code: int | None = None
    justification: str | None = None
    content_digest: str | None = None
    findings: list[str] = field(default_factory=list)

    def note(self, finding: str) -> None:
        """Add a finding, once: steps come across the same one in each message, or again in the body."""
        if finding not in self.findings:
            self.findings.append(finding)

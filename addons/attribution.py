"""Who is calling. Reads the head once, strictly, and collects what says whose it is; ``policy`` judges it.

Does not refuse a call for want of an identity: whether it needs one depends on where it goes.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from mitmproxy import connection, http, tls

from addons.certificate_revocations import CertificateRevocations
from addons.configuration import Configuration
from addons.connections import ClientConnection, Connections
from addons.identity_tokens import IdentityTokens
from addons.snapshots import Snapshots
from addons.step import Step
from addons.visit import Visit
from addons.watching import watcher_of
from policy.attribution import (
    Presented,
    PresentedKey,
    ProxyCredentials,
    asks_a_person,
    attribute,
    challenge,
    concerned,
    judge_proxy_credentials,
    unproven,
)
from policy.certificates import UnacceptableCertificate
from policy.exchange import Mode, Principal
from policy.forwarding import UnreadableHop, address_of, source_of
from policy.head import METHODS, AmbiguousHead, FoundKey, check_target, find_keys, read_basic, read_fields
from policy.key_places import loose_keys
from policy.provider_keys import has_provider_form
from policy.refusals import Reason, Refusal
from policy.snapshot import Address
from policy.tokens import Claimed, has_token_form
from vault.errors import Sealed
from vault.placeholder import PATTERN
from vault.vault import Vault

# What a caller writes to state why a coached endpoint is needed.
JUSTIFICATION = "x-conduit-justification"
JUSTIFICATION_LENGTH_MAX = 500
# Where an identity token comes that must not take the place of the provider's key.
IDENTITY = "x-conduit-identity"

_VERSIONS = {False: ("HTTP/1.1", "HTTP/1.0"), True: ("HTTP/2.0",)}

# Read by `addons.engine`: this client is asked for a certificate.
ASKED_FOR_CERTIFICATE = "conduit.asked_for_certificate"


class Attribution(Step):
    """Fills ``exchange.principal``, and the keys that later steps judge."""

    name = "attribution"

    def __init__(
        self,
        vault: Vault,
        connections: Connections,
        snapshots: Snapshots,
        *,
        configuration: Configuration,
        tokens: IdentityTokens,
        revocations: CertificateRevocations,
    ) -> None:
        self._vault = vault
        self._connections = connections
        self._snapshots = snapshots
        self._decryption = configuration.decryption
        self._identity = configuration.identity
        self._tokens = tokens
        self._revocations = revocations

    # Connections

    def client_hello(self, hello: tls.ClientHelloData) -> None:
        """Ask for a certificate at our own doors only; note whose TLS to anywhere else it is."""
        client = hello.context.client
        facts = self._connections.of(client)
        asks = self._identity.client_authorities is not None and facts.ends_here
        setattr(client, ASKED_FOR_CERTIFICATE, asks)
        if not facts.ends_here:
            found = attribute(self._snapshots.current, self._around(client, facts), datetime.now(UTC))
            facts.principal = found if isinstance(found, Principal) else None

    def client_secured(self, secured: tls.TlsData) -> None:
        """Judge the certificate that a client has shown: mitmproxy takes any."""
        authorities, shown = self._identity.client_authorities, secured.conn.certificate_list
        facts = self._connections.of(secured.context.client)
        if authorities is None or not shown or not facts.ends_here:
            return
        try:
            chain = [certificate.to_cryptography() for certificate in shown]
            facts.certificate = authorities.verify(chain, datetime.now(UTC))
        except UnacceptableCertificate as problem:
            facts.certificate = unproven(
                f"The client certificate is not accepted: {problem}.", "certificate-valid"
            )

    def connect(self, flow: http.HTTPFlow) -> Refusal | None:
        """Note source and credentials of a tunnel; wrong credentials are refused as a proxy does."""
        facts = self._connections.of(flow.client_conn)
        try:
            headers = _fields(flow)
            source = self._source(flow.client_conn, facts, headers.get("x-forwarded-for"))
            facts.proxy = self._proxy_credentials(headers.get("proxy-authorization"))
        except (AmbiguousHead, UnreadableHop) as problem:
            return malformed(f"The request cannot be read in one way: {problem}.", "strict-head")
        except Sealed:
            return _sealed()
        facts.source = str(source)
        return self._judge_proxy(facts.proxy) or self._challenge(flow.client_conn, facts, headers)

    # Requests

    async def head(self, visit: Visit) -> Refusal | None:
        """Read the head, then attribute it."""
        request = visit.flow.request
        facts = self._connections.of(visit.flow.client_conn)
        now = datetime.now(UTC)
        try:
            check_target(request.path)
            headers = _fields(visit.flow)
            visit.path, _, visit.query = request.path.partition("?")
            source = self._source(visit.flow.client_conn, facts, headers.get("x-forwarded-for"))
            if str(source) != visit.exchange.client.address:  # a hop has named another, or it came as IPv6
                visit.exchange.client = replace(visit.exchange.client, address=str(source))
            tokens = await self._take_tokens(visit, headers, now)
            visit.headers = headers
            visit.found_keys = find_keys(headers, visit.query)
            shown = tuple(self._present(key) for key in visit.found_keys)
            visit.keys = (*shown, *_loose(headers, visit.query))
            proxy = self._credentials_of(facts, headers)
        except (AmbiguousHead, UnreadableHop) as problem:
            around = self._around(visit.flow.client_conn, facts)
            visit.exchange.concerned = concerned(visit.snapshot, around)
            return malformed(f"The request cannot be read in one way: {problem}.", "strict-head")
        except Sealed:
            return _sealed()
        if request.data.method.decode("latin-1") not in METHODS:  # `request.method` is in capitals
            return malformed("This method is not let through.", "methods")
        if request.http_version not in _VERSIONS[visit.flow.client_conn.alpn == b"h2"]:
            return malformed("This version of HTTP is not spoken here.", "versions")
        visit.exchange.justification = (
            headers.get(JUSTIFICATION, "").strip()[:JUSTIFICATION_LENGTH_MAX] or None
        )
        if facts.connect is None and (refusal := self._judge_proxy(proxy)) is not None:
            _note_decoy(visit, proxy.digest if proxy is not None else None)
            return refusal
        certificate = self._certificate(facts, now)
        self._attribute(visit, Presented(source, visit.keys, tokens, proxy, certificate), now)
        return None

    def _attribute(self, visit: Visit, presented: Presented, now: datetime) -> None:
        found = attribute(visit.snapshot, presented, now)
        if isinstance(found, Principal):
            visit.exchange.principal = found
        else:
            visit.identity_refusal = found
            facts = self._connections.of(visit.flow.client_conn)
            if facts.mode is Mode.EXPLICIT and facts.connect is None:
                visit.identity_refusal = _asked(found, visit.headers) or found
            visit.exchange.concerned = concerned(visit.snapshot, presented)
        for key, shown in zip(visit.found_keys, visit.keys, strict=False):
            if shown.digest is not None:
                visit.placeholder = visit.snapshot.placeholder(shown.digest)
                visit.placeholder_key = key
                _note_decoy(visit, shown.digest)

    def _present(self, key: FoundKey) -> PresentedKey:
        digest = self._digest(key.text)
        return PresentedKey(key.place, digest, digest is None and has_provider_form(key.text))

    def _digest(self, text: str) -> bytes | None:
        # By form alone: one that was mistyped is to be told that it is unknown, not that it is a real key.
        return self._vault.digest(text) if PATTERN.fullmatch(text) is not None else None

    async def _take_tokens(
        self, visit: Visit, headers: dict[str, str], now: datetime
    ) -> tuple[Claimed | Refusal, ...]:
        """Judge the identity tokens, and take them out of the request: none of them goes any further."""
        found: list[Claimed | Refusal] = []
        stated = headers.pop(IDENTITY, None)
        if stated is not None:
            del visit.flow.request.headers[IDENTITY]
            judged = await self._tokens.judge(stated.strip(), now)
            found.append(judged or unproven("The identity token is none for this gateway.", "token-valid"))
        scheme, _, text = headers.get("authorization", "").partition(" ")
        if self._tokens.expected and scheme.lower() == "bearer" and has_token_form(text.strip()):
            judged = await self._tokens.judge(text.strip(), now)
            if judged is not None:  # else a key of the caller's own, which is judged as one
                found.append(judged)
                del headers["authorization"], visit.flow.request.headers["authorization"]
        return tuple(found)

    # What surrounds a request

    def _challenge(
        self, client: connection.Client, facts: ClientConnection, headers: dict[str, str]
    ) -> Refusal | None:
        """Ask a browser for proxy credentials before a tunnel to an AI host, where nothing else names it.

        Programs are not asked: their placeholder comes within the tunnel.
        """
        snapshot = self._snapshots.current
        if facts.connect is None or not self._decryption.is_ai(snapshot, None, facts.connect.host):
            return None
        found = attribute(snapshot, self._around(client, facts), datetime.now(UTC))
        return _asked(found, headers) if isinstance(found, Refusal) else None

    def _around(self, client: connection.Client, facts: ClientConnection) -> Presented:
        source = address_of(facts.source or client.peername[0])
        return Presented(source, proxy=facts.proxy, certificate=self._certificate(facts, datetime.now(UTC)))

    def _certificate(self, facts: ClientConnection, now: datetime) -> Claimed | Refusal | None:
        """Whom the client's certificate names, asked anew for every request: it may be over since."""
        shown = facts.certificate
        if shown is None or isinstance(shown, Refusal):
            return shown
        if now >= shown.expires_at:
            return unproven("The client certificate has expired.", "certificate-valid")
        if (refusal := self._revocations.judge(shown, now)) is not None:
            return refusal
        return shown.claimed or unproven("The client certificate names nobody here.", "certificate-mapped")

    def _source(
        self, client: connection.Client, facts: ClientConnection, forwarded_for: str | None
    ) -> Address:
        """Within a tunnel it is the tunnel's: what is written there, the client has written."""
        if facts.source is not None:
            return address_of(facts.source)
        peer = address_of(client.peername[0])
        if forwarded_for is None or facts.mode is Mode.TRANSPARENT:
            return peer
        return source_of(peer, forwarded_for, self._identity.trusted_hops)

    def _credentials_of(self, facts: ClientConnection, headers: dict[str, str]) -> ProxyCredentials | None:
        if facts.connect is not None or facts.mode is not Mode.EXPLICIT:
            return facts.proxy
        return self._proxy_credentials(headers.get("proxy-authorization"))

    def _proxy_credentials(self, header: str | None) -> ProxyCredentials | None:
        """Basic credentials; those of other schemes are for a proxy of another kind, and go no further."""
        scheme, _, encoded = (header or "").strip().partition(" ")
        if scheme.lower() != "basic":
            return None
        user, password = read_basic(encoded.strip())
        return ProxyCredentials(user, self._digest(password))

    def _judge_proxy(self, credentials: ProxyCredentials | None) -> Refusal | None:
        if credentials is None:
            return None
        found = judge_proxy_credentials(self._snapshots.current, credentials, datetime.now(UTC))
        return replace(found, proxy=True) if isinstance(found, Refusal) else None


def _fields(flow: http.HTTPFlow) -> dict[str, str]:
    return read_fields(flow.request.headers.fields, watcher_of(flow.client_conn).header_count_max)


def _asked(refusal: Refusal, headers: Mapping[str, str]) -> Refusal | None:
    """The challenge of a browser that nothing names; ``None`` for any other caller or refusal."""
    if refusal.reason is Reason.UNIDENTIFIED and refusal.rule == "identity-required":
        return challenge(refusal) if asks_a_person(headers.get("user-agent", "")) else None
    return None


def _loose(headers: Mapping[str, str], query: str) -> list[PresentedKey]:
    """Keys of the caller's own where no placeholder is read from."""
    return [
        PresentedKey(place, None, True)
        for place, text in loose_keys(headers, query)
        if PATTERN.fullmatch(text) is None
    ]


def _note_decoy(visit: Visit, digest: bytes | None) -> None:
    """Note whose decoy it was, for the event and the alarm; the caller learns nothing of it."""
    found = visit.snapshot.placeholder(digest) if digest is not None else None
    if found is not None and found.honeytoken:
        visit.decoys = (*visit.decoys, found)
        visit.exchange.findings.append(f"honeytoken:{found.id}")


def malformed(message: str, rule: str) -> Refusal:
    """The refusal of a request that cannot be read as what it claims to be."""
    return Refusal(Reason.REQUEST_MALFORMED, message, rule)


def _sealed() -> Refusal:
    return Refusal(Reason.DEGRADED, "The vault is sealed; try again later.", "vault-open", 5)

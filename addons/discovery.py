"""Where a call is really going: one canonical destination, the same by every claim, and what is there.

A host outside the catalogue is judged by evidence once its body has come. What proves not to be an AI call
is let through as it is, but never with one of our placeholders in it.
"""

import re
from functools import cache

from mitmproxy import http

from addons.attribution import malformed
from addons.configuration import Configuration
from addons.connections import ClientConnection, Connections
from addons.overhearing import Overheard
from addons.step import Step
from addons.switching import decline_others
from addons.visit import Visit
from policy import endpoints
from policy.attribution import misused
from policy.catalogue import Entry, private_entry
from policy.destination import Destination, InvalidDestination, canonical_authority, canonical_host
from policy.evidence import RequestEvidence, Verdict, score
from policy.exchange import Endpoint, EndpointState, Mode, Shape
from policy.inspection import operation_of
from policy.refusals import Refusal

# Of a body to an unknown host, so much is looked at for evidence.
EVIDENCE_BYTES_MAX = 8 * 1024 * 1024

_LIVE_PATH = "//ws/google."

# Two readers of such a path may see two paths (RFC 3986 section 6.2.2), also by decoding it twice.
_AMBIGUOUS_PATH = re.compile(r"(?i)(?:^|/|%2f)(?:\.|%2e){1,2}(?:/|%2f|$)|//|\\|%5c|%2f|%00|%25|[;#]")


class Discovery(Step):
    """Fills ``visit.destination`` and ``exchange.endpoint``, or marks the visit as passing."""

    name = "discovery"

    def __init__(self, configuration: Configuration, connections: Connections) -> None:
        self._configuration = configuration
        self._connections = connections

    async def head(self, visit: Visit) -> Refusal | None:
        """Find the destination; for a host that is catalogued or decided on, the endpoint too."""
        facts = self._connections.of(visit.flow.client_conn)
        try:
            if facts.mode is Mode.GATEWAY:
                visit.destination = self._by_path(visit)
            else:
                _set_path(visit, visit.path)
                visit.destination = _by_claims(visit, facts)
                self._find_endpoint(visit, visit.destination, self._catalogued(visit, visit.destination.host))
        except InvalidDestination as problem:
            return malformed(f"The destination cannot be read in one way: {problem}.", "one-destination")
        visit.exchange.method = visit.flow.request.method
        if visit.exchange.endpoint is None:
            return self._await_evidence(visit)
        if _AMBIGUOUS_PATH.search(visit.path):
            return malformed("The path of this request can be read in two ways.", "one-path")
        return visit.identity_refusal

    async def body(self, visit: Visit) -> Refusal | None:
        """Judge a host that nobody knows by what is sent to it."""
        if visit.exchange.endpoint is not None or visit.passes:
            return None
        body = visit.flow.request.raw_content or b""
        return self._judge(visit, body[:EVIDENCE_BYTES_MAX])

    def _by_path(self, visit: Visit) -> Destination:
        """Base-URL mode: the first segment names the provider, the rest is the provider's own path."""
        _, provider_id, rest = (*visit.path.split("/", 2), "", "")[:3]
        provider = self._configuration.providers.get(provider_id)
        if visit.flow.request.authority and not visit.flow.request.is_http2:
            raise InvalidDestination("a request to the gateway names a path, not another host")
        if provider is None:
            known = ", ".join(sorted(self._configuration.providers))
            raise InvalidDestination(f"the path begins with a provider: one of {known}")
        if not provider.origin:
            raise InvalidDestination(f"providers.{provider_id}.upstream is not configured here")
        public = _origin(provider.origin)
        _set_path(visit, f"/{rest}")
        visit.shape = provider.shape
        self._find_endpoint(
            visit, public, self._catalogued(visit, public.host) or private_entry(public.host, provider)
        )
        return public

    def _catalogued(self, visit: Visit, host: str) -> Entry | None:
        """The catalogue's entry, but for a name that is shared with other traffic."""
        entry = visit.snapshot.entry_of(host, self._configuration.decryption.catalogue)
        return None if entry is None or entry.mixed else entry

    def _find_endpoint(self, visit: Visit, destination: Destination, entry: Entry | None) -> None:
        if entry is None:
            principal = visit.exchange.principal
            if not visit.snapshot.is_decided(principal.tenant_id if principal else None, destination.host):
                return
            entry = visit.snapshot.entry_of(destination.host, self._configuration.decryption.catalogue)
        shape, _, _ = operation_of(visit.path, visit.flow.request.method)
        visit.exchange.endpoint = endpoints.known(
            destination, visit.path, entry, self._state(visit, destination.host, entry), shape
        )
        self._speak_as(visit, entry.provider if entry else None, visit.exchange.endpoint.shape)

    def _speak_as(self, visit: Visit, provider_id: str | None, shape: Shape) -> None:
        """Note what the caller's SDK understands, and where its provider reads a key."""
        visit.provider, visit.shape = provider_id, shape
        provider = self._configuration.providers.get(provider_id or "")
        visit.key_places = provider.key_places if provider else ("authorization",)

    def _state(self, visit: Visit, host: str, entry: Entry | None) -> EndpointState:
        principal = visit.exchange.principal
        tenant = principal.tenant_id if principal else None
        state = endpoints.state_of(visit.snapshot, tenant, host, entry, self._configuration.defaults)
        if principal is None or state not in endpoints.HELD_BACK:
            return state
        excepted = visit.snapshot.exception_for(principal, host, visit.exchange.timing.started_at)
        if excepted is None:
            return state
        visit.exchange.note(f"exception:{excepted.id}")
        return EndpointState.MONITORED

    def _await_evidence(self, visit: Visit) -> Refusal | None:
        """Hold the body of a request to an unknown host; one too long to be held is judged by its head."""
        length = visit.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._configuration.bounds.body_bytes_max:
            visit.flow.request.stream = True
            return self._judge(visit, b"")
        return None

    def _judge(self, visit: Visit, body: bytes) -> Refusal | None:
        destination = visit.destination
        if destination is None:
            raise TypeError("discovery has no destination")
        facts = self._connections.find(visit.flow.client_conn)
        evidence = RequestEvidence(
            method=visit.flow.request.method,
            host=destination.host,
            path=f"{visit.path}?{visit.query}" if visit.query else visit.path,
            headers=visit.headers,
            body=body,
            program=facts.program if facts is not None else None,
        )
        verdict = score(evidence, None)
        if verdict.verdict != "none":
            visit.exchange.endpoint = self._suspected(visit, destination, verdict)
            self._speak_as(visit, None, visit.exchange.endpoint.shape)
        if verdict.verdict == "ai":
            return visit.identity_refusal
        visit.evidence = evidence
        visit.passes = True
        decline_others(visit)
        if visit.placeholder_key is not None:
            return misused(
                "This placeholder may not be sent to a host that is no AI provider.", "placeholder-host"
            )
        return None

    def ended(self, visit: Visit) -> None:
        """What passed is judged once more, by its answer too: it may be AI after all, or less so."""
        asked, heard, destination = visit.evidence, visit.overheard, visit.destination
        if asked is None or heard is None or destination is None:
            return
        if isinstance(heard, Overheard):  # a session's bytes are counted as they pass
            visit.exchange.bytes_up = len(visit.flow.request.raw_content or b"")
            visit.exchange.bytes_down = heard.bytes_down
        verdict = heard.judged(asked)
        if verdict.verdict != "none" or visit.exchange.endpoint is not None:
            visit.exchange.endpoint = self._suspected(visit, destination, verdict)

    def _suspected(self, visit: Visit, destination: Destination, verdict: Verdict) -> Endpoint:
        shape, _, _ = operation_of(visit.path, visit.flow.request.method)
        state = self._state(visit, destination.host, None)
        return endpoints.suspected(destination, visit.path, state, shape, verdict)


@cache
def _origin(text: str) -> Destination:
    """A provider's origin, as configured; read once each."""
    scheme, _, authority = text.partition("://")
    return canonical_authority(authority, scheme)


def _set_path(visit: Visit, path: str) -> None:
    """Take ``path`` as the one that is judged and sent, with one slash where Google's SDK writes two.

    google-genai joins its origin, which ends in a slash, and the live API's path, which begins with one.
    """
    path = path.removeprefix("/") if path.startswith(_LIVE_PATH) else path
    if path != visit.path:
        visit.path = path
        visit.flow.request.path = f"{path}?{visit.query}" if visit.query else path


def _by_claims(visit: Visit, facts: ClientConnection) -> Destination:
    """The destination of a proxied request, once every claim of it agrees; raises ``InvalidDestination``.

    Compared are the CONNECT authority, the SNI, the authority of an absolute-form target or ``:authority``,
    and ``Host``. In transparent mode the address that the client dialled is not trusted to be the host's:
    what is dialled is resolved anew.
    """
    request, client = visit.flow.request, visit.flow.client_conn
    within_tls = bool(client.tls) and (facts.connect is not None or facts.mode is Mode.TRANSPARENT)
    scheme = "https" if within_tls else request.scheme
    claims: list[Destination] = []
    if facts.connect is not None:
        claims.append(Destination(scheme, facts.connect.host, facts.connect.port))
    elif facts.mode is Mode.EXPLICIT:
        claims.append(Destination(scheme, canonical_host(request.host), request.port))
    port = claims[0].port if claims else client.sockname[1]
    if within_tls:
        if not client.sni:
            raise InvalidDestination("a TLS connection to an AI endpoint names it by SNI")
        claims.append(Destination(scheme, canonical_host(client.sni), port))
    host = visit.headers.get("host", "")
    if not host and not (request.is_http2 and request.authority):
        raise InvalidDestination("the request names no host")
    named = [text for text in (request.authority, host) if text]
    claims += [canonical_authority(text, scheme) for text in named]
    if any(claim != claims[0] for claim in claims):
        raise InvalidDestination("the request names different hosts in different places")
    return claims[0]


def address_to(request: http.Request, destination: Destination) -> None:
    """Write the one destination into the request: what is dialled, and every name that it carries."""
    request.data.host = destination.host
    request.data.port = destination.port
    request.data.scheme = destination.scheme.encode()
    request.data.authority = destination.authority.encode() if request.is_http2 else b""
    if "host" in request.headers or not request.is_http2:
        request.headers["host"] = destination.authority

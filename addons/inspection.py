"""What is asked: the body read once, strictly and bounded, into the facts that admission weighs."""

from dataclasses import dataclass

from addons.attribution import malformed
from addons.configuration import Bounds
from addons.long_texts import LongTexts
from addons.protocol import INVALID, REQUEST_BYTES_MAX
from addons.session import Message, Session
from addons.step import Step
from addons.visit import Visit
from policy.attribution import UNVAULTED, misused, unvaulted_key
from policy.data_classes import DataClass, classes_in
from policy.exchange import Call, Endpoint, EndpointState
from policy.handshake import EXTENSIONS, PROTOCOL, InvalidHandshake, asks_upgrade, check_request, protocols
from policy.head import AmbiguousHead, Fields, check_trailers
from policy.inspection import Malformed, inspect, may_ask_usage, operation_of, with_usage_asked
from policy.key_places import key_in_body
from policy.operations import session_of
from policy.refusals import Reason, Refusal
from policy.session_messages import Dialect, Said, dialect_of, opening_call, read_message
from vault.placeholder import MARKER, find

_IDENTITY = frozenset({"", "identity"})


def too_large(bound: int) -> Refusal:
    """The refusal of a body over ``bound`` bytes."""
    return Refusal(
        Reason.REQUEST_TOO_LARGE, f"This request is over the limit of {bound} bytes; send less.", "body-size"
    )


def trailers_refused(trailers: Fields) -> Refusal | None:
    """The refusal of fields behind a body that could be taken for a part of the head, or hold a placeholder.

    What is let pass is dropped: no provider reads any.
    """
    try:
        check_trailers(trailers)
    except AmbiguousHead as problem:
        return malformed(f"The request cannot be read in one way: {problem}.", "strict-trailers")
    if any(find(value.decode("latin-1")) for _, value in trailers):
        return misused("A placeholder stands where no key belongs; it stays here.", "placeholder-place")
    return None


def _own_key(visit: Visit) -> Refusal | None:
    """Note a key that the vault did not issue; a sanctioned endpoint gets none."""
    visit.exchange.note(UNVAULTED)
    endpoint = visit.exchange.endpoint
    return unvaulted_key() if endpoint and endpoint.state is EndpointState.SANCTIONED else None


def _has_stray(visit: Visit) -> bool:
    """Whether a placeholder of ours stands anywhere but in the one place where its provider reads the key.

    It would leave as it is: worthless there, but a sign that somebody tries what it opens.
    """
    key = visit.placeholder_key
    expected = key.text if key is not None else ""
    places = [f"{visit.path}?{visit.query}", *visit.headers.values()]
    body = visit.flow.request.raw_content or b""
    if MARKER.encode() in body:
        places.append(body.decode("latin-1"))
    found = [text for place in places if MARKER in place for text in find(place)]
    return len(found) > (expected in found)


@dataclass(frozen=True, slots=True)
class _Read:
    """What a body was found to be; ``asking`` is the same body, asking for usage, where that must be done."""

    call: Call
    classes: tuple[DataClass, ...]
    names_key: bool
    asking: bytes | None


def _read(endpoint: Endpoint, method: str, body: bytes, content_type: str) -> _Read:
    """Read the body of an AI call. Raises ``Malformed``."""
    shape, operation, path_model = operation_of(endpoint.path, method)
    call = inspect(shape, operation, path_model, body, content_type)
    classes = classes_in(body)
    names_key = DataClass.SECRET in classes and key_in_body(body)
    asking = with_usage_asked(body) if may_ask_usage(endpoint.provider, call) else None
    return _Read(call, classes, names_key, asking)


def _read_said(dialect: Dialect, content: bytes) -> tuple[Said, tuple[DataClass, ...]] | None:
    """What a message of the client says, and its classes of data; ``None`` where a placeholder stands in it.

    Raises ``Malformed``.
    """
    if MARKER.encode() in content and find(content.decode("latin-1")):
        return None
    return read_message(dialect, content), classes_in(content)


class Inspection(Step):
    """Fills ``exchange.call``, and asks for usage on behalf of a caller whose stream would not tell it."""

    name = "inspection"

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._texts = LongTexts()

    async def head(self, visit: Visit) -> Refusal | None:
        """Refuse what the core found invalid, and a body that says it is too large."""
        flow = visit.flow
        if INVALID in flow.metadata:
            return malformed("The framing or a header of this request is not valid HTTP.", "valid-framing")
        bound = self._bounds.body_bytes_max
        length = visit.headers.get("content-length", "0")
        if not flow.request.stream:
            if int(length) > bound:
                return too_large(bound)
            flow.metadata[REQUEST_BYTES_MAX] = bound
        if asks_upgrade(visit.headers):
            return self._upgrade(visit)
        return None

    def _upgrade(self, visit: Visit) -> Refusal | None:
        """An AI call that goes on as a WebSocket session: a handshake of one meaning, and which protocol."""
        request, endpoint = visit.flow.request, visit.exchange.endpoint
        if endpoint is None:
            return None
        try:
            check_request(request.method, request.http_version, visit.headers)
        except InvalidHandshake as problem:
            return malformed(str(problem), "upgrade")
        shape, operation, _ = session_of(endpoint.path)
        visit.session = Session(
            dialect_of(shape, operation),
            protocols=tuple(protocols(visit.headers.get(PROTOCOL, ""))),
        )
        request.headers.pop(EXTENSIONS, None)  # none is negotiated, so that every frame can be read
        return None

    def _open(self, visit: Visit) -> Refusal | None:
        # What only its traffic gave away as AI comes here first: its head was let pass.
        refusal = self._upgrade(visit) if visit.session is None else None
        if refusal is not None or visit.session is None:
            return refusal
        try:
            visit.exchange.call = opening_call(visit.session.dialect, visit.query)
        except Malformed as problem:
            return malformed(str(problem), "target-strict")
        return None

    def _classify(self, visit: Visit, classes: tuple[DataClass, ...]) -> None:
        """Note which classes of data are in it, each once."""
        for each in classes:
            visit.exchange.note(f"data:{each.value}")

    async def message(self, visit: Visit, message: Message) -> Refusal | None:
        """Read what the client says as strictly as a body; a key of its own, or a placeholder, stays here."""
        if not message.from_client or visit.session is None:
            return None
        dialect, content = visit.session.dialect, message.content
        try:
            read = await self._texts.read(len(content), lambda: _read_said(dialect, content))
        except Malformed as problem:
            return malformed(str(problem), "message-strict")
        if read is None:
            return misused("A placeholder stands where no key belongs; it stays here.", "placeholder-place")
        message.said, classes = read
        self._classify(visit, classes)
        return _own_key(visit) if message.said.foreign_keys else None

    async def body(self, visit: Visit) -> Refusal | None:
        """Look for placeholders where none belong; read the body of an AI call."""
        body = visit.flow.request.raw_content or b""
        if await self._texts.read(len(body), lambda: _has_stray(visit)):
            return misused("A placeholder stands where no key belongs; it stays here.", "placeholder-place")
        endpoint, request = visit.exchange.endpoint, visit.flow.request
        if visit.passes or endpoint is None:
            return None
        if visit.headers.get("content-encoding", "").lower() not in _IDENTITY:
            return malformed("Send the body of this request without a content encoding.", "body-readable")
        if asks_upgrade(visit.headers):
            return self._open(visit)
        content_type = visit.headers.get("content-type", "")
        try:
            read = await self._texts.read(
                len(body), lambda: _read(endpoint, request.method, body, content_type)
            )
        except Malformed as problem:
            return malformed(str(problem), "body-strict")
        visit.exchange.call = read.call
        visit.exchange.bytes_up = len(body)
        self._classify(visit, read.classes)
        refusal = _own_key(visit) if read.names_key else None
        if refusal is None and read.asking is not None:
            request.raw_content = read.asking
            request.headers["content-length"] = str(len(read.asking))
            request.headers.pop("transfer-encoding", None)
        return refusal

"""What is asked: the body read once, strictly and bounded, into the facts that admission weighs."""

from addons.attribution import malformed
from addons.configuration import Bounds
from addons.protocol import INVALID, REQUEST_BYTES_MAX
from addons.step import Step
from addons.visit import Visit
from policy.attribution import misused
from policy.data_classes import classes_in
from policy.inspection import Malformed, inspect, may_ask_usage, operation_of, with_usage_asked
from policy.refusals import Reason, Refusal
from vault.placeholder import MARKER, find

_IDENTITY = frozenset({"", "identity"})


def too_large(bound: int) -> Refusal:
    """The refusal of a body over ``bound`` bytes."""
    return Refusal(
        Reason.REQUEST_TOO_LARGE, f"This request is over the limit of {bound} bytes; send less.", "body-size"
    )


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


class Inspection(Step):
    """Fills ``exchange.call``, and asks for usage on behalf of a caller whose stream would not tell it."""

    name = "inspection"

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds

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
        if visit.exchange.endpoint is not None and "upgrade" in visit.headers:
            return malformed("Call this endpoint over plain HTTPS; WebSocket is not let through.", "upgrade")
        return None

    async def body(self, visit: Visit) -> Refusal | None:
        """Look for placeholders where none belong; read the body of an AI call."""
        if _has_stray(visit):
            return misused("A placeholder stands where no key belongs; it stays here.", "placeholder-place")
        endpoint, request = visit.exchange.endpoint, visit.flow.request
        if visit.passes or endpoint is None:
            return None
        if visit.headers.get("content-encoding", "").lower() not in _IDENTITY:
            return malformed("Send the body of this request without a content encoding.", "body-readable")
        body = request.raw_content or b""
        shape, operation, path_model = operation_of(endpoint.path, request.method)
        try:
            call = inspect(shape, operation, path_model, body)
        except Malformed as problem:
            return malformed(str(problem), "body-strict")
        visit.exchange.call = call
        visit.exchange.bytes_up = len(body)
        visit.exchange.findings += [f"data:{found.value}" for found in classes_in(body)]
        if may_ask_usage(endpoint.provider, call):
            request.raw_content = with_usage_asked(body)
            request.headers["content-length"] = str(len(request.raw_content))
            request.headers.pop("transfer-encoding", None)
        return None

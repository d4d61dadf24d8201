"""The real key never comes back: scrubbed by value from the answer's headers and body."""

from addons.session import Message
from addons.step import Step
from addons.visit import Visit
from policy.redaction import Scrubber, scrub_headers


class Redaction(Step):
    """Acts only on answers to calls that carried a key of ours."""

    name = "redaction"

    def answer_head(self, visit: Visit) -> None:
        """Scrub the headers, and make ready for the body."""
        response = visit.flow.response
        if visit.secret is None or response is None:
            return
        with visit.secret.revealed() as key:
            visit.scrubber = Scrubber(key.encode())
        fields = scrub_headers(response.headers.fields, visit.scrubber)
        if fields is not response.headers.fields:
            response.headers.fields = fields
            visit.exchange.findings.append("key_echoed")

    def answer_chunk(self, visit: Visit, chunk: bytes) -> bytes:
        """Scrub a chunk; a part that may be the key's beginning waits for the next."""
        return visit.scrubber.feed(chunk) if visit.scrubber is not None else chunk

    def answer_end(self, visit: Visit) -> bytes:
        """Let go of what was held."""
        if visit.scrubber is None:
            return b""
        rest = visit.scrubber.finish()
        if visit.scrubber.found:
            visit.exchange.findings.append("key_echoed")
        return rest

    async def message(self, visit: Visit, message: Message) -> None:
        """Scrub a whole message of the provider."""
        if message.from_client or visit.scrubber is None or not visit.scrubber.holds(message.content):
            return
        message.content = visit.scrubber.whole(message.content)
        visit.exchange.note("key_echoed")

    def ended(self, visit: Visit) -> None:
        """Forget the key."""
        if visit.secret is not None:
            visit.secret.wipe()
            visit.secret = None

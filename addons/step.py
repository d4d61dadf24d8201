"""What a step of the chain may do. The chain calls the methods of its steps, in the steps' order."""

import inspect
from collections.abc import Sequence

from mitmproxy import http, tls

from addons.session import Message
from addons.visit import Visit
from policy.refusals import Refusal


class Step:
    """One concern. A returned ``Refusal`` ends the exchange; an exception ends it as ``internal``."""

    name: str

    def client_hello(self, hello: tls.ClientHelloData) -> None:
        """A client begins TLS."""

    def client_secured(self, secured: tls.TlsData) -> None:
        """TLS with a client stands."""

    def connect(self, flow: http.HTTPFlow) -> Refusal | None:
        """A client asks the proxy for a tunnel to a destination that has been read."""

    async def head(self, visit: Visit) -> Refusal | None:
        """The request's head has come; its body may still be on its way."""

    async def body(self, visit: Visit) -> Refusal | None:
        """The whole request has come, and nothing of it has left."""

    def answer_head(self, visit: Visit) -> None:
        """The provider's answer has begun."""

    def answer_chunk(self, visit: Visit, chunk: bytes) -> bytes:
        """A part of the answer's body, of any size; what is returned goes on to the next step."""
        return chunk

    def answer_end(self, visit: Visit) -> bytes:
        """The answer's body is complete; what is returned is its last part."""
        return b""

    async def message(self, visit: Visit, message: Message) -> Refusal | None:
        """A whole message of a WebSocket session has come, from either side; it may be changed in place."""

    def ended(self, visit: Visit) -> None:
        """The exchange has ended, however it did. Called exactly once."""


PHASES = tuple(name for name, value in vars(Step).items() if inspect.isfunction(value))


def implemented(kind: type[Step]) -> list[str]:
    """The phases that a step does something in."""
    return [phase for phase in PHASES if getattr(kind, phase) is not getattr(Step, phase)]


def by_phase(steps: Sequence[Step]) -> dict[str, tuple[Step, ...]]:
    """The steps that do something in each phase, in their order: most phases concern few of them."""
    return {phase: tuple(step for step in steps if phase in implemented(type(step))) for phase in PHASES}

"""What is known of one open WebSocket session with an AI endpoint, and what one message of it is."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from policy.refusals import Refusal

if TYPE_CHECKING:
    from addons.growth import SessionReservation
    from policy.session_messages import Dialect, Said
    from policy.session_meter import SessionMeter


@dataclass(slots=True)
class Message:
    """One whole message on its way through the steps, which may replace its ``content`` (UTF-8 if ``text``).

    ``said`` is what inspection read in a message of the client; ``refusal`` is why it goes no further.
    """

    from_client: bool
    text: bool
    content: bytes = field(repr=False)
    said: "Said | None" = None
    refusal: Refusal | None = None


@dataclass(slots=True)
class Session:
    """One session. ``protocols`` are the subprotocols as the client offered them, in their order.

    ``budgeted`` tells whether a budget counts what it costs; its models must then have a known price.
    ``last_message_s`` is when either side last said something (monotonic seconds).
    """

    dialect: "Dialect"
    protocols: tuple[str, ...] = field(default=(), repr=False)
    budgeted: bool = False
    meter: "SessionMeter | None" = None
    reservation: "SessionReservation | None" = None
    messages_up: int = 0
    messages_down: int = 0
    close_code: int | None = None
    last_message_s: float = field(default_factory=time.monotonic)

    def note(self, message: Message) -> None:
        """Count a message."""
        self.last_message_s = time.monotonic()
        if message.from_client:
            self.messages_up += 1
        else:
            self.messages_down += 1

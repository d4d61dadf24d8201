"""The act of trying a destination of alerts out; what was sent stands in the record."""

from store.acts import Actor, record
from store.claim import Purpose
from store.door import Store


async def note_test(store: Store, *, actor: Actor, destination: str, answer: str, taken: bool) -> None:
    """Write down that somebody had a test alert sent, and what came back (no secret, no address)."""
    async with store.platform(Purpose.ADMINISTRATION) as session:
        await record(
            session, actor, "alert.test", tenant_id=None, target=destination, taken=taken, answer=answer[:300]
        )

"""What was said, sealed where the tenant's policy keeps it: gathered as it passes, never held back.

Nothing of it is ever written in the clear: the spool gets the sealed record alone.
"""

import base64
import hashlib

from loguru import logger

from addons.session import Message
from addons.step import Step
from addons.visit import Kept, Visit
from policy.content import Content as Said
from policy.content import Gathered
from policy.event import timestamp
from policy.redaction import Scrubber
from policy.refusals import Reason, Refusal
from store.spool import Spool, SpoolError
from vault import content
from vault.errors import VaultError
from vault.vault import Vault


class Content(Step):
    """Acts only on AI calls of tenants that keep content; stands behind redaction, so it sees no real key."""

    name = "content"

    def __init__(self, vault: Vault, spool: Spool) -> None:
        self._vault = vault
        self._spool = spool

    async def body(self, visit: Visit) -> Refusal | None:
        """Take the question. A call whose content could not be kept does not leave."""
        principal = visit.exchange.principal
        if visit.exchange.endpoint is None or principal is None:
            return None
        tenant = visit.snapshot.tenants[principal.tenant_id]
        if tenant.keeps is None:
            return None
        try:
            await self._vault.unlock(tenant)
            key = self._vault.content_key(tenant, tenant.keeps.content_key)
        except VaultError:
            message = "What is said must be kept, and cannot be sealed at the moment."
            return Refusal(Reason.DEGRADED, message, "content-sealable", 5)
        bound = tenant.keeps.bytes_max
        visit.kept = Kept(bytearray(key), Gathered(bound), Gathered(bound), _scrubber(visit))
        visit.kept.question.feed(visit.flow.request.raw_content or b"")
        return None

    def answer_head(self, visit: Visit) -> None:
        """Note what kind of answer it is."""
        if visit.kept is not None and visit.flow.response is not None:
            visit.kept.content_type = visit.flow.response.headers.get("content-type", "")

    def answer_chunk(self, visit: Visit, chunk: bytes) -> bytes:
        """Take note of a chunk and pass it on."""
        if visit.kept is not None:
            visit.kept.answer.feed(chunk)
        return chunk

    async def message(self, visit: Visit, message: Message) -> None:
        """Take note of a whole message of a session, one a line."""
        if visit.kept is not None:
            direction = visit.kept.question if message.from_client else visit.kept.answer
            direction.feed(message.content + b"\n")

    def ended(self, visit: Visit) -> None:
        """Seal what was said and hand it to the spool; the event says whether that went well."""
        kept, principal = visit.kept, visit.exchange.principal
        if kept is None or principal is None:
            return
        visit.kept = None
        question = kept.question.text()
        said = Said(
            question=kept.scrubber.whole(question) if kept.scrubber is not None else question,
            answer=kept.answer.text(),
            question_bytes=kept.question.total,
            answer_bytes=kept.answer.total,
            content_type=kept.content_type,
        )
        identity = visit.exchange.id
        sealed = content.seal(kept.key, said.packed(), tenant_id=principal.tenant_id, event_id=identity)
        kept.key[:] = bytes(len(kept.key))
        record = {
            "id": str(identity),
            "tenant_id": str(principal.tenant_id),
            "at": timestamp(visit.exchange.timing.started_at),
            "sealed": base64.b64encode(sealed).decode("ascii"),
        }
        try:
            self._spool.append({"type": "content", "event": record})
            visit.exchange.content_digest = hashlib.sha256(sealed).hexdigest()
        except SpoolError as problem:
            visit.exchange.content_digest = ""
            logger.error("the content of call {} is not kept: {}", identity, problem)


def _scrubber(visit: Visit) -> Scrubber | None:
    """For the key that goes out with the question, should somebody have written it there."""
    if visit.secret is None:
        return None
    with visit.secret.revealed() as key:
        return Scrubber(key.encode())

"""Whether the provider takes the credential that a call was given: what this worker saw, and the others.

What it saw counts here at once, and for every worker once the shipper has written the incident down.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from loguru import logger

from addons.snapshots import Snapshots
from addons.step import Step
from addons.switching import SWITCHED
from addons.visit import Visit
from policy.credential_health import Standing, accepted, refused, rests, standing, tried
from policy.event import Event
from policy.identifiers import CredentialId
from policy.incident import CREDENTIAL_ACCEPTED, CREDENTIAL_REFUSED, Severity, incident
from policy.key_refusal import ERROR_BYTES_MAX, blames_the_key, is_plain, may_tell
from policy.snapshot import Credential
from store.spool import Spool, SpoolError


class CredentialHealth(Step):
    """Reads the provider's word from answers, and tells which credentials rest. ``clock`` gives UTC."""

    name = "credential health"

    def __init__(
        self, spool: Spool, snapshots: Snapshots, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._spool = spool
        self._snapshots = snapshots
        self._clock = clock
        self._seen: dict[CredentialId, Standing] = {}
        self._untold: list[Event] = []

    def resting(self, pool: Sequence[Credential]) -> frozenset[CredentialId]:
        """Those of ``pool`` that are not to be used now, if it can be helped."""
        now = self._clock()
        return frozenset(credential.id for credential in pool if rests(self._standing(credential), now))

    def given(self, credential: Credential) -> None:
        """A call is given this credential; where it was to be tried again, this call is the trial."""
        known = self._standing(credential)
        if known is not None:
            self._seen[credential.id] = tried(known, self._clock())

    def answer_head(self, visit: Visit) -> None:
        """Hold the beginning of an answer that may refuse the key."""
        response = visit.flow.response
        if visit.credential is not None and response is not None and may_tell(response.status_code):
            visit.provider_error = bytearray()

    def answer_chunk(self, visit: Visit, chunk: bytes) -> bytes:
        """Look at it, and pass it on."""
        held = visit.provider_error
        if held is not None and len(held) < ERROR_BYTES_MAX:
            held += chunk[: ERROR_BYTES_MAX - len(held)]
        return chunk

    def ended(self, visit: Visit) -> None:
        """Take the provider's word, where it gave one."""
        credential, response = visit.credential, visit.flow.response
        if credential is None or response is None or not visit.answer_head_seen:
            return
        current = self._snapshots.current.credentials.get(credential.id)
        if current is None or current.revoked or current.version != credential.version:
            return  # it was rotated or revoked under the call: what is said of it matters to nobody any more
        status = visit.exchange.status or response.status_code
        if 200 <= status < 300 or status == SWITCHED:
            self._accepted(visit, credential)
        elif visit.provider_error is not None and is_plain(visit.headers, len(visit.found_keys)):
            headers = {name.lower(): value for name, value in response.headers.items()}
            if blames_the_key(status, headers, bytes(visit.provider_error)):
                self._refused(visit, credential, status)

    def _accepted(self, visit: Visit, credential: Credential) -> None:
        known = self._standing(credential)
        if known is None or not known.refused:
            return
        self._seen[credential.id] = now_known = accepted(known, self._clock())
        if not now_known.refused:
            self._tell(CREDENTIAL_ACCEPTED, Severity.NOTICE, visit, credential, now_known)

    def _refused(self, visit: Visit, credential: Credential, status: int) -> None:
        known = self._standing(credential)
        self._seen[credential.id] = now_known = refused(credential, known, self._clock())
        if known is None or not known.refused:
            self._tell(CREDENTIAL_REFUSED, Severity.WARNING, visit, credential, now_known, status=status)

    def _standing(self, credential: Credential) -> Standing | None:
        return standing(credential, self._seen.get(credential.id))

    def _tell(
        self,
        action: str,
        severity: Severity,
        visit: Visit,
        credential: Credential,
        known: Standing,
        **further: int,
    ) -> None:
        """Write the incident down; workers that meet the same refusal at once write the same one."""
        self._untold.append(
            incident(
                action,
                known.at,
                severity=severity,
                whose=credential.tenant_id,
                once=f"{credential.id} {credential.version} {known.refusals}",
                detail={
                    "credential_id": str(credential.id),
                    "credential": credential.name,
                    "version": credential.version,
                    "provider": credential.provider,
                    "call_id": str(visit.exchange.id),
                    **further,
                },
            )
        )
        try:
            while self._untold:
                self._spool.append_event(self._untold[0])
                del self._untold[0]
        except SpoolError as problem:
            logger.error("what a provider said of a credential is not recorded yet: {}", problem)

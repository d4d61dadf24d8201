"""The public keys of token issuers: fetched in the background, kept in memory, never fetched by a call.

One task an issuer fetches its JWK set, so there is never more than one request for it. A call only reads
what is there; the first calls of a worker wait for the first fetch to end.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import httpx
from loguru import logger

from policy.tokens import InvalidKeySet, Issuer, VerificationKey, read_key_set

# How long a fetched set is used before it is fetched again; a key that its issuer withdrew is believed for
# as long. Issuers publish a new key days before they sign with it.
REFRESH_S = 300.0
# Without an answer from the issuer its last set is believed for so long.
LAST_GOOD_S = 3600.0
RETRY_S = 5.0
# A token with an unknown key asks for a fetch, but not more often than this.
ASKED_EVERY_S = 15.0

FETCH_TIMEOUT_S = 5.0
FIRST_WAIT_S = 1.0
# Google's set has 3 KiB, Entra's 20.
SET_BYTES_MAX = 256 * 1024


class KeysUnavailable(Exception):
    """The issuer's keys are not known, or have not been confirmed for too long."""


@dataclass(slots=True)
class _Source:
    """The keys of one issuer. ``fetched_at`` and ``tried_at`` are monotonic seconds."""

    issuer: Issuer
    keys: tuple[VerificationKey, ...] = ()
    fetched_at: float | None = None
    tried_at: float | None = None
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: asyncio.Event = field(default_factory=asyncio.Event)


class KeySets:
    """The key sets of all issuers. ``authorities`` is the PEM file that their TLS is verified with."""

    def __init__(
        self,
        issuers: Iterable[Issuer],
        authorities: Path | None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources = {issuer: _Source(issuer) for issuer in issuers}
        self._authorities = authorities
        self._monotonic = monotonic

    async def keys(self, issuer: Issuer) -> tuple[VerificationKey, ...]:
        """The issuer's keys; raises ``KeysUnavailable``."""
        source = self._sources[issuer]
        if source.fetched_at is None and not source.tried.is_set():
            try:
                async with asyncio.timeout(FIRST_WAIT_S):
                    await source.tried.wait()
            except TimeoutError as error:
                raise KeysUnavailable from error
        if source.fetched_at is None or self._monotonic() - source.fetched_at > LAST_GOOD_S:
            raise KeysUnavailable
        return source.keys

    def refresh(self, issuer: Issuer) -> bool:
        """Ask for newer keys; false where they have just been fetched, so that none are to be expected."""
        source = self._sources[issuer]
        if source.tried_at is not None and self._monotonic() - source.tried_at < ASKED_EVERY_S:
            return False
        source.wanted.set()
        return True

    async def run(self) -> None:
        """Keep every set fresh until cancelled."""
        if not self._sources:
            return
        cafile = str(self._authorities) if self._authorities else None
        context = await asyncio.to_thread(ssl.create_default_context, cafile=cafile)
        # Not through a proxy that the environment names: it may be this gateway.
        async with (
            httpx.AsyncClient(verify=context, trust_env=False, timeout=FETCH_TIMEOUT_S) as client,
            asyncio.TaskGroup() as group,
        ):
            for source in self._sources.values():
                group.create_task(self._follow(source, client))

    async def _follow(self, source: _Source, client: httpx.AsyncClient) -> NoReturn:
        while True:
            source.wanted.clear()
            source.tried_at = self._monotonic()
            try:
                source.keys = await _fetch(client, source.issuer)
                source.fetched_at = source.tried_at
                wait_s = REFRESH_S
            except Exception as problem:  # whatever it is, the next try may do better
                wait_s = RETRY_S
                reason = str(problem) if isinstance(problem, InvalidKeySet) else type(problem).__name__
                logger.warning("the keys of {} could not be fetched: {}", source.issuer.issuer, reason)
            source.tried.set()
            try:
                async with asyncio.timeout(wait_s):
                    await source.wanted.wait()
            except TimeoutError:
                continue


async def _fetch(client: httpx.AsyncClient, issuer: Issuer) -> tuple[VerificationKey, ...]:
    """Redirects are not followed: the keys come from where the operator said, and nowhere else."""
    body = bytearray()
    async with (
        asyncio.timeout(FETCH_TIMEOUT_S),
        client.stream("GET", issuer.jwks_url, headers={"accept": "application/json"}) as response,
    ):
        if response.status_code != httpx.codes.OK:
            raise InvalidKeySet(f"the answer is {response.status_code}")
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > SET_BYTES_MAX:
                raise InvalidKeySet("the key set is too large")
    return read_key_set(bytes(body), issuer.algorithms)

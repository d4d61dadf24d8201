"""Identity tokens in requests: which are ours to judge, and what they prove. Each is verified once."""

import hashlib
from datetime import datetime

from addons.key_sets import KeySets, KeysUnavailable
from policy.attribution import unproven
from policy.refusals import Reason, Refusal
from policy.tokens import (
    Claimed,
    InvalidToken,
    Issuer,
    UnknownKey,
    UnverifiedToken,
    VerificationKey,
    VerifiedToken,
    issuer_of,
    read_token,
    verify_token,
)

# Tokens remembered as verified: some 300 bytes each. Clients reuse a token for minutes to hours.
REMEMBERED_MAX = 10_000


class IdentityTokens:
    """Judges tokens by their issuers' keys."""

    def __init__(self, issuers: tuple[Issuer, ...], key_sets: KeySets) -> None:
        self._issuers = issuers
        self._key_sets = key_sets
        # By the token's digest; valid for as long as its issuer's keys are the very same.
        self._verified: dict[bytes, tuple[VerifiedToken, Issuer, tuple[VerificationKey, ...]]] = {}

    @property
    def expected(self) -> bool:
        """Whether any issuer is configured."""
        return bool(self._issuers)

    async def judge(self, text: str, now: datetime) -> Claimed | Refusal | None:
        """Whom the token names, or why it proves nothing; ``None`` where it is no token for this gateway."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        remembered = self._verified.get(digest)
        try:
            if remembered is not None and await self._key_sets.keys(remembered[1]) is remembered[2]:
                return _in_force(remembered[0], now)
            token = read_token(text)
            issuer = issuer_of(token, self._issuers)
            return None if issuer is None else await self._verify(digest, token, issuer, now)
        except InvalidToken:
            return None
        except KeysUnavailable:
            return _unavailable("The keys of the identity provider cannot be had at the moment; try again.")

    async def _verify(
        self, digest: bytes, token: UnverifiedToken, issuer: Issuer, now: datetime
    ) -> Claimed | Refusal:
        keys = await self._key_sets.keys(issuer)
        try:
            verified = verify_token(token, issuer, keys, now)
        except UnknownKey as problem:
            # Its issuer may have begun to sign with a new key.
            if self._key_sets.refresh(issuer):
                return _unavailable("The identity token is signed with a new key; try again.")
            return _refused(problem)
        except InvalidToken as problem:
            return _refused(problem)
        if len(self._verified) >= REMEMBERED_MAX:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = (verified, issuer, keys)
        return verified.claimed


def _in_force(verified: VerifiedToken, now: datetime) -> Claimed | Refusal:
    if verified.in_force(now):
        return verified.claimed
    return _refused(InvalidToken("it has expired, or is not in force yet"))


def _refused(problem: InvalidToken) -> Refusal:
    return unproven(f"The identity token is not accepted: {problem}.", "token-valid")


def _unavailable(message: str) -> Refusal:
    return Refusal(Reason.DEGRADED, message, "identity-keys", 2)

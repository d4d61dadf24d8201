"""Identity tokens: JSON Web Tokens of issuers that the operator named (RFC 7519, by the rules of RFC 8725).

PyJWT does the cryptography. What it leaves open is closed here: which key may verify what, which headers
are allowed, how strictly the text is read. Fetching the issuer's keys is not done here.
"""

import base64
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from policy.strict_json import AmbiguousJson, parse

# Entra's tokens with many groups reach 8 KiB; a whole request head may have 64 KiB.
TOKEN_BYTES_MAX = 16 * 1024
KEYS_MAX = 100
NAME_LENGTH_MAX = 200
# Clocks of issuer and gateway may differ by this much.
LEEWAY = timedelta(seconds=60)

# Compact serialization in the alphabet of base64url without padding (RFC 7515 section 2).
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
# What a header may hold. `crit` would demand what is not understood here; `jku`, `x5u`, `jwk` and `x5c`
# offer a key of the token's own choice (RFC 8725 section 3.10), and no issuer needs to be believed there.
_REFUSED_HEADERS = frozenset({"crit", "jku", "jwk", "x5u", "x5c", "b64", "zip", "enc"})

# The key type, and the curve, that each algorithm wants (RFC 7518 section 3.1, RFC 8037 section 3.1).
_KEY_TYPES: Mapping[str, tuple[str, str | None]] = {
    **{f"{family}{bits}": ("RSA", None) for family in ("RS", "PS") for bits in (256, 384, 512)},
    **{f"HS{bits}": ("oct", None) for bits in (256, 384, 512)},
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}


class InvalidToken(ValueError):
    """A token that proves nothing; the text says why, and quotes nothing of it."""


class UnknownKey(InvalidToken):
    """The token names a key that is not in the set; the issuer may have a new one."""


class InvalidKeySet(ValueError):
    """A document that is no JWK set with a usable key in it."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens are believed, for whom, and how they say it. ``tenant`` or ``tenant_claim`` is set.

    ``types`` are the values of ``typ`` that are taken, lower case; one without ``typ`` counts as ``jwt``.
    """

    issuer: str
    audience: str
    jwks_url: str
    algorithms: frozenset[str]
    types: frozenset[str]
    tenant: str | None
    tenant_claim: str | None
    user_claim: str


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key for one algorithm."""

    kid: str | None
    algorithm: str
    key: jwt.PyJWK


@dataclass(frozen=True, slots=True)
class Claimed:
    """Whom an authenticated source names, in its own words. ``tenant`` is a tenant's name here."""

    tenant: str
    user: str | None


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a token proves, while it is in force."""

    claimed: Claimed
    not_before: datetime
    expires_at: datetime

    def in_force(self, now: datetime) -> bool:
        """Whether ``now`` lies within its lifetime, give or take ``LEEWAY``."""
        return self.not_before - LEEWAY <= now < self.expires_at + LEEWAY


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A token that has been read, and not believed. ``text`` is secret: who holds it is its user."""

    text: str
    header: Mapping[str, object]
    claims: Mapping[str, object]

    def __repr__(self) -> str:
        return "<unverified token>"


def has_token_form(text: str) -> bool:
    """Whether a text looks like a JSON Web Token in compact serialization. They all begin ``{"``."""
    return text.startswith("eyJ") and _COMPACT.fullmatch(text) is not None


def read_token(text: str) -> UnverifiedToken:
    """Read header and claims strictly, and believe neither; raises ``InvalidToken``."""
    return UnverifiedToken(text, read_header(text), _object(text.split(".")[1]))


def read_header(text: str) -> dict[str, object]:
    """The header of a signed text in compact serialization; raises ``InvalidToken``."""
    if len(text) > TOKEN_BYTES_MAX or _COMPACT.fullmatch(text) is None:
        raise InvalidToken("it is not a JSON Web Token")
    return _object(text.split(".")[0])


def issuer_of(token: UnverifiedToken, issuers: Iterable[Issuer]) -> Issuer | None:
    """The configured issuer that the token says it is from and for; ``None`` where there is none.

    One issuer may be configured once for each audience. Its tokens for other audiences are none of ours:
    a provider may take tokens of the same issuer as its keys.
    """
    stated = token.claims.get("aud")
    audiences = stated if isinstance(stated, list) else [stated]
    for issuer in issuers:
        if issuer.issuer == token.claims.get("iss") and issuer.audience in audiences:
            return issuer
    return None


def verify_token(
    token: UnverifiedToken, issuer: Issuer, keys: tuple[VerificationKey, ...], now: datetime
) -> VerifiedToken:
    """What the token proves at ``now``; raises ``InvalidToken``, ``UnknownKey`` for a missing key."""
    kind = token.header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in issuer.types:
        raise InvalidToken("it is of another type")
    verify_signature(token.text, token.header, keys)
    if token.claims.get("iss") != issuer.issuer:
        raise InvalidToken("it is of another issuer")
    _check_audience(token.claims.get("aud"), issuer.audience)
    begins = [_moment(token.claims, name) for name in ("nbf", "iat") if name in token.claims]
    if not begins:
        raise InvalidToken("it says not from when it is in force (nbf or iat)")
    verified = VerifiedToken(_claimed(token, issuer), max(begins), _moment(token.claims, "exp"))
    if not verified.in_force(now):
        raise InvalidToken("it has expired, or is not in force yet")
    return verified


def verify_signature(text: str, header: Mapping[str, object], keys: tuple[VerificationKey, ...]) -> None:
    """Check the signature with the one key that the header names; raises ``InvalidToken``."""
    refused = _REFUSED_HEADERS & header.keys()
    if refused:
        raise InvalidToken(f"its header holds {min(refused)}")
    key = _choose(header, keys)
    try:
        _jws.decode_complete(text, key.key, algorithms=[key.algorithm])
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise InvalidToken("its signature does not verify") from error


def read_key_set(document: bytes, algorithms: Iterable[str]) -> tuple[VerificationKey, ...]:
    """The keys of a JWK set (RFC 7517) that may verify one of ``algorithms``; raises ``InvalidKeySet``.

    Left out are keys that are for something else (``use``, ``key_ops``, ``alg``), and all keys that share
    both name and algorithm. A set with symmetric and public keys is refused whole: one would pass for the
    other.
    """
    try:
        found = parse(document)
    except AmbiguousJson as error:
        raise InvalidKeySet("the key set is not JSON of one meaning") from error
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list) or len(listed) > KEYS_MAX:
        raise InvalidKeySet("the document is no JWK set")
    members = [item for item in listed if isinstance(item, dict)]
    symmetric = {item.get("kty") == "oct" for item in members}
    if len(symmetric) > 1:
        raise InvalidKeySet("the key set mixes symmetric and public keys")
    keys = [key for item in members for key in _verification_keys(item, frozenset(algorithms))]
    counts = Counter((key.kid, key.algorithm) for key in keys)
    usable = tuple(key for key in keys if key.kid is None or counts[key.kid, key.algorithm] == 1)
    if not usable:
        raise InvalidKeySet("the key set holds no key for these algorithms")
    return usable


def _verification_keys(item: dict[str, object], algorithms: frozenset[str]) -> Iterable[VerificationKey]:
    operations = item.get("key_ops", ["verify"])
    if item.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return
    kid = item.get("kid")
    if kid is not None and not isinstance(kid, str):
        return
    for algorithm in sorted(algorithms & {item.get("alg", algorithm) for algorithm in algorithms}):
        kind, curve = _KEY_TYPES[algorithm]
        if item.get("kty") != kind or (curve is not None and item.get("crv") != curve):
            continue
        try:
            key = VerificationKey(kid, algorithm, jwt.PyJWK(item, algorithm))
        except (jwt.PyJWTError, ValueError, TypeError):
            continue  # a key that cannot be read verifies nothing; the others still do
        if not _is_factorable(key.key.key):
            yield key


def _is_factorable(key: object) -> bool:
    """Whether an RSA key has the mark of the generator of CVE-2017-15361 (ROCA), whose keys can be factored.

    Its primes are powers of 65537 modulo many small primes, so its moduli are too; others are by chance once
    in 2^27 (Nemec et al., "The Return of Coppersmith's Attack", section 5.1).
    """
    if not isinstance(key, RSAPublicKey):
        return False
    modulus = key.public_numbers().n
    return all(modulus % prime in powers for prime, powers in _ROCA_POWERS)


def _choose(header: Mapping[str, object], keys: tuple[VerificationKey, ...]) -> VerificationKey:
    algorithm, kid = header.get("alg"), header.get("kid")
    suited = [key for key in keys if key.algorithm == algorithm]
    if not isinstance(algorithm, str) or algorithm not in {key.algorithm for key in keys}:
        raise InvalidToken("its algorithm is not one that was agreed on")
    if kid is None:
        if len(suited) != 1:
            raise InvalidToken("it names no key, and the issuer has several")
        return suited[0]
    for key in suited:
        if key.kid == kid:
            return key
    raise UnknownKey("it names a key that the issuer does not have")


def _object(part: str) -> dict[str, object]:
    try:
        found = parse(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError as error:
        raise InvalidToken("it cannot be read in one way") from error
    if not isinstance(found, dict):
        raise InvalidToken("it is not made of JSON objects")
    return found


def _check_audience(stated: object, wanted: str) -> None:
    audiences = stated if isinstance(stated, list) else [stated]
    if wanted not in audiences or not all(isinstance(item, str) for item in audiences):
        raise InvalidToken("it is for somebody else")


def _moment(claims: Mapping[str, object], name: str) -> datetime:
    seconds = claims.get(name)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidToken(f"its {name} is no time")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidToken(f"its {name} is no time") from error


def _claimed(token: UnverifiedToken, issuer: Issuer) -> Claimed:
    tenant = issuer.tenant
    if tenant is None:
        tenant = _name(token.claims, issuer.tenant_claim or "")
    return Claimed(tenant, _name(token.claims, issuer.user_claim))


def _name(claims: Mapping[str, object], claim: str) -> str:
    found = claims.get(claim)
    if not isinstance(found, str) or not found.isprintable() or not 0 < len(found) <= NAME_LENGTH_MAX:
        raise InvalidToken(f"its {claim} names nobody")
    return found


# RSA keys below 2,048 bits and short symmetric keys are refused (RFC 7518 sections 3.2, 3.3).
_jws = jwt.PyJWS(options={"enforce_minimum_key_length": True})

_ROCA_POWERS = tuple(
    (prime, frozenset(pow(65537, exponent, prime) for exponent in range(prime - 1)))
    for prime in range(3, 168, 2)
    if all(prime % factor for factor in range(3, 13, 2) if factor != prime)
)

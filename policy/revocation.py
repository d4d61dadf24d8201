"""Certificate revocation lists (RFC 5280 section 5): whether a client's certificate has been taken back.

A certificate counts only where a list of its issuer says so now: without one, or with one that is past its
``nextUpdate``, nobody knows, and what nobody knows is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import ExtensionOID

# A list may be published by a clock that is a little ahead.
SKEW = timedelta(minutes=5)
_BEGIN, _END = b"-----BEGIN X509 CRL-----", b"-----END X509 CRL-----"
# The only extensions of a whole list that a reader must understand and that change nothing for it. A delta
# list, or one for some reasons or certificates only, says so critically, and is no whole list.
_HARMLESS = frozenset(
    {
        ExtensionOID.CRL_NUMBER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.ISSUER_ALTERNATIVE_NAME,
    }
)


class Revoked(Exception):
    """The certificate, or one that vouches for it, has been taken back."""


class RevocationUnknown(Exception):
    """No list in force says whether a certificate has been taken back; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class _List:
    """A list as read; who signed it is checked against the chain that it is used for."""

    crl: x509.CertificateRevocationList
    serials: frozenset[int]
    since: datetime
    until: datetime


class RevocationLists:
    """The lists of a file: PEM, one or several, or one in DER. Raises ``ValueError`` where it holds none."""

    def __init__(self, content: bytes) -> None:
        self._lists = tuple(_read(encoded) for encoded in _split(content))
        if not self._lists:
            raise ValueError("there is no revocation list")
        self._signed: dict[tuple[int, bytes], bool] = {}

    @property
    def until(self) -> datetime:
        """When the first of them is out of date."""
        return min(each.until for each in self._lists)

    def check(self, chain: Sequence[x509.Certificate], now: datetime) -> None:
        """Judge a verified chain, leaf first and root last; raises ``Revoked``, ``RevocationUnknown``."""
        for certificate, issuer in pairwise(chain):
            lists = [
                found
                for number, found in enumerate(self._lists)
                if found.since <= now + SKEW and now < found.until and self._is_by(number, found, issuer)
            ]
            if any(certificate.serial_number in found.serials for found in lists):
                raise Revoked
            if not lists:
                raise RevocationUnknown("no list of its authority is in force")

    def _is_by(self, number: int, found: _List, issuer: x509.Certificate) -> bool:
        if found.crl.issuer != issuer.subject:
            return False
        key = (number, _identity(issuer))
        if key not in self._signed:
            self._signed[key] = _may_sign(issuer) and _is_signed(found.crl, issuer)
        return self._signed[key]


def _identity(certificate: x509.Certificate) -> bytes:
    return certificate.signature + certificate.serial_number.to_bytes(32)


def _split(content: bytes) -> list[x509.CertificateRevocationList]:
    if _BEGIN not in content:
        return [x509.load_der_x509_crl(content)]
    return [
        x509.load_pem_x509_crl(_BEGIN + part.partition(_END)[0] + _END + b"\n")
        for part in content.split(_BEGIN)[1:]
    ]


def _read(crl: x509.CertificateRevocationList) -> _List:
    for extension in crl.extensions:
        if extension.critical and extension.oid not in _HARMLESS:
            raise ValueError("a list is for some certificates only")
    until = crl.next_update_utc
    if until is None:
        raise ValueError("a list does not say until when it holds")
    serials = frozenset(entry.serial_number for entry in crl)
    return _List(crl, serials, crl.last_update_utc.astimezone(UTC), until)


def _may_sign(issuer: x509.Certificate) -> bool:
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return usage.crl_sign


def _is_signed(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        # A key of a kind that signs no lists raises TypeError.
        return crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False

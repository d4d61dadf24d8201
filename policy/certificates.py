"""Client certificates: whether one is to be believed, and whom it names.

mitmproxy takes any certificate that a client shows, so chain, time and purpose are judged here, by the
verifier of ``cryptography`` (RFC 5280, profile of the web's PKI, for clients).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.oid import NameOID

from policy.tokens import NAME_LENGTH_MAX, Claimed

USER = "{user}"
# Between a client and its authority stand one or two issuing authorities at most.
CHAIN_DEPTH_MAX = 4


class UnacceptableCertificate(ValueError):
    """A certificate that proves nothing; the text says why."""


@dataclass(frozen=True, slots=True)
class CertificateRule:
    """Which certificates name ``tenant``: those that match every text that is set.

    A text matches as it stands; ``{user}`` in one of them stands for the user's name (without ``/``).
    ``spiffe`` is the URI of a SPIFFE identity, ``email`` an address in the subject's alternative names.
    """

    tenant: str
    spiffe: str | None = None
    email: str | None = None
    common_name: str | None = None
    organisation: str | None = None


@dataclass(frozen=True, slots=True)
class VerifiedCertificate:
    """Whom a verified certificate names, until when. ``claimed`` is ``None`` where no rule is for it.

    ``chain`` is what vouches for it, leaf first and root last.
    """

    claimed: Claimed | None
    expires_at: datetime
    chain: tuple[x509.Certificate, ...]


class ClientAuthorities:
    """The authorities whose client certificates are believed; ``pem`` holds their certificates.

    Raises ``ValueError`` where there is none.
    """

    def __init__(self, pem: bytes, rules: Iterable[CertificateRule]) -> None:
        self._store = verification.Store(x509.load_pem_x509_certificates(pem))
        self._rules = tuple((rule.tenant, _matchers(rule)) for rule in rules)

    def verify(self, chain: Sequence[x509.Certificate], now: datetime) -> VerifiedCertificate:
        """Judge what a client showed, leaf first; raises ``UnacceptableCertificate``."""
        verifier = (
            verification.PolicyBuilder()
            .store(self._store)
            .time(now)
            .max_chain_depth(CHAIN_DEPTH_MAX)
            .extension_policies(ee_policy=_LEAF, ca_policy=verification.ExtensionPolicy.webpki_defaults_ca())
            .build_client_verifier()
        )
        leaf = chain[0]
        try:
            verified = verifier.verify(leaf, list(chain[1:]))
            claimed = self._claimed(leaf)
        except (verification.VerificationError, x509.UnsupportedGeneralNameType, ValueError) as error:
            raise UnacceptableCertificate("no authority named here vouches for it") from error
        expires_at = min(item.not_valid_after_utc for item in verified.chain)
        return VerifiedCertificate(claimed, expires_at, tuple(verified.chain))

    def _claimed(self, leaf: x509.Certificate) -> Claimed | None:
        for tenant, matchers in self._rules:
            found = [match(leaf) for match in matchers]
            if None not in found:
                return Claimed(tenant, next((user for user in found if user), None))
        return None


# A certificate for people may have its name in the subject alone.
_LEAF = verification.ExtensionPolicy.webpki_defaults_ee().may_be_present(
    x509.SubjectAlternativeName, verification.Criticality.AGNOSTIC, None
)

# What a matcher gives: the user's name, an empty text where the rule asks for none, ``None`` for no match.
_Matcher = Callable[[x509.Certificate], str | None]


def _matchers(rule: CertificateRule) -> tuple[_Matcher, ...]:
    readers = (
        (rule.spiffe, _uris),
        (rule.email, _emails),
        (rule.common_name, lambda leaf: _subject(leaf, NameOID.COMMON_NAME)),
        (rule.organisation, lambda leaf: _subject(leaf, NameOID.ORGANIZATION_NAME)),
    )
    return tuple(_matcher(text, read) for text, read in readers if text is not None)


def _matcher(text: str, read: Callable[[x509.Certificate], list[str]]) -> _Matcher:
    before, user, after = (re.escape(part) for part in text.partition(USER))
    pattern = re.compile(f"{before}([^/]+){after}" if user else before)

    def match(leaf: x509.Certificate) -> str | None:
        found = [matched for name in read(leaf) if (matched := pattern.fullmatch(name)) is not None]
        if len(found) != 1:  # two names that match are two users
            return None
        if not user:
            return ""
        name = found[0][1]
        return name if name.isprintable() and len(name) <= NAME_LENGTH_MAX else None

    return match


def _uris(leaf: x509.Certificate) -> list[str]:
    """The one URI of a SPIFFE identity; a certificate with several is none (SPIFFE X.509-SVID section 2)."""
    found = _alternatives(leaf, x509.UniformResourceIdentifier)
    return found if len(found) == 1 else []


def _emails(leaf: x509.Certificate) -> list[str]:
    return _alternatives(leaf, x509.RFC822Name)


def _alternatives(
    leaf: x509.Certificate, kind: type[x509.UniformResourceIdentifier | x509.RFC822Name]
) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return list(names.get_values_for_type(kind))


def _subject(leaf: x509.Certificate, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(attribute.value) for attribute in leaf.subject.get_attributes_for_oid(oid)]

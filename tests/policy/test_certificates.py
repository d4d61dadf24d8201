"""A client certificate names somebody only if an authority vouches for it, now, and a rule fits."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from policy.certificates import CertificateRule, ClientAuthorities, UnacceptableCertificate
from policy.tokens import Claimed
from tests.standins.authority import Authority

SPIFFE = x509.UniformResourceIdentifier("spiffe://acme.example/people/ada")
RULES = (
    CertificateRule("acme", spiffe="spiffe://acme.example/people/{user}"),
    CertificateRule("acme", spiffe="spiffe://acme.example/build"),
    CertificateRule("globex", email="{user}@globex.example"),
    CertificateRule("initech", common_name="{user}"),
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("clients"), "Clients")


def verified(authority: Authority, *chain: x509.Certificate, rules=RULES, now: datetime | None = None):
    authorities = ClientAuthorities(authority.ca_file.read_bytes(), rules)
    return authorities.verify(chain, now or datetime.now(UTC))


@pytest.mark.parametrize(
    ("name", "alternatives", "claimed"),
    [
        ("x/y", [SPIFFE], Claimed("acme", "ada")),
        ("x/y", [x509.UniformResourceIdentifier("spiffe://acme.example/build")], Claimed("acme", None)),
        ("x/y", [x509.RFC822Name("bob@globex.example")], Claimed("globex", "bob")),
        ("cleo", [], Claimed("initech", "cleo")),
        ("x/y", [], None),
        ("x/y", [x509.UniformResourceIdentifier("spiffe://acme.example/people/ada/admin")], None),
        ("x/y", [x509.UniformResourceIdentifier("spiffe://evil.example/people/ada")], None),
        ("x/y", [SPIFFE, x509.UniformResourceIdentifier("spiffe://acme.example/people/bob")], None),
        ("x/y", [x509.RFC822Name("a@globex.example"), x509.RFC822Name("b@globex.example")], None),
        ("x/y", [x509.RFC822Name("bob@globex.example.evil")], None),
    ],
)
def test_the_first_rule_that_fits_names_tenant_and_user(authority, name, alternatives, claimed):
    assert verified(authority, authority.client(name, *alternatives)).claimed == claimed


def test_every_condition_of_a_rule_must_fit(authority):
    both = CertificateRule("acme", spiffe="spiffe://acme.example/people/{user}", common_name="laptop")
    assert verified(authority, authority.client("laptop", SPIFFE), rules=[both]).claimed.user == "ada"
    assert verified(authority, authority.client("phone", SPIFFE), rules=[both]).claimed is None


def test_a_certificate_ends_with_the_first_of_its_chain(authority):
    leaf = authority.client("cleo")
    assert verified(authority, leaf).expires_at == leaf.not_valid_after_utc


def test_what_nobody_vouches_for_is_not_believed(authority, tmp_path: Path):
    stranger = Authority(tmp_path, "Clients").client("cleo")
    with pytest.raises(UnacceptableCertificate):
        verified(authority, stranger)


@pytest.mark.parametrize("changed", [{"usage": ExtendedKeyUsageOID.SERVER_AUTH}, {"expired": True}], ids=str)
def test_a_certificate_for_something_else_or_of_another_time_is_not_believed(authority, changed):
    with pytest.raises(UnacceptableCertificate):
        verified(authority, authority.client("cleo", **changed))


def test_a_certificate_is_not_believed_before_and_after_its_time(authority):
    for now in (datetime.now(UTC) + timedelta(days=40), datetime.now(UTC) - timedelta(days=2)):
        with pytest.raises(UnacceptableCertificate):
            verified(authority, authority.client("cleo"), now=now)


def test_an_authority_below_vouches_if_it_is_shown(authority, tmp_path: Path):
    below = Authority(tmp_path, "Clients of one site", superior=authority)
    leaf = below.client("cleo")
    assert verified(authority, leaf, below.certificate).claimed == Claimed("initech", "cleo")
    with pytest.raises(UnacceptableCertificate):
        verified(authority, leaf)


def test_a_leaf_does_not_vouch_for_another(authority, tmp_path: Path):
    leaf = authority.client("cleo")
    with pytest.raises(UnacceptableCertificate):
        verified(authority, Authority(tmp_path, "cleo").client("ada"), leaf)


def test_a_file_without_authorities_is_refused():
    with pytest.raises(ValueError, match="PEM"):
        ClientAuthorities(b"", RULES)

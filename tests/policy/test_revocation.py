"""A certificate counts where a list of its issuer that is in force does not name it, and nowhere else."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from policy.revocation import RevocationLists, RevocationUnknown, Revoked
from tests.standins.authority import Authority

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("root"), "Root")


@pytest.fixture(scope="module")
def site(root: Authority, tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("site"), "Site", superior=root)


def pem(*lists: x509.CertificateRevocationList) -> bytes:
    return b"".join(each.public_bytes(Encoding.PEM) for each in lists)


def test_a_revoked_certificate_is_told_from_one_that_is_not(root: Authority) -> None:
    good, bad = root.client("ada"), root.client("bob")
    lists = RevocationLists(pem(root.revocation_list(bad)))
    lists.check([good, root.certificate], NOW)
    with pytest.raises(Revoked):
        lists.check([bad, root.certificate], NOW)


def test_a_list_in_der_is_read(root: Authority) -> None:
    bad = root.client("bob")
    lists = RevocationLists(root.revocation_list(bad).public_bytes(Encoding.DER))
    with pytest.raises(Revoked):
        lists.check([bad, root.certificate], NOW)


def test_every_authority_of_a_chain_needs_a_list(root: Authority, site: Authority) -> None:
    chain = [site.client("ada"), site.certificate, root.certificate]
    RevocationLists(pem(root.revocation_list(), site.revocation_list())).check(chain, NOW)
    for missing in (root, site):
        with pytest.raises(RevocationUnknown):
            RevocationLists(pem(missing.revocation_list())).check(chain, NOW)
    with pytest.raises(Revoked):
        RevocationLists(pem(root.revocation_list(site.certificate), site.revocation_list())).check(chain, NOW)


def test_a_list_out_of_date_or_of_the_future_or_of_another_is_none(root: Authority, tmp_path: Path) -> None:
    chain = [root.client("ada"), root.certificate]
    namesake = Authority(tmp_path / "namesake", "Root")
    for made in (
        root.revocation_list(hours=-1),
        root.revocation_list(signed_by=namesake),
        namesake.revocation_list(),
    ):
        with pytest.raises(RevocationUnknown):
            RevocationLists(pem(made)).check(chain, NOW)
    with pytest.raises(RevocationUnknown):
        RevocationLists(pem(root.revocation_list())).check(chain, datetime(2020, 1, 1, tzinfo=UTC))


def test_of_a_newer_and_an_older_list_both_count(root: Authority) -> None:
    bad = root.client("bob")
    lists = RevocationLists(pem(root.revocation_list(), root.revocation_list(bad)))
    with pytest.raises(Revoked):
        lists.check([bad, root.certificate], NOW)


@pytest.mark.parametrize(
    "extension",
    [
        x509.DeltaCRLIndicator(1),
        x509.IssuingDistributionPoint(None, None, True, False, None, False, False),
    ],
    ids=["delta", "for some certificates"],
)
def test_a_list_that_is_not_whole_is_refused(root: Authority, extension: x509.ExtensionType) -> None:
    made = root.revocation_list(extension=(extension, True))
    with pytest.raises(ValueError, match="some certificates"):
        RevocationLists(pem(made))
    RevocationLists(pem(root.revocation_list(extension=(x509.CRLNumber(7), False))))


@pytest.mark.parametrize(
    "content", [b"", b"rubbish", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"]
)
def test_what_is_no_list_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of the parser
        RevocationLists(content)

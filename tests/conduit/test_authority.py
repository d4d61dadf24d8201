"""The certificate authority: made once, kept closed, checked at each start, trusted by real TLS clients."""

import asyncio
import datetime
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dh, ec
from mitmproxy.certs import CertStore

from conduit.authority import ensure_authority
from conduit.data_folder import DataFolder
from conduit.errors import AuthorityError

NOW = datetime.datetime(2026, 11, 24, 8, 0, tzinfo=datetime.UTC)


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")


def test_authority_is_a_p256_key_that_signs_for_its_servers_only(folder: DataFolder) -> None:
    authority = ensure_authority(folder, now=NOW)
    certificate = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    assert authority.expires_at > NOW + datetime.timedelta(days=3000)


def test_key_is_closed_and_the_public_file_holds_none(folder: DataFolder) -> None:
    authority = ensure_authority(folder, now=NOW)
    assert stat.S_IMODE((authority.directory / "mitmproxy-ca.pem").stat().st_mode) == 0o600
    assert b"PRIVATE" not in authority.certificate.read_bytes()
    assert "PRIVATE" not in authority.pem


def test_second_start_keeps_the_authority(folder: DataFolder) -> None:
    first = ensure_authority(folder, now=NOW)
    assert ensure_authority(folder, now=NOW + datetime.timedelta(days=1)) == first


def test_parameters_are_a_safe_group_of_rfc_7919(folder: DataFolder) -> None:
    authority = ensure_authority(folder, now=NOW)
    text = (authority.directory / "mitmproxy-dhparam.pem").read_bytes()
    numbers = serialization.load_pem_parameters(text)
    assert isinstance(numbers, dh.DHParameters)
    prime = numbers.parameter_numbers().p
    assert prime.bit_length() == 2048
    # 2 generates the subgroup of prime order q = (p - 1) / 2, so 2**q is 1 modulo a safe prime p.
    assert pow(2, (prime - 1) // 2, prime) == 1


async def test_tls_client_trusts_a_leaf_of_it_and_no_file_is_added(
    folder: DataFolder, tmp_path: Path
) -> None:
    authority = ensure_authority(folder, now=datetime.datetime.now(datetime.UTC))
    before = {path.name for path in authority.directory.iterdir()}
    store = CertStore.from_store(authority.directory, "mitmproxy", 2048)
    entry = store.get_cert("api.openai.com", [x509.DNSName("api.openai.com")])
    assert {path.name for path in authority.directory.iterdir()} == before
    private = entry.privatekey.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "leaf.pem").write_bytes(private + entry.cert.to_pem())
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(tmp_path / "leaf.pem")
    trusting = ssl.create_default_context(cafile=authority.certificate)
    assert await shakes_hands(server_side, trusting)
    assert not await shakes_hands(server_side, ssl.create_default_context())


async def shakes_hands(server_side: ssl.SSLContext, client_side: ssl.SSLContext) -> bool:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=server_side)
    host, port = server.sockets[0].getsockname()
    async with server:
        try:
            opening = asyncio.open_connection(host, port, ssl=client_side, server_hostname="api.openai.com")
            _, writer = await opening
        except ssl.SSLCertVerificationError:
            return False
        writer.close()
        return True


def test_key_open_to_others_is_refused(folder: DataFolder) -> None:
    authority = ensure_authority(folder, now=NOW)
    (authority.directory / "mitmproxy-ca.pem").chmod(0o640)
    with pytest.raises(AuthorityError, match="0600"):
        ensure_authority(folder, now=NOW)


def test_expired_authority_is_refused_and_not_replaced(folder: DataFolder) -> None:
    authority = ensure_authority(folder, now=NOW)
    with pytest.raises(AuthorityError, match="expired"):
        ensure_authority(folder, now=NOW + datetime.timedelta(days=3651))
    assert ensure_authority(folder, now=NOW) == authority


def test_key_that_does_not_fit_is_refused(folder: DataFolder, tmp_path: Path) -> None:
    authority = ensure_authority(folder, now=NOW)
    other = ensure_authority(DataFolder(tmp_path / "other"), now=NOW)
    key, _, _ = (other.directory / "mitmproxy-ca.pem").read_text().partition("-----BEGIN CERT")
    folder.write_private(authority.directory / "mitmproxy-ca.pem", key + authority.pem)
    with pytest.raises(AuthorityError, match="belong together"):
        ensure_authority(folder, now=NOW)


def test_file_that_holds_nothing_of_the_kind_is_refused(folder: DataFolder) -> None:
    folder.write_private(folder.folder("ca") / "mitmproxy-ca.pem", "not PEM")
    with pytest.raises(AuthorityError, match="PEM"):
        ensure_authority(folder, now=NOW)

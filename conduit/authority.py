"""The certificate authority that leaf certificates for intercepted hosts are signed with.

Made once, on first start, by the parent process; workers only read. It lies where mitmproxy looks for it
(``ca/mitmproxy-ca.pem``, ``ca/mitmproxy-dhparam.pem``): with either missing, each worker would make its own.
"""

import datetime
import os
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dh, ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from conduit.data_folder import DataFolder
from conduit.errors import AuthorityError

KEY_FILE = "mitmproxy-ca.pem"
PARAMETERS_FILE = "mitmproxy-dhparam.pem"
CERTIFICATE_FILE = "ca.pem"
ORGANISATION = "APIConduit"
# Machines are given it once, so it has to outlast them; rotation is an act of the operator.
VALID_DAYS = 3650
# A client whose clock is behind would otherwise refuse a certificate made a moment ago.
BACKDATED_DAYS = 2

# RFC 7919, appendix A.1: ffdhe2048. A named group needs no generating and has no hidden structure.
_FFDHE2048_PRIME = (
    "FFFFFFFFFFFFFFFFADF85458A2BB4A9AAFDC5620273D3CF1D8B9C583CE2D3695A9E13641146433FB"
    "CC939DCE249B3EF97D2FE363630C75D8F681B202AEC4617AD3DF1ED5D5FD65612433F51F5F066ED0"
    "856365553DED1AF3B557135E7F57C935984F0C70E0E68B77E2A689DAF3EFE8721DF158A136ADE735"
    "30ACCA4F483A797ABC0AB182B324FB61D108A94BB2C8E3FBB96ADAB760D7F4681D4F42A3DE394DF4"
    "AE56EDE76372BB190B07A7C8EE0A6D709E02FCE1CDF7E2ECC03404CD28342F619172FE9CE98583FF"
    "8E4F1232EEF28183C3FE3B1B4C6FAD733BB5FCBC2EC22005C58EF1837D1683B2C6F34A26C1B2EFFA"
    "886B423861285C97FFFFFFFFFFFFFFFF"
)


@dataclass(frozen=True, slots=True)
class Authority:
    """Where the files are. ``directory`` is what mitmproxy calls ``confdir``; ``certificate`` is public."""

    directory: Path
    certificate: Path
    fingerprint: str
    expires_at: datetime.datetime
    pem: str = field(repr=False)


def ensure_authority(folder: DataFolder, *, now: datetime.datetime) -> Authority:
    """Make the authority where there is none, else check it. ``now`` is an aware datetime.

    To be called by one process at a time, under the folder's lock. Raises ``AuthorityError`` for a key that
    others can read, that does not fit its certificate, or that has expired: it is never replaced in silence,
    since every machine trusts the old one.
    """
    directory = folder.folder("ca")
    if not (directory / KEY_FILE).exists():
        folder.write_private(directory / KEY_FILE, _new_authority(now))
    _refuse_open(directory / KEY_FILE)
    certificate = _checked(directory / KEY_FILE, now)
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
    _write_public(directory / CERTIFICATE_FILE, pem)
    _write_public(directory / PARAMETERS_FILE, _ffdhe2048())
    return Authority(
        directory=directory,
        certificate=directory / CERTIFICATE_FILE,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
        expires_at=certificate.not_valid_after_utc,
        pem=pem,
    )


def _new_authority(now: datetime.datetime) -> str:
    """A P-256 key and its self-signed certificate, PEM, in the order that mitmproxy reads."""
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    # The host and a part of the serial number tell the authorities of several instances apart in a browser.
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(
                NameOID.COMMON_NAME, f"{ORGANISATION} {socket.gethostname()[:32]} {serial:x}"[:64]
            ),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - datetime.timedelta(days=BACKDATED_DAYS))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_signs_certificates_only(), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (private + certificate.public_bytes(serialization.Encoding.PEM)).decode("ascii")


def _signs_certificates_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _refuse_open(path: Path) -> None:
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077 or status.st_uid != os.geteuid():
        raise AuthorityError(
            f"{path} should be a file of mode 0600 of this account; whoever reads it can be any host"
        )


def _checked(path: Path, now: datetime.datetime) -> x509.Certificate:
    try:
        text = path.read_bytes()
        key = serialization.load_pem_private_key(text, password=None)
        certificate = x509.load_pem_x509_certificate(text)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (ValueError, TypeError, x509.ExtensionNotFound) as error:
        raise AuthorityError(
            f"{path} should hold a key and the certificate of an authority, in PEM"
        ) from error
    if not constraints.ca or key.public_key() != certificate.public_key():
        raise AuthorityError(f"the key and the certificate in {path} do not belong together")
    if certificate.issuer == certificate.subject:
        try:
            certificate.verify_directly_issued_by(certificate)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise AuthorityError(f"the certificate in {path} has been altered") from error
    if certificate.not_valid_after_utc <= now:
        raise AuthorityError(
            f"the certificate in {path} has expired; replace it, and have machines trust the new one"
        )
    return certificate


def _write_public(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="ascii") != text:
        DataFolder.write_private(path, text)
    path.chmod(0o644)


def _ffdhe2048() -> str:
    """The group in PEM (PKCS #3)."""
    numbers = dh.DHParameterNumbers(int(_FFDHE2048_PRIME, 16), 2)
    encoding, form = serialization.Encoding.PEM, serialization.ParameterFormat.PKCS3
    return numbers.parameters().parameter_bytes(encoding, form).decode("ascii")

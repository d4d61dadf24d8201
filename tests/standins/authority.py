"""A certificate authority for tests: real X.509, made in memory, as fast as P-256 allows."""

import base64
import datetime
import hashlib
import ssl
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE = datetime.timedelta(days=30)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def key_pin(key: PublicKeyTypes) -> str:
    """SHA-256 of a public key (RFC 7469), in Base64."""
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(encoded).digest()).decode()


class Authority:
    """One root and the leaf certificates that it signs, one a host, kept under ``folder``.

    With a ``superior`` it is no root: the superior vouches for it.
    """

    def __init__(
        self, folder: Path, name: str = "Stand-in providers", superior: "Authority | None" = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name(name)
        self._superior = superior
        issuer_key = superior._key if superior is not None else self._key
        self.certificate = (superior or self)._signed(
            self._subject,
            self._key.public_key(),
            (x509.BasicConstraints(ca=True, path_length=0 if superior is not None else 1), True),
            (_usage(signs_certificates=True), True),
            (x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False),
            life=2 * _LIFE,  # it outlives all that it signs
        )
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        self.context = cache(self._context)

    def _signed(
        self,
        subject: x509.Name,
        public_key: ec.EllipticCurvePublicKey,
        *extensions: tuple[x509.ExtensionType, bool],
        expired: bool = False,
        life: datetime.timedelta = _LIFE,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        start = now - _LIFE if expired else now - datetime.timedelta(hours=1)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(now - datetime.timedelta(hours=1) if expired else now + life)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self._key, hashes.SHA256())

    def leaf(self, host: str, *, expired: bool = False) -> x509.Certificate:
        """A server certificate for ``host`` (a name or an IP address)."""
        return self._signed(
            _name(host[:64]),
            self._leaf_key.public_key(),
            (x509.SubjectAlternativeName([_general_name(host)]), False),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False),
            expired=expired,
        )

    def client(
        self,
        name: str,
        *alternatives: x509.GeneralName,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
        expired: bool = False,
    ) -> x509.Certificate:
        """A client's certificate for ``name`` (the common name)."""
        named = [(x509.SubjectAlternativeName(alternatives), False)] if alternatives else []
        return self._signed(
            _name(name),
            self._leaf_key.public_key(),
            *named,
            (x509.ExtendedKeyUsage([usage]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False),
            expired=expired,
        )

    def revocation_list(
        self,
        *revoked: x509.Certificate,
        hours: float = 1,
        extension: tuple[x509.ExtensionType, bool] | None = None,
        signed_by: "Authority | None" = None,
    ) -> x509.CertificateRevocationList:
        """The list of these certificates of ours, in force for so many hours (past ones, if negative)."""
        now = datetime.datetime.now(datetime.UTC)
        until = now + datetime.timedelta(hours=hours)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._subject)
            .last_update(min(now, until) - datetime.timedelta(hours=1))
            .next_update(until)
        )
        for certificate in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(now).build())
        if extension is not None:
            builder = builder.add_extension(extension[0], critical=extension[1])
        return builder.sign((signed_by or self)._key, hashes.SHA256())

    def client_file(self, certificate: x509.Certificate) -> Path:
        """A client's certificate and key in one PEM file, as curl and ``load_cert_chain`` read it."""
        path = self._folder / f"client-{certificate.serial_number}.pem"
        chain = self.ca_file.read_bytes() if self._superior is not None else b""
        path.write_bytes(self._with_key(certificate) + chain)
        return path

    def fingerprint(self, host: str) -> str:
        """SHA-256, in hex, of the certificate that a server in the name of ``host`` shows."""
        self.context(host, False)
        certificate = x509.load_pem_x509_certificate((self._folder / f"{host}.pem").read_bytes())
        return certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def key_pin(self) -> str:
        """The pin of the key that all its servers have, as a browser is told of it."""
        return key_pin(self._leaf_key.public_key())

    def _context(self, host: str, expired: bool = False) -> ssl.SSLContext:
        certificate = self.leaf(host, expired=expired)
        pem = self._folder / f"{host.replace(':', '_')}{'-expired' if expired else ''}.pem"
        pem.write_bytes(self._with_key(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _with_key(self, certificate: x509.Certificate) -> bytes:
        return certificate.public_bytes(serialization.Encoding.PEM) + self._leaf_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )

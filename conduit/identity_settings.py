"""The settings of what says who is calling; ``docs/identity.md`` explains them with examples."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from conduit.addresses import HostName, ListenAddress, NetworkText, SecureUrl
from conduit.section import Section
from conduit.syslog_messages import Pattern
from policy.certificates import USER
from policy.exchange import IdentitySource

# Asymmetric alone: with a shared secret, whoever can verify a token can make one.
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
Text = Annotated[str, Field(min_length=1, max_length=1000)]


class TokenIssuer(Section):
    """Whose tokens are believed, and what in them names tenant and user."""

    issuer: Text
    audience: Text
    jwks_url: SecureUrl
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256",)
    types: Annotated[tuple[Text, ...], Field(min_length=1)] = ("JWT", "at+jwt")
    tenant: Text | None = None
    tenant_claim: Text | None = None
    user_claim: Text = "sub"

    @model_validator(mode="after")
    def _one_tenant(self) -> Self:
        if (self.tenant is None) == (self.tenant_claim is None):
            raise ValueError("should have either tenant or tenant_claim")
        return self


class CertificateMapping(Section):
    """Which client certificates name a tenant: those that match every text given."""

    tenant: Text
    spiffe: Text | None = None
    email: Text | None = None
    common_name: Text | None = None
    organisation: Text | None = None

    @model_validator(mode="after")
    def _one_user(self) -> Self:
        texts = [
            text
            for text in (self.spiffe, self.email, self.common_name, self.organisation)
            if text is not None
        ]
        if not texts:
            raise ValueError("should have one of spiffe, email, common_name, organisation")
        if sum(text.count(USER) for text in texts) > 1:
            raise ValueError(f"{USER} should stand in one place")
        return self


class Sufficiency(Section):
    """Which sources the operator takes for enough, each alone, for calls of a tenant to some hosts."""

    tenant: Text | None = None
    hosts: tuple[HostName, ...] = ()
    sources: Annotated[tuple[IdentitySource, ...], Field(min_length=1)]


class RadiusClient(Section):
    """Who may tell by RADIUS accounting of a tenant's users, and the file with the secret that they know."""

    network: NetworkText
    tenant: Text
    secret_file: Path


class Radius(Section):
    """RADIUS accounting, by which access points, VPN servers and directories tell who holds an address."""

    listen: ListenAddress | None = Field(
        None, description="Address of the UDP listener, such as `0.0.0.0:1813`. Unset: none."
    )
    clients: tuple[RadiusClient, ...] = Field(
        (), description="Who may tell: `network`, `tenant`, `secret_file`; the first that fits."
    )
    session_s: Annotated[float, Field(gt=0, le=30 * 86_400)] = Field(
        28_800, description="How long an address is held without news, where nothing shorter is told."
    )


class SyslogPattern(Section):
    """How a message is read: a regular expression of RE2 with named groups (``conduit.syslog_messages``)."""

    regex: Annotated[str, Field(min_length=1, max_length=2000)]
    starts: tuple[Text, ...] = ("start",)
    stops: tuple[Text, ...] = ("stop",)

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        Pattern(self.regex, starts=self.starts, stops=self.stops)
        return self


class SyslogSource(Section):
    """Who may tell by syslog of a tenant's users, and how it says so."""

    network: NetworkText
    tenant: Text
    patterns: Annotated[tuple[SyslogPattern, ...], Field(min_length=1)]


class Syslog(Section):
    """Syslog, by which DHCP servers, VPN servers and directories tell who holds an address."""

    udp: ListenAddress | None = Field(
        None, description="Address of the UDP listener, such as `0.0.0.0:514`. Unset: none."
    )
    tcp: ListenAddress | None = Field(
        None, description="Address of the TCP listener, with TLS where a certificate is set. Unset: none."
    )
    tls_certificate_file: Path | None = Field(
        None, description="PEM file of the TCP listener's certificate, and its chain."
    )
    tls_key_file: Path | None = Field(
        None, description="PEM file of its key; unset: in the certificate's file."
    )
    tls_client_ca_file: Path | None = Field(
        None,
        description="PEM file of the authorities that senders' certificates must be of. Unset: none is "
        "asked for.",
    )
    sources: tuple[SyslogSource, ...] = Field(
        (),
        description="Who may tell: `network`, `tenant`, `patterns` (`regex` with groups `address`, `user`, "
        "`event`, `ttl`; `starts`, `stops`: the words of `event`); the first that fits.",
    )
    session_s: Annotated[float, Field(gt=0, le=30 * 86_400)] = Field(
        28_800, description="How long an address is held without news, where nothing shorter is told."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.tls_certificate_file is None and (self.tls_key_file or self.tls_client_ca_file):
            raise ValueError("tls_certificate_file should be set beside the others")
        return self


class Identity(Section):
    """What says who is calling, besides placeholders and networks. See [identity](identity.md)."""

    issuers: tuple[TokenIssuer, ...] = Field(
        (),
        description="Issuers of identity tokens (JWT): `issuer`, `audience`, `jwks_url`, `algorithms`, "
        "`types`, `tenant` or `tenant_claim`, `user_claim`.",
    )
    client_ca_file: Path | None = Field(
        None,
        description="PEM file of the authorities whose client certificates are believed. Unset: no client is "
        "asked for one.",
    )
    client_crl_file: Path | None = Field(
        None,
        description="File of the revocation lists of these authorities, PEM or DER, read anew when it "
        "changes. A list that is missing, unreadable or out of date leaves no certificate in force. "
        "Unset: none is revoked.",
    )
    certificates: tuple[CertificateMapping, ...] = Field(
        (),
        description="Whom client certificates name, the first that fits: `tenant` and `spiffe`, `email`, "
        "`common_name`, `organisation`, one of them with `{user}` in it.",
    )
    trusted_hops: tuple[NetworkText, ...] = Field(
        (),
        description="Networks of the proxies and load balancers in front of this gateway. From them alone "
        "`X-Forwarded-For` is believed; from others it is ignored.",
    )
    radius: Radius = Field(Radius(), description="RADIUS accounting.")
    syslog: Syslog = Field(Syslog(), description="Syslog.")
    sufficiency: tuple[Sufficiency, ...] = Field(
        (),
        description="Which sources are enough to call what, whatever a tenant's own rules say; the first "
        "that fits: `tenant`, `hosts`, "
        f"`sources` (of {', '.join(f'`{source}`' for source in IdentitySource)}). None: any source is.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        named = [(issuer.issuer, issuer.audience) for issuer in self.issuers]
        if len(set(named)) != len(named):
            raise ValueError("an issuer should stand once for each audience")
        if (self.client_ca_file is None) != (not self.certificates):
            raise ValueError("client_ca_file and certificates should be set together")
        if self.client_crl_file is not None and self.client_ca_file is None:
            raise ValueError("client_crl_file should stand beside client_ca_file")
        return self

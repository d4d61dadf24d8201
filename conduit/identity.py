"""From the settings of identity to what the data plane asks of it."""

from ipaddress import ip_network

from addons.configuration import Identity
from conduit import identity_settings
from conduit.errors import ConfigurationError
from policy.certificates import CertificateRule, ClientAuthorities
from policy.sufficiency import OperatorRule
from policy.tokens import Issuer


def identity_of(settings: identity_settings.Identity) -> Identity:
    """Raises ``ConfigurationError`` where the authorities of clients cannot be read."""
    return Identity(
        issuers=tuple(_issuer(chosen) for chosen in settings.issuers),
        client_authorities=_authorities(settings),
        client_ca_file=settings.client_ca_file,
        client_crl_file=settings.client_crl_file,
        trusted_hops=tuple(ip_network(text) for text in settings.trusted_hops),
        sufficiency=tuple(
            OperatorRule(rule.tenant, frozenset(rule.hosts), frozenset(rule.sources))
            for rule in settings.sufficiency
        ),
    )


def _issuer(chosen: identity_settings.TokenIssuer) -> Issuer:
    return Issuer(
        issuer=chosen.issuer,
        audience=chosen.audience,
        jwks_url=chosen.jwks_url,
        algorithms=frozenset(chosen.algorithms),
        types=frozenset(kind.lower() for kind in chosen.types),
        tenant=chosen.tenant,
        tenant_claim=chosen.tenant_claim,
        user_claim=chosen.user_claim,
    )


def _authorities(settings: identity_settings.Identity) -> ClientAuthorities | None:
    if settings.client_ca_file is None:
        return None
    rules = [CertificateRule(**mapping.model_dump()) for mapping in settings.certificates]
    try:
        return ClientAuthorities(settings.client_ca_file.read_bytes(), rules)
    except OSError as error:
        raise ConfigurationError(
            f"identity.client_ca_file: {settings.client_ca_file} cannot be read: {error.strerror}"
        ) from error
    except ValueError as error:
        raise ConfigurationError(
            f"identity.client_ca_file: {settings.client_ca_file} holds no certificate of an authority"
        ) from error

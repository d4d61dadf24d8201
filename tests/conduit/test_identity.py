"""Settings of identity: what cannot be meant is refused when they are read, not when somebody calls."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from conduit.errors import ConfigurationError
from conduit.identity import identity_of
from conduit.identity_settings import Identity
from policy.exchange import IdentitySource
from tests.standins.authority import Authority

ISSUER = {
    "issuer": "https://id.example",
    "audience": "apiconduit",
    "jwks_url": "https://id.example/jwks",
    "tenant": "acme",
}
MAPPING = {"spiffe": "spiffe://acme.example/people/{user}", "tenant": "acme"}


def test_settings_become_what_the_data_plane_asks(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "Clients")
    found = identity_of(
        Identity.model_validate(
            {
                "issuers": [ISSUER | {"types": ["JWT"]}, ISSUER | {"audience": "other"}],
                "client_ca_file": authority.ca_file,
                "certificates": [MAPPING],
                "trusted_hops": ["10.0.0.0/8"],
                "sufficiency": [{"sources": ["token"]}],
            }
        )
    )
    assert [issuer.audience for issuer in found.issuers] == ["apiconduit", "other"]
    assert (found.issuers[0].algorithms, found.issuers[0].types) == ({"RS256"}, {"jwt"})
    assert found.client_authorities is not None
    assert str(found.trusted_hops[0]) == "10.0.0.0/8"
    assert found.sufficiency[0].sources == {IdentitySource.TOKEN}


@pytest.mark.parametrize(
    "changed",
    [
        {"algorithms": ["none"]},
        {"algorithms": ["HS256"]},
        {"algorithms": []},
        {"types": []},
        {"jwks_url": "http://id.example/jwks"},
        {"jwks_url": "https://u:p@id.example/jwks"},
        {"jwks_url": "file:///etc/passwd"},
        {"jwks_url": "id.example"},
        {"tenant_claim": "org"},
        {"tenant": None},
        {"audience": ""},
        {"secret": "x"},
    ],
    ids=str,
)
def test_an_issuer_that_cannot_be_meant_is_refused(changed: dict[str, object]) -> None:
    Identity.model_validate({"issuers": [ISSUER]})
    with pytest.raises(ValidationError):
        Identity.model_validate({"issuers": [ISSUER | changed]})


@pytest.mark.parametrize(
    "document",
    [
        {"issuers": [ISSUER, ISSUER]},
        {"client_ca_file": "clients.pem"},
        {"certificates": [MAPPING]},
        {"client_ca_file": "clients.pem", "certificates": [{"tenant": "acme"}]},
        {"client_ca_file": "clients.pem", "certificates": [MAPPING | {"email": "{user}@acme.example"}]},
        {"trusted_hops": ["10.0.0.1/8"]},
        {"sufficiency": [{"sources": []}]},
        {"sufficiency": [{"sources": ["hearsay"]}]},
    ],
    ids=str,
)
def test_what_contradicts_itself_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Identity.model_validate(document)


@pytest.mark.parametrize(
    "content", [None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_authorities_that_cannot_be_read_are_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "clients.pem"
    if content is not None:
        path.write_bytes(content)
    settings = Identity.model_validate({"client_ca_file": path, "certificates": [MAPPING]})
    with pytest.raises(ConfigurationError, match=r"clients\.pem"):
        identity_of(settings)

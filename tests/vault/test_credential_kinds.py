"""What a credential is, told from its text; what is wrong with it, told without its values."""

import json

import pytest

from vault.credential_kinds import (
    AwsAccessKey,
    EntraClient,
    GoogleServiceAccount,
    InvalidCredential,
    StaticKey,
    parse,
)

CANARY = "canary-7d1f0c"
AWS = {"type": "aws_access_key", "access_key_id": "AKIDEXAMPLE", "secret_access_key": CANARY}
ENTRA = {
    "type": "entra_client",
    "tenant_id": "contoso.onmicrosoft.com",
    "client_id": "a",
    "client_secret": CANARY,
}
GOOGLE = {
    "type": "service_account",
    "project_id": "acme",
    "client_email": "conduit@acme.iam.gserviceaccount.com",
    "private_key_id": "1",
    "private_key": CANARY,
    "token_uri": "https://oauth2.googleapis.com/token",
}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("sk-proj-abc", StaticKey),
        (json.dumps(AWS), AwsAccessKey),
        (f"  {json.dumps(ENTRA)}\n", EntraClient),
        (json.dumps(GOOGLE), GoogleServiceAccount),
    ],
)
def test_each_kind_is_told_by_its_text(text: str, kind: type) -> None:
    assert isinstance(parse(text), kind)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "two words",
        "sk-\x00",
        "schlüssel",
        "{",
        "{}",
        json.dumps({"type": "another", "key": CANARY}),
        json.dumps({**AWS, "more": CANARY}),
        json.dumps({**AWS, "secret_access_key": "a b"}),
        json.dumps({**ENTRA, "tenant_id": "contoso/../common"}),
        json.dumps({**ENTRA, "client_secret": ""}),
        json.dumps({**GOOGLE, "token_uri": "https://evil.example/token"}),
        json.dumps({name: value for name, value in GOOGLE.items() if name != "private_key"}),
    ],
)
def test_what_is_none_of_them_is_refused_without_its_values(text: str) -> None:
    with pytest.raises(InvalidCredential) as raised:
        parse(text)
    assert CANARY not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("text", [f"sk-{CANARY}", json.dumps(AWS), json.dumps(ENTRA), json.dumps(GOOGLE)])
def test_no_kind_shows_its_secret(text: str) -> None:
    assert CANARY not in repr(parse(text))

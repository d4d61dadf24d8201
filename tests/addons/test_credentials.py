"""What a credential makes is what leaves: signed anew, or a token, and nothing that the client put there."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from policy.snapshot import Credential
from tests.addons.running import Running, running
from tests.builders import a_snapshot
from tests.standins.answers import Answer
from tests.standins.bedrock import signature_of
from tests.standins.provider import StandIn
from vault import key_file
from vault.envelope import Binding
from vault.secret import Secret
from vault.vault import Vault

BEDROCK = "bedrock-runtime.eu-central-1.amazonaws.com"
AZURE = "contoso.openai.azure.com"
ENTRA = "login.microsoftonline.com"
AWS_KEY = {"type": "aws_access_key", "access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI"}
ENTRA_APPLICATION = {
    "type": "entra_client",
    "tenant_id": "contoso.example",
    "client_id": "app",
    "client_secret": "the-client-secret",
}


@pytest_asyncio.fixture
async def gateway(short_path: Path, valkey_url: str, provider: StandIn) -> AsyncIterator[Running]:
    upstream = {
        "resolve": provider.resolve(BEDROCK, AZURE, ENTRA),
        "ca_file": provider.authority.ca_file,
    }
    providers = {"aws": {"upstream": f"https://{BEDROCK}"}, "azure": {"upstream": f"https://{AZURE}"}}
    async with running(short_path, valkey_url, provider, upstream=upstream, providers=providers) as started:
        yield started


def hold(gateway: Running, provider: str, host: str, secret: object) -> None:
    """Put another credential in place of the one that the placeholder stands for."""
    policy = gateway.snapshots.current
    (old,) = policy.credentials.values()
    tenant = policy.tenants[old.tenant_id]
    vault = Vault(key_file.FileKeys(gateway.folder / "kek"))
    credential: Credential = replace(old, provider=provider, hosts=(host,), envelope=b"")
    sealed = vault.seal_credential(tenant, Binding.of(credential), Secret(json.dumps(secret)))
    gateway.snapshots.current = a_snapshot(
        tenants=policy.tenants.values(),
        users=policy.users.values(),
        credentials=[replace(credential, envelope=sealed)],
        placeholders=policy.placeholders.values(),
    )


async def test_a_bedrock_call_is_signed_anew_for_the_bytes_that_leave(gateway: Running) -> None:
    hold(gateway, "aws", BEDROCK, AWS_KEY)
    by_client = f"AWS4-HMAC-SHA256 Credential={gateway.placeholder}/20260101/us-east-1/bedrock/aws4_request"
    path = "/model/anthropic.claude-sonnet-4-5%3A0/invoke"
    async with gateway.client() as client:
        await client.post(
            gateway.url("aws", path),
            json={"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
            headers={
                "authorization": f"{by_client}, SignedHeaders=host;x-amz-date, Signature=00",
                "x-amz-date": "20200101T000000Z",
                "x-amz-security-token": "the client's own",
            },
        )
    (seen,) = gateway.provider.wait_for(1)
    assert gateway.placeholder.encode() not in seen.everything
    assert b"client's own" not in seen.everything
    sent = dict(seen.headers)
    expected = signature_of(sent, secret="wJalrXUtnFEMI", path=path, body=seen.body)
    assert sent["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert sent["authorization"].endswith(f"Signature={expected}")


async def test_an_entra_application_calls_azure_with_a_token_and_its_secret_stays(gateway: Running) -> None:
    hold(gateway, "azure", AZURE, ENTRA_APPLICATION)
    gateway.provider.play(ENTRA, Answer.json(200, {"access_token": "a-token", "expires_in": 3600}))
    path = "/openai/deployments/gpt-4o-mini/chat/completions?api-version=2024-10-21"
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
    async with gateway.client() as client:
        for _ in range(2):
            answer = await client.post(
                gateway.url("azure", path), json=body, headers={"api-key": gateway.placeholder}
            )
            assert answer.status_code == 200
    asked, first, second = gateway.provider.wait_for(3)
    assert asked.host == ENTRA
    assert b"the-client-secret" in asked.everything
    for seen in (first, second):
        assert (seen.host, seen.header("authorization")) == (AZURE, "Bearer a-token")
        assert seen.header("api-key") is None
        for secret in (b"the-client-secret", gateway.placeholder.encode()):
            assert secret not in seen.everything


@pytest.mark.parametrize(
    "answer",
    [
        Answer.json(401, {"error": "invalid_client"}),
        Answer.json(200, {"access_token": "a\r\nx-evil: 1", "expires_in": 3600}),
    ],
)
async def test_without_a_token_the_call_does_not_leave(gateway: Running, answer: Answer) -> None:
    hold(gateway, "azure", AZURE, ENTRA_APPLICATION)
    gateway.provider.play(ENTRA, answer)
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
    async with gateway.client() as client:
        refused = await client.post(
            gateway.url("azure", "/openai/deployments/gpt-4o-mini/chat/completions"),
            json=body,
            headers={"api-key": gateway.placeholder},
        )
    assert (refused.status_code, refused.headers["x-conduit-reason"]) == (503, "degraded")
    assert [seen.host for seen in gateway.provider.seen] == [ENTRA]
    assert "the-client-secret" not in refused.text


async def test_an_aws_key_signs_for_nothing_but_bedrock(gateway: Running) -> None:
    hold(gateway, "azure", AZURE, AWS_KEY)
    async with gateway.client() as client:
        refused = await client.post(
            gateway.url("azure", "/openai/deployments/gpt-4o-mini/chat/completions"),
            json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]},
            headers={"api-key": gateway.placeholder},
        )
    assert refused.headers["x-conduit-reason"] == "degraded"
    assert gateway.provider.seen == []

"""The machine reaches a provider with nothing in between; what the gateway changes is then its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.standins.authority import Authority
from tests.standins.machines import Machine
from tests.standins.namespaces import PROVIDER_ADDRESS, Namespaces, lacking
from tests.standins.provider import StandIn

HOSTS = ("api.openai.com", "api.anthropic.com", "generativelanguage.googleapis.com")
KEYS = {"OPENAI_API_KEY": "k-openai", "ANTHROPIC_API_KEY": "k-anthropic", "GEMINI_API_KEY": "k-google"}


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, StandIn]]:
    if reason := lacking():
        pytest.skip(reason)
    authority = Authority(Path(tmp_path_factory.mktemp("authority")))
    trust = {"SSL_CERT_FILE": str(authority.ca_file)}
    with (
        Namespaces(HOSTS) as net,
        StandIn(authority, PROVIDER_ADDRESS, namespace=net.provider, ports=(443, 80)) as provider,
        Machine(KEYS | trust, net.client) as machine,
    ):
        yield machine, provider


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("tools", [False, True], ids=["text", "tools"])
@pytest.mark.parametrize(
    ("call", "shape"),
    [
        ("openai", "openai-chat"),
        ("openai", "openai-responses"),
        ("anthropic", "anthropic-messages"),
        ("google", "google-generate"),
    ],
)
def test_an_sdk_calls_its_provider_directly(
    direct: tuple[Machine, StandIn], call: str, shape: str, stream: bool, tools: bool, asynchronous: bool
) -> None:
    machine, provider = direct
    provider.forget()
    recording = shape + ("-stream" if stream else "") + ("-tools" if tools else "")
    done: dict[str, Any] = machine.call(call, recording=recording, stream=stream, asynchronous=asynchronous)
    assert "error" not in done, done
    assert provider.seen[-1].keys == (f"k-{call}",)

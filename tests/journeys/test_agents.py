"""The real command-line agents, pointed at the gateway with a placeholder, answer a prompt."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.standins.agent_answers import ANSWER, agent_answer
from tests.standins.agents import FOLDER, Agent, claude, codex, gemini
from tests.standins.office import HOSTS, Office

AGENTS: dict[str, tuple[Callable[[str, str], Agent], str, str]] = {
    "openai": (codex, "/openai/v1", "/responses"),
    "anthropic": (claude, "/anthropic", "/messages"),
    "google": (gemini, "/google", ":streamGenerateContent"),
}

pytestmark = pytest.mark.skipif(
    not (FOLDER / "pinned.txt").exists(), reason="THE AGENTS ARE NOT THERE: make agents"
)


@pytest.fixture
def asked(office: Office) -> Iterator[Office]:
    """Providers that give one short answer to whatever an agent asks for."""
    office.provider.forget()
    office.provider.special = agent_answer
    yield office
    office.provider.special = lambda _: None


@pytest.mark.parametrize("provider", AGENTS)
def test_an_agent_with_a_placeholder_answers_and_the_provider_sees_the_real_key(
    asked: Office, provider: str, tmp_path: Path
) -> None:
    make, base, path = AGENTS[provider]
    placeholder = asked.placeholders[provider]
    said = make(asked.product.url("gateway") + base, placeholder).ask(tmp_path / "home", "say something")
    assert (said.code, ANSWER in said.out) == (0, True), said
    calls = [seen for seen in asked.provider.seen if path in seen.target]
    assert calls
    assert {seen.host for seen in calls} == {HOSTS[provider]}
    assert {key for seen in calls for key in seen.keys} == {asked.keys[provider]}
    assert not [seen for seen in asked.provider.seen if placeholder.encode() in seen.everything]
    assert asked.event(outcome="finished", provider=provider, status=200)["credential_id"]


@pytest.fixture(scope="module")
def revoked(office: Office) -> dict[str, str]:
    """A placeholder of each provider that is no longer good, in every worker."""
    made = {}
    for provider in AGENTS:
        identity, made[provider] = office.issue(provider)
        office.product.cli("placeholder", "revoke", "--tenant", office.tenant, identity)
    office.in_force()
    return made


@pytest.mark.parametrize("provider", AGENTS)
def test_an_agent_with_a_revoked_placeholder_says_so_and_ends(
    asked: Office, revoked: dict[str, str], provider: str, tmp_path: Path
) -> None:
    make, base, path = AGENTS[provider]
    said = make(asked.product.url("gateway") + base, revoked[provider]).ask(
        tmp_path / "home", "say something"
    )
    assert said.code != 0
    assert "revoked" in said.out + said.err
    assert not [seen for seen in asked.provider.seen if path in seen.target]

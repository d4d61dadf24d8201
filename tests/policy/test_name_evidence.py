"""What a tunnel's name tells beside the client's TLS: enough for a look at some, nothing of a browser's."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.evidence import score_tunnel
from policy.ja4 import ja4, read_hello
from policy.name_evidence import name_hint
from policy.tls_client import program_of
from tests.policy import later_traffic
from tests.policy.ordinary_traffic import NOT_AI

# Servers of models as people name them, in no catalogue.
_SERVERS = """
llm.corp.example llm-api.corp.example llms.lab.example gpt.corp.example gpt-gateway.example chat-gpt.example
ollama.lab.example ollama-gpu1.lab.example ollama ollama2.example vllm.lab.example vllm-7b.lab.example
litellm.corp.example litellm-proxy.corp.example openai-proxy.example api.openai-proxy.example
my-openai.example chatgpt-free.example free.chatgpt-mirror.example genai.corp.example lmstudio.lab.example
openwebui.lab.example llamacpp.lab.example ai-gateway.corp.example ai-proxy.example ai-chat.example
claude-proxy.example claude-api.example gemini-relay.example copilot-proxy.example inference-api.example
ai-inference.example llama-server.lab.example deepseek-api.example qwen-chat.example mistral-gpu.example
grok-api.example gpt4-router.example
"""
# Likewise servers of models, by names that say too little: what this kind of evidence cannot find.
_UNTOLD = """
inference.corp.example acme-llm.example text-generation.lab.example brain.example gpu1.lab.example
"""
# No servers of models, though many have such words in their names; a crypto exchange, a research archive and
# an advertising server are real. The rule was fitted to these lists.
_INNOCENT = """
something.ai www.paint.ai cdn.vintage.ai api.hotel.ai gov.ai static.beach-house.ai shop.anguilla.ai
mail.ai-school.test www.ai-school.test api.ai-school.test ai-news.example www.ai-news.example
feeds.ai-weekly.test ai-conference.test ai-ethics.test jobs-in-ai.test ai.university.test
gemini.com www.gemini.com api.gemini.com exchange.gemini.com gemini-horoscope.test telescope-gemini.test
claude-monet.test www.claude-monet.test claude.debussy.test jean-claude.test
copilot-boats.test copilot.sailing.test copilot-trucking.test
inference-blog.test statistical-inference.test inference.statistics.test
llama-farm.test llama.zoo.test mistral-winds.test hotel-mistral.test grok-pub.test qwen-ceramics.test
gpt-partition.test gpt-sites.test llm-law.test llm-degree.test llm.law-school.test
explore.openaire.eu openair-festival.test openaircinema.test collamagen.test samurai.test bonsai-api.test
hawaii-relay.test mosaic.test airline-api.test air-chat.test fairmodel.test thailand-proxy.test
securepubads.g.doubleclick.net pypi.org registry.npmjs.org proxy.golang.org models.fashion.test
chat.support.test api.shop.test gateway.bank.test router.home.test gpu-prices.test
"""
SERVERS, UNTOLD, INNOCENT = _SERVERS.split(), _UNTOLD.split(), _INNOCENT.split()
ORDINARY = [flow.host for flow in [*NOT_AI, *later_traffic.NOT_AI]]
HELLOS = json.loads((Path(__file__).parent / "vectors" / "client_hellos.json").read_text())["hellos"]


def suspected(names: list[str], program: str | None) -> list[str]:
    return [name for name in names if score_tunnel([name], program).verdict == "suspect"]


def test_programs_that_go_to_servers_of_models_are_suspected_and_others_are_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    of_models, innocent = [*SERVERS, *UNTOLD], [*INNOCENT, *ORDINARY]
    rows = {"servers of models": of_models, "none, with such words": INNOCENT, "none, as before": ORDINARY}
    with capsys.disabled():
        print(f"\n{'a program to, by name alone':28} {'suspect':>8} {'of':>5}")
        for label, names in rows.items():
            print(f"{label:28} {len(suspected(names, 'Python')):8} {len(names):5}")
    found, wrong = suspected(of_models, "Python"), suspected(innocent, "Python")
    assert len(found) >= 0.8 * len(of_models), sorted({*of_models} - {*found})
    assert len(wrong) <= 0.005 * len(innocent), wrong


def test_nothing_that_a_browser_goes_to_is_suspected() -> None:
    assert suspected([*SERVERS, *INNOCENT, *ORDINARY], None) == []


def test_the_reasons_are_shown_and_the_score_is_no_more_than_suspect() -> None:
    verdict = score_tunnel(["x.example", "ollama-gpu1.lab.example"], "Node.js")
    assert (verdict.verdict, verdict.score) == ("suspect", 40)
    assert verdict.evidence == ("the host's name says ollama", "the client's TLS is a program's (Node.js)")


@given(st.text(max_size=80))
def test_any_name_has_a_hint(name: str) -> None:
    assert name_hint(name).points in (0, 8, 30)


@pytest.mark.parametrize("client", HELLOS)
def test_the_tls_of_real_clients_is_told_apart(client: str) -> None:
    """ClientHellos that these clients sent; what they are is what they say here."""
    sent = HELLOS[client]
    read = read_hello(bytes.fromhex(sent["hello"]))
    assert read is not None
    assert ja4(read) == sent["ja4"]
    assert program_of(read, ja4(read)) == sent["program"]

"""AI that no catalogue knows is found in real traffic, listed with its reasons, and decided on."""

import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest

from tests.policy import later_traffic
from tests.policy.labelled_traffic import AI, NOT_AI, Flow
from tests.standins.answers import Answer
from tests.standins.authority import Authority
from tests.standins.office import Office, settle, upstream_settings
from tests.standins.product import Product
from tests.standins.provider import StandIn

UNKNOWN = (
    *("llm-box.test", "llm-box-tls.test", "decided.test", "excepted.test"),
    *("sdk-openai.test", "sdk-anthropic.test"),
)
CHAT = {"model": "house-7b", "messages": [{"role": "user", "content": "Hello there, how are you?"}]}


def host_of(number: int, label: str, flow: Flow) -> str:
    """A name of its own for each flow, so that the inventory says which were found."""
    return f"{label}-{number}.{flow.host}"


LABELLED = {
    **{host_of(number, "one", flow): flow for number, flow in enumerate([*AI, *later_traffic.AI])},
    **{host_of(number, "two", flow): flow for number, flow in enumerate([*NOT_AI, *later_traffic.NOT_AI])},
}


@dataclass(frozen=True, slots=True)
class Watched:
    """An office whose machine is a registered network, and whose gateway looks into unknown TLS."""

    office: Office
    plain: httpx.Client

    def ask(self, url: str, **changed: Any) -> httpx.Response:
        return self.plain.post(url, json=CHAT, **changed)

    def listed(self) -> dict[str, dict[str, Any]]:
        found = self.office.product.cli("discovery", "list", "--tenant", self.office.tenant)
        return {each["host"]: each for each in found}

    def found(self, host: str, timeout_s: float = 10) -> dict[str, Any]:
        """The inventory's line about a host, once there is one."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if (seen := self.listed().get(host)) is not None:
                return seen
            time.sleep(0.05)
        raise TimeoutError(f"{host} is not listed")

    def decide(self, host: str, state: str) -> None:
        self.office.product.cli("endpoint", "set", host, "--state", state, "--tenant", self.office.tenant)
        self.office.in_force()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    authority = Authority(folder / "authority")
    with StandIn(authority) as provider:
        chosen = upstream_settings(provider, authority)
        chosen["upstream.resolve"] |= provider.resolve(*UNKNOWN, *LABELLED)
        chosen |= {"discovery.decrypt_unknown": "true", "workers": "1"}
        with Product(folder, chosen) as product:
            office = settle(product, provider, authority)
            product.cli("network", "add", "--tenant", office.tenant, "127.0.0.1/32")
            office.in_force()
            with httpx.Client(
                proxy=product.url("proxy"),
                verify=ssl.create_default_context(cafile=office.ca_file),
                trust_env=False,
                timeout=20,
            ) as client:
                yield Watched(office, client)


@pytest.mark.parametrize("url", ["http://llm-box.test", "https://llm-box-tls.test"])
def test_an_unknown_endpoint_is_listed_with_its_evidence(watched: Watched, url: str) -> None:
    answer = watched.ask(f"{url}/v1/chat/completions")
    assert answer.status_code == 200, answer.text
    seen = watched.found(url.partition("://")[2])
    assert (seen["verdict"], seen["state"], seen["calls"]) == ("ai", "monitored", 1)
    assert seen["score"] >= 60
    assert "path /chat/completions" in seen["evidence"]
    assert seen["first_seen"] == seen["last_seen"]


def test_real_sdks_that_call_an_unknown_host_are_found(watched: Watched) -> None:
    chat = openai.OpenAI(base_url="https://sdk-openai.test/v1", api_key="own", http_client=watched.plain)
    chat.chat.completions.create(model="house-7b", messages=[{"role": "user", "content": "Hello there"}])
    trust = ssl.create_default_context(cafile=watched.office.ca_file)
    proxy = watched.office.product.url("proxy")
    with httpx2.Client(proxy=proxy, verify=trust, trust_env=False, timeout=20) as client:
        claude = anthropic.Anthropic(base_url="https://sdk-anthropic.test", api_key="own", http_client=client)
        claude.messages.create(
            model="house-7b", max_tokens=9, messages=[{"role": "user", "content": "Hello there"}]
        )
    for host in ("sdk-openai.test", "sdk-anthropic.test"):
        seen = watched.found(host)
        assert (seen["verdict"], seen["users"], seen["networks"], seen["stage"]) == ("ai", 0, 1, "new")
        assert seen["risk"] == sum(part["points"] for part in seen["risk_parts"])


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_was_decided_about_a_found_endpoint_holds(watched: Watched, scheme: str) -> None:
    url = f"{scheme}://decided.test/v1/chat/completions"
    own_key = {"authorization": "Bearer sk-proj-" + "abcdefghij0123456789" * 2}
    reason = {"x-conduit-justification": "comparing models for the quarterly report"}

    watched.decide("decided.test", "blocked")
    assert watched.ask(url).headers["x-conduit-reason"] == "shadow_endpoint"
    watched.decide("decided.test", "coached")
    assert watched.ask(url).headers["x-conduit-reason"] == "coached"
    assert watched.ask(url, headers=reason).status_code == 200
    watched.decide("decided.test", "sanctioned")
    assert watched.ask(url).status_code == 200
    assert watched.ask(url, headers=own_key).headers["x-conduit-reason"] == "unvaulted_key"
    watched.decide("decided.test", "monitored")
    assert watched.ask(url, headers=own_key).status_code == 200


def test_an_exception_lets_one_user_through(watched: Watched) -> None:
    url, office = "http://excepted.test/v1/chat/completions", watched.office
    signed_in = office.product.url("proxy").replace(
        "://", f"://{office.user}:{office.placeholders['openai']}@"
    )
    tenant = ("--tenant", office.tenant)
    watched.decide("excepted.test", "blocked")
    with httpx.Client(proxy=signed_in, trust_env=False, timeout=20) as ada:
        assert ada.post(url, json=CHAT).headers["x-conduit-reason"] == "shadow_endpoint"
        made = office.product.cli(
            *("endpoint", "except", "excepted.test", *tenant, "--user", office.user),
            *("--reason", "evaluation", "--expires", "7d"),
        )
        office.in_force()
        assert ada.post(url, json=CHAT).status_code == 200
        assert watched.ask(url).headers["x-conduit-reason"] == "shadow_endpoint"
        office.product.cli("endpoint", "unexcept", made["id"], *tenant)
        office.in_force()
        assert ada.post(url, json=CHAT).status_code == 403
    office.event(kind="act", action="endpoint.except", target="excepted.test")
    office.event(kind="act", action="endpoint.unexcept", target="excepted.test")


def send(watched: Watched, scheme: str, host: str, flow: Flow) -> int:
    """One labelled exchange through the running product; its answer's status."""
    answered, question = flow.answered, flow.request
    watched.office.provider.play(
        host, Answer(answered.status, tuple(answered.headers.items()), (answered.body,))
    )
    received = watched.plain.request(
        question.method, f"{scheme}://{host}{question.path}", content=question.body, headers=question.headers
    )
    return received.status_code


def test_the_labelled_traffic_through_the_running_product(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, (host, flow) in enumerate(LABELLED.items()):
        send(watched, "https" if number % 2 else "http", host, flow)
    # Events are shipped in their order: when the last is there, all are.
    last = "llm-box.test"
    before = watched.listed().get(last, {"calls": 0})["calls"]
    watched.ask(f"http://{last}/v1/chat/completions")
    while watched.found(last)["calls"] == before:
        time.sleep(0.05)
    listed = watched.listed()
    names = {label: [host for host in LABELLED if host.startswith(label)] for label in ("one", "two")}
    counts = {
        label: {
            verdict: sum(listed.get(host, {"verdict": "none"})["verdict"] == verdict for host in hosts)
            for verdict in ("ai", "suspect", "none")
        }
        for label, hosts in names.items()
    }
    with capsys.disabled():
        print(f"\n{'real flows, half of them TLS':28} {'ai':>5} {'suspect':>8} {'none':>5}")
        for label, row in (("AI in no catalogue", "one"), ("not AI", "two")):
            found = counts[row]
            print(f"{label:28} {found['ai']:5} {found['suspect']:8} {found['none']:5}")
    missed = [LABELLED[host].name for host in names["one"] if host not in listed]
    wrong = [LABELLED[host].name for host in names["two"] if host in listed]
    assert counts["one"]["ai"] >= 0.9 * len(names["one"]), missed
    assert len(wrong) <= 0.005 * len(names["two"]), wrong

"""A refusal is the SDK's own natural exception, says why, reaches no provider, and is not tried again."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.standins.answers import Answer
from tests.standins.namespaces import Namespaces
from tests.standins.office import HOSTS, SDKS, SHADOW_HOST, Office, Place, key_headers
from tests.standins.product import Product

WHOLE = {"openai": "openai-chat", "anthropic": "anthropic-messages", "google": "google-generate"}
UNAUTHENTICATED = {
    "openai": "AuthenticationError",
    "anthropic": "AuthenticationError",
    "google": "ClientError",
}
FORBIDDEN = {
    "openai": "PermissionDeniedError",
    "anthropic": "PermissionDeniedError",
    "google": "ClientError",
}
LIMITED = {"openai": "RateLimitError", "anthropic": "RateLimitError", "google": "ClientError"}


def ask(place: Place, provider: str, key: str | None = None, **details: Any) -> dict[str, Any]:
    return place.machine.call(
        provider, recording=WHOLE[provider], stream=False, asynchronous=False, key=key, **details
    )


def assert_refused(place: Place, done: dict[str, Any], error: str, status: int, reason: str) -> None:
    assert done.get("error") == error, done
    assert done["status"] == status
    assert done["reason"] in (reason, None)  # the google SDK keeps no headers
    assert done["retries"] == 0
    assert place.office.provider.seen == []
    assert place.office.event(reason=reason)["decision"] == "deny"


def altered(placeholder: str) -> str:
    """Another text of the same form: its last character changed."""
    return placeholder[:-1] + ("a" if placeholder[-1] != "a" else "b")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Placeholders by mode and provider, all in force: what each of them is good for."""

    good: dict[tuple[str, str], str]
    revoked: dict[tuple[str, str], str]
    other_model: dict[tuple[str, str], str]
    once_a_minute: dict[tuple[str, str], str]
    no_budget: dict[tuple[str, str], str]


def _prepare(office: Office, modes: tuple[str, ...]) -> Prepared:
    made = Prepared({}, {}, {}, {}, {})
    poor = office.hire("grace")
    limit = ("limit", "set", "--tenant", office.tenant)
    office.product.cli(*limit, "--user", poor, "--budget-usd", "0.000001", "--window", "month")
    for provider in SDKS:
        for mode in modes:
            place = (mode, provider)
            identity, made.good[place] = office.issue(provider)
            identity, made.once_a_minute[place] = office.issue(provider)
            office.product.cli(*limit, "--placeholder", identity, "--requests-per-minute", "1")
        identity, revoked = office.issue(provider)
        office.product.cli("placeholder", "revoke", "--tenant", office.tenant, identity)
        shared = {
            "revoked": revoked,
            "other_model": office.issue(provider, "--models", "some-other-model")[1],
            "no_budget": office.issue(provider, user=poor)[1],
        }
        for name, placeholder in shared.items():
            getattr(made, name).update({(mode, provider): placeholder for mode in modes})
    office.in_force()
    return made


@pytest.fixture(scope="module")
def prepared_on_loopback(office: Office) -> Prepared:
    return _prepare(office, ("gateway", "proxy"))


@pytest.fixture(scope="module")
def prepared_in_network(network: tuple[Office, Namespaces]) -> Prepared:
    return _prepare(network[0], ("transparent",))


@pytest.fixture
def prepared(place: Place, request: pytest.FixtureRequest) -> Prepared:
    name = "prepared_in_network" if place.mode == "transparent" else "prepared_on_loopback"
    found: Prepared = request.getfixturevalue(name)
    place.office.provider.forget()
    return found


@pytest.mark.parametrize("provider", SDKS)
def test_a_good_placeholder_is_served(place: Place, prepared: Prepared, provider: str) -> None:
    """The permitting twin of all that follows."""
    done = ask(place, provider, prepared.good[place.mode, provider])
    assert "error" not in done, done


@pytest.mark.parametrize("provider", SDKS)
def test_a_revoked_placeholder_is_refused(place: Place, prepared: Prepared, provider: str) -> None:
    done = ask(place, provider, prepared.revoked[place.mode, provider])
    assert_refused(place, done, UNAUTHENTICATED[provider], 401, "placeholder_revoked")


@pytest.mark.parametrize("provider", SDKS)
def test_a_placeholder_of_another_provider_is_refused(place: Place, provider: str) -> None:
    other = next(each for each in SDKS if each != provider)
    done = ask(place, provider, place.office.placeholders[other])
    assert_refused(place, done, FORBIDDEN[provider], 403, "placeholder_misused")


@pytest.mark.parametrize("provider", SDKS)
def test_an_unknown_placeholder_is_refused(place: Place, provider: str) -> None:
    done = ask(place, provider, altered(place.office.placeholders[provider]))
    assert done.get("error") in (UNAUTHENTICATED[provider], FORBIDDEN[provider]), done
    assert done["retries"] == 0
    assert place.office.provider.seen == []


@pytest.mark.parametrize("provider", SDKS)
def test_a_real_key_that_nobody_vaulted_is_refused(place: Place, provider: str) -> None:
    foreign = {"openai": "sk-proj-", "anthropic": "sk-ant-api03-", "google": "AIzaSy"}[provider] + "q7" * 20
    done = ask(place, provider, foreign)
    assert done.get("error") == FORBIDDEN[provider], done
    assert done["reason"] in ("unvaulted_key", None)
    assert done["retries"] == 0
    assert place.office.provider.seen == []


@pytest.mark.parametrize("provider", SDKS)
def test_a_placeholder_for_other_models_is_refused(place: Place, prepared: Prepared, provider: str) -> None:
    done = ask(place, provider, prepared.other_model[place.mode, provider])
    assert_refused(place, done, FORBIDDEN[provider], 403, "placeholder_misused")


@pytest.mark.parametrize("provider", SDKS)
def test_the_request_after_the_last_one_allowed_is_limited(
    place: Place, prepared: Prepared, provider: str
) -> None:
    placeholder = prepared.once_a_minute[place.mode, provider]
    assert "error" not in ask(place, provider, placeholder)
    place.office.provider.forget()
    done = ask(place, provider, placeholder, max_retries=0)
    assert_refused(place, done, LIMITED[provider], 429, "rate_limited")


@pytest.mark.parametrize("provider", SDKS)
def test_a_spent_budget_is_refused(place: Place, prepared: Prepared, provider: str) -> None:
    done = ask(place, provider, prepared.no_budget[place.mode, provider], max_retries=0)
    assert_refused(place, done, LIMITED[provider], 429, "budget_exhausted")


def test_an_endpoint_that_nobody_sanctioned_is_refused_until_somebody_does(transparent_place: Place) -> None:
    """The tenant is known by its network; it has no contract with this provider."""
    place = transparent_place
    place.office.provider.forget()
    shadow = {"method": "GET", "url": f"https://{SHADOW_HOST}/models", "headers": {}}
    done = place.machine.call("raw", **shadow)
    assert done["result"]["status"] == 403
    assert dict(done["result"]["headers"])["x-conduit-reason"] == "shadow_endpoint"
    assert place.office.provider.seen == []
    endpoint = ("endpoint", "set", SHADOW_HOST, "--tenant", place.office.tenant, "--state")
    place.office.product.cli(*endpoint, "monitored")
    place.office.in_force()
    try:
        assert place.machine.call("raw", **shadow)["result"]["status"] == 200
    finally:
        place.office.product.cli(*endpoint, "blocked")


def test_a_caller_whom_nothing_identifies_is_refused(gateway_place: Place) -> None:
    place = gateway_place
    place.office.provider.forget()
    done = place.machine.call("raw", method="GET", url=place.url("openai", "/v1/models"), headers={})
    assert done["result"]["status"] == 401
    assert dict(done["result"]["headers"])["x-conduit-reason"] == "unidentified"
    assert place.office.provider.seen == []


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_limits_in_force_stand_in_the_answer(gateway_place: Place, provider: str) -> None:
    place = gateway_place
    identity, placeholder = place.office.issue(provider)
    limit = ("limit", "set", "--tenant", place.office.tenant, "--placeholder", identity)
    place.office.product.cli(*limit, "--requests-per-minute", "50")
    place.office.in_force()
    done = place.machine.call(
        "raw", method="GET", url=place.url(provider, "/v1/models"), headers=key_headers(provider, placeholder)
    )
    headers = dict(done["result"]["headers"])
    assert headers["x-ratelimit-limit-requests"] == "50"
    assert headers["x-ratelimit-remaining-requests"] == "49"
    assert headers["x-ratelimit-reset-requests"]


def test_a_lying_provider_is_not_believed(office: Office) -> None:
    """An expired certificate at the provider: the caller is told, the key stays here."""
    authority_host = HOSTS["mistral"]
    office.provider.forget()
    office.provider.expired_hosts.add(authority_host)
    try:
        status, reason = _mistral(office.product, office.placeholders["mistral"])
        assert (status, reason) == (502, "upstream_unreachable")
        assert office.provider.seen == []
    finally:
        office.provider.expired_hosts.clear()
    office.provider.play(authority_host, Answer.json(200, {"data": []}))
    assert _mistral(office.product, office.placeholders["mistral"]) == (200, None)


def _mistral(product: Product, placeholder: str) -> tuple[int, str | None]:
    answer = httpx.get(
        f"{product.url('gateway')}/mistral/v1/models",
        headers={"authorization": f"Bearer {placeholder}"},
        trust_env=False,
    )
    return answer.status_code, answer.headers.get("x-conduit-reason")

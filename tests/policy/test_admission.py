import pytest

from policy.admission import endpoint_allowed, placeholder_allowed, region_allowed
from policy.attribution import PresentedKey
from policy.exchange import EndpointState
from policy.refusals import Reason
from tests.builders import (
    a_call,
    a_credential,
    a_placeholder,
    a_tenant,
    a_user,
    an_endpoint,
    foreign_key,
    our_key,
)


@pytest.mark.parametrize(
    ("state", "keys", "justification", "reason"),
    [
        (EndpointState.SANCTIONED, (our_key(),), None, None),
        (EndpointState.SANCTIONED, (), None, None),
        (EndpointState.SANCTIONED, (foreign_key(),), None, Reason.UNVAULTED_KEY),
        (EndpointState.SANCTIONED, (foreign_key(provider_form=False),), None, Reason.UNVAULTED_KEY),
        (EndpointState.MONITORED, (foreign_key(),), None, None),
        (EndpointState.BLOCKED, (our_key(),), None, Reason.SHADOW_ENDPOINT),
        (EndpointState.BLOCKED, (our_key(),), "please", Reason.SHADOW_ENDPOINT),
        (EndpointState.COACHED, (our_key(),), None, Reason.COACHED),
        (EndpointState.COACHED, (our_key(),), "a customer asked", None),
    ],
)
def test_the_state_of_an_endpoint_decides(state, keys, justification, reason):
    refusal = endpoint_allowed(an_endpoint(state=state), keys, justification)
    assert (refusal.reason if refusal else None) is reason


@pytest.mark.parametrize(
    ("place", "provider_form", "allowed"),
    [
        ("authorization", False, True),
        ("cookie", True, True),
        ("?key", True, True),
        ("authorization", True, False),
        ("x-api-key", True, False),
    ],
)
def test_a_persons_session_is_no_key(place, provider_form, allowed):
    """On a sanctioned host for people; on one for programs all of these are refused."""
    keys = (PresentedKey(place, None, provider_form),)
    assert (endpoint_allowed(an_endpoint(web=True), keys, None) is None) is allowed
    assert endpoint_allowed(an_endpoint(), keys, None) is not None


def bound(**changed):
    user = a_user(a_tenant())
    return a_placeholder(user, a_credential(a_tenant()), **changed)


def test_a_placeholder_is_held_to_its_hosts():
    call, hosts = a_call(), ("api.openai.com",)
    assert placeholder_allowed(bound(), hosts, an_endpoint(), call) is None
    refusal = placeholder_allowed(bound(), hosts, an_endpoint(host="api.anthropic.com"), call)
    assert refusal.reason is Reason.PLACEHOLDER_MISUSED


@pytest.mark.parametrize(
    ("model", "allowed"), [("gpt-4o-mini", True), ("gpt-4o", False), ("GPT-4o-mini", False)]
)
def test_a_placeholder_is_held_to_its_models(model, allowed):
    placeholder = bound(models=frozenset({"gpt-4o-mini"}))
    refusal = placeholder_allowed(placeholder, ("api.openai.com",), an_endpoint(), a_call(model=model))
    assert (refusal is None) is allowed


@pytest.mark.parametrize(
    ("operation", "named_later", "allowed"),
    [
        ("models", False, True),
        ("files", False, True),
        ("realtime", True, True),
        ("responses", False, False),
        ("audio_transcriptions", False, False),
        ("other", False, False),
    ],
)
def test_a_placeholder_for_certain_models_needs_to_know_the_model(operation, named_later, allowed):
    placeholder = bound(models=frozenset({"gpt-4o-mini"}))
    call = a_call(model=None, operation=operation)
    refusal = placeholder_allowed(
        placeholder, ("api.openai.com",), an_endpoint(), call, named_later=named_later
    )
    assert (refusal is None) is allowed


@pytest.mark.parametrize(
    ("region", "residency", "allowed"),
    [
        ("eu", {"eu", "gb"}, True),
        ("us", {"eu", "gb"}, False),
        ("global", {"eu"}, False),
        ("unknown", {"eu"}, False),
        ("us", set(), True),
    ],
)
def test_data_stays_in_the_regions_that_the_tenant_allows(region, residency, allowed):
    refusal = region_allowed(an_endpoint(region=region), frozenset(residency))
    assert (refusal is None) is allowed
    assert refusal is None or refusal.reason is Reason.REGION_DENIED

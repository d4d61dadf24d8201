import pytest

from policy.catalogue import Entry
from policy.endpoints import Defaults, state_of
from policy.exchange import EndpointState
from policy.snapshot import EndpointRule
from tests.builders import a_credential, a_snapshot, a_tenant

API = Entry("api.openai.com", "openai", "api", "openai-responses", "global", "US", False, "test", "")
WEB = Entry("chatgpt.com", "openai", "chat", "web", "global", "US", False, "test", "")
DEFAULTS = Defaults(EndpointState.BLOCKED, EndpointState.MONITORED)
TENANT, OTHER = a_tenant(), a_tenant(name="other")


def state(entry, *, credential=False, rules=(), tenant=TENANT):
    credentials = [a_credential(TENANT)] if credential else []
    snapshot = a_snapshot(tenants=[TENANT, OTHER], credentials=credentials, rules=rules)
    host = entry.host if entry else "llm.example"
    return state_of(snapshot, tenant.id if tenant else None, host, entry, DEFAULTS)


def test_nobody_decided():
    assert state(API) is EndpointState.BLOCKED
    assert state(None) is EndpointState.MONITORED


def test_a_credential_sanctions_its_providers_api_for_its_tenant_alone():
    assert state(API, credential=True) is EndpointState.SANCTIONED
    assert state(API, credential=True, tenant=OTHER) is EndpointState.BLOCKED
    assert state(API, credential=True, tenant=None) is EndpointState.BLOCKED


def test_a_credential_does_not_sanction_the_same_companys_chat_pages():
    assert state(WEB, credential=True) is EndpointState.BLOCKED


@pytest.mark.parametrize("decided", list(EndpointState))
def test_an_administrators_decision_outranks_a_credential(decided):
    rules = [EndpointRule(TENANT.id, API.host, decided)]
    assert state(API, credential=True, rules=rules) is decided


def test_a_tenants_own_decision_outranks_the_platforms():
    rules = [
        EndpointRule(None, API.host, EndpointState.COACHED),
        EndpointRule(TENANT.id, API.host, EndpointState.MONITORED),
    ]
    assert state(API, rules=rules) is EndpointState.MONITORED
    assert state(API, rules=rules, tenant=OTHER) is EndpointState.COACHED

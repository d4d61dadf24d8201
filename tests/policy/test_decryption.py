"""TLS is looked into by the operator's word or the tenant's own, and never by another tenant's."""

import pytest

from policy.catalogue import Entry, build
from policy.decryption import Decryption
from policy.exchange import EndpointState
from policy.snapshot import EndpointRule
from tests.builders import a_snapshot, a_tenant

CATALOGUED, DECIDED, UNKNOWN, BANK = "api.ai.example", "found.example", "unknown.example", "www.bank.example"
OURS, THEIRS = a_tenant(), a_tenant(name="theirs")
ENTRY = Entry(CATALOGUED, "ai", "api", "openai-chat", "global", "US", False, "own", "")
DECRYPTION = Decryption(build([ENTRY]), False, frozenset({"*.bank.example"}))
SNAPSHOT = a_snapshot(
    tenants=[OURS, THEIRS],
    rules=[EndpointRule(OURS.id, host, EndpointState.MONITORED) for host in (DECIDED, BANK)],
)


@pytest.mark.parametrize(
    ("tenant", "host", "ai"),
    [
        (OURS.id, DECIDED, True),
        (THEIRS.id, DECIDED, False),
        (None, DECIDED, True),
        (OURS.id, BANK, False),
        (None, BANK, False),
        (THEIRS.id, CATALOGUED, True),
        (None, CATALOGUED, True),
        (OURS.id, UNKNOWN, False),
    ],
)
def test_a_tenants_decision_opens_its_own_connections_alone(tenant, host, ai):
    assert DECRYPTION.is_ai(SNAPSHOT, tenant, host) is ai


@pytest.mark.parametrize(
    ("state", "tenant", "refused"),
    [
        (EndpointState.BLOCKED, OURS.id, True),
        (EndpointState.COACHED, OURS.id, False),
        (EndpointState.BLOCKED, THEIRS.id, False),
        (EndpointState.BLOCKED, None, False),
    ],
)
def test_an_excluded_host_is_blocked_unread(state, tenant, refused):
    snapshot = a_snapshot(tenants=[OURS, THEIRS], rules=[EndpointRule(OURS.id, BANK, state)])
    assert not DECRYPTION.is_ai(snapshot, tenant, BANK)
    assert (DECRYPTION.blocked(snapshot, tenant, [BANK, UNKNOWN]) is not None) is refused


def test_the_operators_decision_outranks_the_exclusions():
    decided = a_snapshot(tenants=[OURS], rules=[EndpointRule(None, BANK, EndpointState.BLOCKED)])
    assert DECRYPTION.is_ai(decided, OURS.id, BANK)


@pytest.mark.parametrize("operator", [True, False])
@pytest.mark.parametrize("stated", [True, False, None])
def test_a_tenant_opts_in_or_out_for_itself(operator, stated):
    tenant = a_tenant(decrypt_unknown=stated, never_decrypted=frozenset({"*.works-council.example"}))
    snapshot = a_snapshot(tenants=[tenant, THEIRS])
    decryption = Decryption(build([]), operator, frozenset({"*.bank.example"}))
    wanted = operator if stated is None else stated
    assert decryption.looks_into(snapshot, tenant.id, [UNKNOWN]) is wanted
    assert decryption.looks_into(snapshot, THEIRS.id, [UNKNOWN]) is operator
    assert decryption.looks_into(snapshot, None, [UNKNOWN]) is operator
    for excluded in (BANK, "www.works-council.example"):
        assert not decryption.looks_into(snapshot, tenant.id, [UNKNOWN, excluded])
    assert decryption.looks_into(snapshot, THEIRS.id, ["www.works-council.example"]) is operator

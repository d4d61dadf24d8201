"""TLS passes unread only where the tenant decided so, for a time, and would let the call through."""

from dataclasses import replace
from datetime import timedelta

import pytest

from policy.catalogue import build
from policy.decryption import Decryption
from policy.endpoints import Defaults
from policy.exchange import EndpointState, IdentitySource, Principal
from policy.pinning import Settings, bypasses
from policy.snapshot import EndpointRule, PinnedBypass
from policy.sufficiency import OperatorRule
from tests.builders import NOW, a_snapshot, a_tenant

HOST = "pinned.example"
TENANT = a_tenant()
CALLER = Principal(
    tenant_id=TENANT.id,
    tenant_name=TENANT.name,
    user_id=None,
    user_name=None,
    team=None,
    cost_centre=None,
    placeholder_id=None,
    credential_id=None,
    sources=(IdentitySource.NETWORK,),
)
SETTINGS = Settings(Decryption(build([])), Defaults(EndpointState.BLOCKED, EndpointState.MONITORED), ())
AHEAD, PAST = NOW + timedelta(hours=1), NOW - timedelta(hours=1)


@pytest.mark.parametrize(
    ("state", "expires_at", "names", "passes"),
    [
        (EndpointState.MONITORED, AHEAD, [HOST], True),
        (EndpointState.SANCTIONED, AHEAD, [HOST], True),
        (EndpointState.BLOCKED, AHEAD, [HOST], False),
        (EndpointState.COACHED, AHEAD, [HOST], False),
        (EndpointState.MONITORED, PAST, [HOST], False),
        (EndpointState.MONITORED, AHEAD, [HOST, "other.example"], False),
        (EndpointState.MONITORED, AHEAD, [], False),
    ],
)
def test_what_passes_unread(state, expires_at, names, passes):
    snapshot = a_snapshot(
        tenants=[TENANT],
        rules=[EndpointRule(TENANT.id, HOST, state)],
        bypasses=[PinnedBypass(TENANT.id, HOST, expires_at)],
    )
    assert bypasses(snapshot, CALLER, names, SETTINGS, NOW) is passes


def test_the_tenants_other_rules_hold():
    decided = {
        "rules": [EndpointRule(TENANT.id, HOST, EndpointState.MONITORED)],
        "bypasses": [PinnedBypass(TENANT.id, HOST, AHEAD)],
    }
    resident = a_snapshot(tenants=[replace(TENANT, residency=frozenset({"eu"}))], **decided)
    assert not bypasses(resident, CALLER, [HOST], SETTINGS, NOW)
    strict = replace(
        SETTINGS, sufficiency=(OperatorRule(None, frozenset(), frozenset({IdentitySource.TOKEN})),)
    )
    assert not bypasses(a_snapshot(tenants=[TENANT], **decided), CALLER, [HOST], strict, NOW)

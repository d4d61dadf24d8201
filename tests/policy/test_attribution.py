from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network

import pytest

from policy.attribution import Presented, attribute, concerned
from policy.exchange import IdentitySource, Principal
from policy.refusals import Reason
from policy.snapshot import TenantNetwork
from tests.builders import (
    NOW,
    a_credential,
    a_placeholder,
    a_snapshot,
    a_tenant,
    a_user,
    foreign_key,
    one_tenant,
    our_key,
)

HOME = ip_address("192.0.2.7")


def reason_of(found):
    return None if isinstance(found, Principal) else found.reason


def test_a_placeholder_names_tenant_and_user():
    tenant, user, snapshot = one_tenant()
    found = attribute(snapshot, Presented(HOME, (our_key(),)), NOW)
    assert (found.tenant_id, found.user_id, found.team) == (tenant.id, user.id, "research")
    assert found.sources == (IdentitySource.PLACEHOLDER,)


def test_a_network_names_its_tenant():
    tenant = a_tenant()
    networks = [TenantNetwork(tenant.id, ip_network("192.0.2.0/24"))]
    found = attribute(a_snapshot(tenants=[tenant], networks=networks), Presented(HOME), NOW)
    assert found.tenant_id == tenant.id
    assert found.user_id is None


def test_the_longest_network_wins():
    wide, narrow = a_tenant(name="wide"), a_tenant(name="narrow")
    networks = [
        TenantNetwork(wide.id, ip_network("192.0.0.0/8")),
        TenantNetwork(narrow.id, ip_network("192.0.2.0/24")),
    ]
    snapshot = a_snapshot(tenants=[wide, narrow], networks=networks)
    assert snapshot.tenant_at(HOME) == narrow.id
    assert snapshot.tenant_at(ip_address("192.1.1.1")) == wide.id
    assert snapshot.tenant_at(ip_address("::1")) is None


def test_placeholder_and_network_of_one_tenant_agree():
    tenant = a_tenant()
    user, credential = a_user(tenant), a_credential(tenant)
    snapshot = a_snapshot(
        tenants=[tenant],
        users=[user],
        credentials=[credential],
        placeholders=[a_placeholder(user, credential)],
        networks=[TenantNetwork(tenant.id, ip_network("192.0.2.0/24"))],
    )
    found = attribute(snapshot, Presented(HOME, (our_key(),)), NOW)
    assert found.sources == (IdentitySource.PLACEHOLDER, IdentitySource.NETWORK)


def test_placeholder_and_network_of_two_tenants_conflict():
    tenant, other = a_tenant(), a_tenant(name="other")
    user, credential = a_user(tenant), a_credential(tenant)
    snapshot = a_snapshot(
        tenants=[tenant, other],
        users=[user],
        credentials=[credential],
        placeholders=[a_placeholder(user, credential)],
        networks=[TenantNetwork(other.id, ip_network("192.0.2.0/24"))],
    )
    found = attribute(snapshot, Presented(HOME, (our_key(),)), NOW)
    assert reason_of(found) is Reason.IDENTITY_CONFLICT


def test_a_honeytoken_is_answered_as_an_unknown_placeholder_and_told_apart_in_the_event_alone():
    _, _, snapshot = one_tenant(honeytoken=True)
    decoy = attribute(snapshot, Presented(HOME, (our_key(),)), NOW)
    _, _, snapshot = one_tenant(digest=b"x" * 32)
    unknown = attribute(snapshot, Presented(HOME, (our_key(),)), NOW)
    assert replace(decoy, rule=unknown.rule) == unknown
    assert (decoy.rule, unknown.rule) == ("honeytoken", "placeholder-known")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"revoked": True}, Reason.PLACEHOLDER_REVOKED),
        ({"expires_at": NOW}, Reason.PLACEHOLDER_EXPIRED),
        ({"expires_at": NOW - timedelta(days=1)}, Reason.PLACEHOLDER_EXPIRED),
        ({"networks": (ip_network("198.51.100.0/24"),)}, Reason.PLACEHOLDER_MISUSED),
        ({"digest": b"x" * 32}, Reason.PLACEHOLDER_UNKNOWN),
    ],
)
def test_a_placeholder_out_of_force_is_refused(changed, reason):
    _, _, snapshot = one_tenant(**changed)
    assert reason_of(attribute(snapshot, Presented(HOME, (our_key(),)), NOW)) is reason


@pytest.mark.parametrize(
    "changed", [{"expires_at": NOW + timedelta(seconds=1)}, {"networks": (ip_network("192.0.2.0/24"),)}]
)
def test_a_placeholder_within_its_bounds_is_admitted(changed):
    _, _, snapshot = one_tenant(**changed)
    assert isinstance(attribute(snapshot, Presented(HOME, (our_key(),)), NOW), Principal)


@pytest.mark.parametrize("disabled", ["tenant", "user", "credential"])
def test_a_placeholder_falls_with_its_tenant_user_or_credential(disabled):
    tenant = a_tenant(enabled=disabled != "tenant")
    user = a_user(tenant, enabled=disabled != "user")
    credential = replace(a_credential(tenant), revoked=disabled == "credential")
    snapshot = a_snapshot(
        tenants=[tenant],
        users=[user],
        credentials=[credential],
        placeholders=[a_placeholder(user, credential)],
    )
    found = attribute(snapshot, Presented(HOME, (our_key(),)), NOW)
    assert reason_of(found) is Reason.PLACEHOLDER_REVOKED


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ((), Reason.UNIDENTIFIED),
        ((foreign_key(provider_form=False),), Reason.UNIDENTIFIED),
        ((foreign_key(),), Reason.UNVAULTED_KEY),
        ((our_key("x-api-key"), our_key()), Reason.REQUEST_MALFORMED),
    ],
)
def test_without_a_source_of_identity_nobody_is_admitted(keys, reason):
    _, _, snapshot = one_tenant()
    assert reason_of(attribute(snapshot, Presented(HOME, keys), NOW)) is reason


def test_a_refused_placeholder_stands_in_its_holders_record():
    tenant, user, snapshot = one_tenant(revoked=True)
    whose = concerned(snapshot, Presented(HOME, keys=(our_key(),)))
    assert (whose.tenant_id, whose.user_id) == (tenant.id, user.id)


def test_an_unknown_caller_stands_in_the_record_of_its_networks_tenant():
    tenant = a_tenant()
    networks = [TenantNetwork(tenant.id, ip_network("192.0.2.0/24"))]
    snapshot = a_snapshot(tenants=[tenant], networks=networks)
    assert concerned(snapshot, Presented(HOME)).tenant_id == tenant.id
    assert concerned(snapshot, Presented(ip_address("198.51.100.1"))) is None

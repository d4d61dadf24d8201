from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.attribution import (
    Presented,
    ProxyCredentials,
    attribute,
    concerned,
    judge_proxy_credentials,
    unproven,
)
from policy.exchange import IdentitySource, Principal
from policy.refusals import Reason, Refusal
from policy.snapshot import AddressSession, TenantNetwork
from policy.tokens import Claimed
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


# All sources together


ACME, GLOBEX = a_tenant(name="acme"), a_tenant(name="globex")
PEOPLE = {
    ("acme", "ada"): a_user(ACME, name="ada"),
    ("acme", "bob"): a_user(ACME, name="bob"),
    ("globex", "ada"): a_user(GLOBEX, name="ada"),
}
DIGESTS = {key: bytes([number]) * 32 for number, key in enumerate(PEOPLE, start=1)}
NETWORKS = {"acme": ip_address("192.0.2.7"), "globex": ip_address("198.51.100.7")}
AT = {"ada": ip_address("192.0.2.8"), "bob": ip_address("192.0.2.9")}
NOBODYS = ip_address("203.0.113.1")
BAD = unproven("It proves nothing.", "test")


def a_whole_policy(**changed):
    credentials = {tenant.id: a_credential(tenant) for tenant in (ACME, GLOBEX)}
    records = {
        "tenants": [ACME, GLOBEX],
        "users": PEOPLE.values(),
        "credentials": credentials.values(),
        "placeholders": [
            a_placeholder(user, credentials[user.tenant_id], digest=DIGESTS[key])
            for key, user in PEOPLE.items()
        ],
        "networks": [
            TenantNetwork(ACME.id, ip_network("192.0.2.0/24")),
            TenantNetwork(GLOBEX.id, ip_network("198.51.100.0/24")),
        ],
        "sessions": [
            AddressSession(ACME.id, address, name, NOW - timedelta(hours=1), NOW + timedelta(hours=1))
            for name, address in AT.items()
        ],
    }
    return a_snapshot(**(records | changed))


WHOLE = a_whole_policy()
PERSON = st.sampled_from(list(PEOPLE))
CLAIM = st.tuples(st.sampled_from(["acme", "ACME", "globex"]), st.sampled_from(["ada", "Ada", "zoe", None]))
PLACE = st.sampled_from([NOBODYS, *NETWORKS.values(), *AT.values()])


@given(
    key=st.none() | PERSON,
    proxy=st.none() | PERSON,
    tokens=st.lists(CLAIM | st.just("bad"), max_size=2),
    certificate=st.none() | CLAIM | st.just("bad"),
    place=PLACE,
)
def test_whoever_is_named_is_named_by_all(key, proxy, tokens, certificate, place):
    """Against a model that knows nothing of the order in which sources are asked."""
    claims = [*tokens, certificate]
    named = [(tenant, name) for tenant, name in (item for item in (key, proxy) if item is not None)]
    named += [
        (tenant.lower(), name and name.lower())
        for tenant, name in (c for c in claims if c not in (None, "bad"))
    ]
    named += [("acme", name) for name, address in AT.items() if address == place]
    named += [("acme", None)] if place in AT.values() else []
    named += [(tenant, None) for tenant, address in NETWORKS.items() if address == place]
    presented = Presented(
        place,
        keys=(our_key(digest=DIGESTS[key]),) if key else (),
        proxy=ProxyCredentials("", DIGESTS[proxy]) if proxy else None,
        tokens=tuple(BAD if token == "bad" else Claimed(*token) for token in tokens),
        certificate=BAD if certificate == "bad" else certificate and Claimed(*certificate),
    )
    found = attribute(WHOLE, presented, NOW)
    tenants, users = {tenant for tenant, _ in named}, {name for _, name in named if name}
    if "bad" in claims or not named:
        assert found.reason is Reason.UNIDENTIFIED
    elif len(tenants) > 1 or len(users) > 1:
        assert found.reason is Reason.IDENTITY_CONFLICT
    else:
        assert {found.tenant_name} == tenants
        assert {found.user_name} == (users or {None})
        assert (found.user_id is None) == (users in (set(), {"zoe"}))
        assert (found.placeholder_id is None) == (key is None)


def test_the_message_of_a_conflict_names_the_sources_and_no_tenant():
    presented = Presented(NETWORKS["globex"], tokens=(Claimed("acme", "ada"),))
    found = attribute(WHOLE, presented, NOW)
    assert found.message == "An identity token and the source network name different tenants."


@pytest.mark.parametrize("claimed", [Claimed("initech", "ada"), Claimed("acme", "old")])
@pytest.mark.parametrize("source", ["tokens", "certificate"])
def test_who_is_not_served_here_is_refused_even_at_home(claimed, source):
    snapshot = a_whole_policy(users=[*PEOPLE.values(), a_user(ACME, name="old", enabled=False)])
    shown = {source: (claimed,) if source == "tokens" else claimed}
    found = attribute(snapshot, Presented(NETWORKS["acme"], **shown), NOW)
    assert found.reason is Reason.UNIDENTIFIED


def test_a_tenant_that_has_been_stopped_is_named_by_nothing():
    snapshot = a_whole_policy(tenants=[replace(ACME, enabled=False), GLOBEX])
    for presented in (
        Presented(NETWORKS["acme"]),
        Presented(AT["ada"]),
        Presented(NOBODYS, tokens=(Claimed("acme", "ada"),)),
    ):
        assert attribute(snapshot, presented, NOW).reason is Reason.UNIDENTIFIED


def test_a_session_of_another_tenant_says_nothing_about_an_address():
    """Private addresses mean something else elsewhere: a tenant's sessions count in its networks alone."""
    foreign = AddressSession(GLOBEX.id, AT["ada"], "ada", NOW - timedelta(hours=1), NOW + timedelta(hours=1))
    found = attribute(a_whole_policy(sessions=[foreign]), Presented(AT["ada"]), NOW)
    assert (found.tenant_name, found.user_name) == ("acme", None)


@pytest.mark.parametrize(("hours", "user"), [(-2, None), (-1, "ada"), (0.99, "ada"), (1, None)])
def test_a_session_counts_from_its_begin_until_before_its_end(hours, user):
    found = attribute(WHOLE, Presented(AT["ada"]), NOW + timedelta(hours=hours))
    assert found.user_name == user


def test_a_name_in_another_case_is_nobodys_where_two_have_it():
    two = [a_user(ACME, name="ada"), a_user(ACME, name="ADA")]
    snapshot = a_whole_policy(users=two, placeholders=[])
    found = [
        attribute(snapshot, Presented(NOBODYS, tokens=(Claimed("acme", name),)), NOW)
        for name in ("ADA", "Ada")
    ]
    assert [principal.user_id for principal in found] == [two[1].id, None]


@pytest.mark.parametrize(
    ("user", "reason"), [("", None), ("ada", None), ("ADA", None), ("bob", "unknown"), ("zoe", "unknown")]
)
def test_the_proxys_user_is_the_placeholders_holder(user, reason):
    found = judge_proxy_credentials(WHOLE, ProxyCredentials(user, DIGESTS["acme", "ada"]), NOW)
    assert isinstance(found, Refusal) == (reason is not None)
    if reason:
        assert found.reason is Reason.PLACEHOLDER_UNKNOWN

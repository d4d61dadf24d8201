"""A credential opens for its own tenant, hosts, id and version, and for nothing else."""

import pickle
import traceback
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from tests.builders import a_credential, a_tenant
from tests.vault.conftest import KEY, Opener, Safe
from vault import key_file
from vault.envelope import Binding
from vault.errors import NotBound, Sealed, Unopenable
from vault.kek import KeyDocument, LocalKeys
from vault.secret import Secret
from vault.vault import DATA_KEY_HELD_S, JUST_UNLOCKED_S, VERSION_OVERLAP_S, Vault


def test_a_credential_opens_for_a_host_that_it_is_bound_to(safe: Safe) -> None:
    tenant = safe.a_tenant()
    credential = safe.a_credential(tenant, hosts=("eu.api.openai.com", "api.openai.com"))
    for host in credential.hosts:
        with safe.vault.open_credential(tenant, credential, host=host).revealed() as text:
            assert text == KEY


@pytest.mark.parametrize("host", ["evil.example", "api.openai.com.evil.example", "API.OPENAI.COM", ""])
def test_it_does_not_open_for_another_host(safe: Safe, host: str) -> None:
    tenant = safe.a_tenant()
    with pytest.raises(NotBound):
        safe.vault.open_credential(tenant, safe.a_credential(tenant), host=host)


@pytest.mark.parametrize(
    "change",
    [
        {"provider": "anthropic"},
        {"hosts": ("evil.example",)},
        {"hosts": ("api.openai.com", "evil.example")},
        {"version": 2},
        {"version": 0},
        {"id": uuid7()},
        {"revoked": True},
        {"envelope": b""},
    ],
    ids=lambda change: "-".join(change),
)
def test_a_row_that_was_bent_does_not_open(safe: Safe, opened: Opener, change: dict[str, object]) -> None:
    tenant = safe.a_tenant()
    credential = safe.a_credential(tenant)
    assert opened(tenant, credential) == KEY
    with pytest.raises(Unopenable):
        opened(tenant, replace(credential, **change))  # type: ignore[arg-type]


def test_hosts_are_a_set_so_their_order_does_not_matter(safe: Safe, opened: Opener) -> None:
    tenant = safe.a_tenant()
    credential = safe.a_credential(tenant, hosts=("a.example", "b.example"))
    assert opened(tenant, replace(credential, hosts=("b.example", "a.example"))) == KEY


def test_a_row_copied_to_another_tenant_does_not_open(safe: Safe, opened: Opener) -> None:
    ours, theirs = safe.a_tenant(), safe.a_tenant()
    credential = safe.a_credential(ours)
    for claimed in (credential, replace(credential, tenant_id=theirs.id)):
        with pytest.raises(Unopenable):
            opened(theirs, claimed)


def test_a_data_key_copied_to_another_tenant_does_not_open(safe: Safe, opened: Opener) -> None:
    ours, theirs = safe.a_tenant(), safe.a_tenant()
    credential = safe.a_credential(ours)
    thief = replace(theirs, data_key=ours.data_key)
    with pytest.raises(Unopenable):
        opened(thief, replace(credential, tenant_id=theirs.id))


def test_envelopes_of_two_credentials_cannot_be_swapped(safe: Safe, opened: Opener) -> None:
    tenant = safe.a_tenant()
    cheap, dear = safe.a_credential(tenant), safe.a_credential(tenant)
    with pytest.raises(Unopenable):
        opened(tenant, replace(cheap, envelope=dear.envelope))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_flipped_bit_of_an_envelope_opens(safe: Safe, opened: Opener, data: st.DataObject) -> None:
    tenant = safe.a_tenant()
    credential = safe.a_credential(tenant)
    bent = bytearray(credential.envelope)
    at = data.draw(st.integers(0, len(bent) * 8 - 1))
    bent[at // 8] ^= 1 << at % 8
    with pytest.raises(Unopenable):
        opened(tenant, replace(credential, envelope=bytes(bent)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_flipped_bit_of_a_wrapped_data_key_opens(safe: Safe, opened: Opener, data: st.DataObject) -> None:
    tenant = safe.a_tenant()
    credential = safe.a_credential(tenant)
    bent = bytearray(tenant.data_key)
    at = data.draw(st.integers(0, len(bent) * 8 - 1))
    bent[at // 8] ^= 1 << at % 8
    with pytest.raises(Unopenable):
        opened(replace(tenant, data_key=bytes(bent)), credential)


def test_an_earlier_version_put_back_does_not_open_once_calls_in_flight_have_ended(fresh_safe: Safe) -> None:
    tenant = fresh_safe.a_tenant()
    earlier = fresh_safe.a_credential(tenant)
    later = fresh_safe.a_credential(tenant, id=earlier.id, version=2)
    fresh_safe.vault.open_credential(tenant, later, host="api.openai.com")
    fresh_safe.clock.now += VERSION_OVERLAP_S
    fresh_safe.vault.open_credential(tenant, earlier, host="api.openai.com")
    fresh_safe.clock.now += 1
    with pytest.raises(Unopenable):
        fresh_safe.vault.open_credential(tenant, earlier, host="api.openai.com")


def test_a_shredded_data_key_opens_nothing_even_if_it_was_held(safe: Safe, opened: Opener) -> None:
    tenant = safe.a_tenant()
    credential = safe.a_credential(tenant)
    assert opened(tenant, credential) == KEY
    with pytest.raises(Unopenable):
        opened(replace(tenant, data_key=b""), credential)


def test_a_sealed_vault_opens_seals_and_digests_nothing(safe: Safe) -> None:
    tenant = safe.a_tenant()
    credential = safe.a_credential(tenant)
    sealed = Vault(None)
    assert sealed.sealed
    for attempt in (
        lambda: sealed.open_credential(tenant, credential, host="api.openai.com"),
        lambda: sealed.seal_credential(tenant, Binding.of(credential), Secret(KEY)),
        lambda: sealed.new_data_key(tenant.id),
        lambda: sealed.digest("sk-cdt"),
    ):
        with pytest.raises(Sealed):
            attempt()


def test_a_binding_of_another_tenant_is_not_sealed(safe: Safe) -> None:
    ours, theirs = safe.a_tenant(), safe.a_tenant()
    with pytest.raises(Unopenable):
        safe.vault.seal_credential(theirs, Binding.of(safe.a_credential(ours)), Secret(KEY))


def test_a_data_key_is_asked_for_again_after_it_was_held_long_enough(fresh_safe: Safe) -> None:
    tenant = fresh_safe.a_tenant()
    credential = fresh_safe.a_credential(tenant)
    fresh_safe.vault.open_credential(tenant, credential, host="api.openai.com")
    keys = key_file.FileKeys(fresh_safe.path)
    keys.add_key()
    keys.drop_earlier_keys()
    fresh_safe.vault.open_credential(tenant, credential, host="api.openai.com")
    fresh_safe.clock.now += DATA_KEY_HELD_S
    reopened = fresh_safe.reopened()
    with pytest.raises(Unopenable):
        reopened.open_credential(tenant, credential, host="api.openai.com")


async def test_unlocking_holds_the_key_ready(safe: Safe) -> None:
    tenant = safe.a_tenant()
    credential = safe.a_credential(tenant)
    vault = safe.reopened()
    await vault.unlock(tenant)
    await vault.unlock(tenant)
    assert vault.open_credential(tenant, credential, host="api.openai.com").matches(KEY)
    with pytest.raises(Unopenable):
        await vault.unlock(replace(tenant, data_key=b""))


def test_digests_are_keyed(safe: Safe, fresh_safe: Safe) -> None:
    assert safe.vault.digest("sk-cdt") == safe.reopened().digest("sk-cdt")
    assert safe.vault.digest("sk-cdt") != fresh_safe.vault.digest("sk-cdt")


def test_nothing_secret_is_shown_by_a_vault_its_pickle_or_its_errors(safe: Safe) -> None:
    tenant = safe.a_tenant()
    credential = safe.a_credential(tenant)
    with pytest.raises(Unopenable) as raised:
        safe.vault.open_credential(tenant, replace(credential, version=3), host="api.openai.com")
    told = "".join(traceback.format_exception(raised.value))
    assert KEY not in told
    assert credential.envelope.hex() not in told
    assert repr(safe.vault) == "<Vault open>"
    with pytest.raises(TypeError):
        pickle.dumps(safe.vault)


def test_a_credential_is_resealed_under_the_newest_data_key(safe: Safe, opened: Opener) -> None:
    before = safe.a_tenant()
    credential = safe.a_credential(before)
    both = replace(before, data_key=safe.vault.with_new_data_key(before))
    assert safe.vault.is_rotating(both)
    assert not safe.vault.is_current(both, credential)
    assert opened(both, credential) == KEY

    moved = replace(credential, envelope=safe.vault.resealed(both, credential))
    assert safe.vault.is_current(both, moved)
    after = replace(both, data_key=safe.vault.without_earlier_data_keys(both))
    assert opened(after, moved) == KEY
    for earlier in (replace(moved, envelope=credential.envelope), replace(moved, version=2)):
        with pytest.raises(Unopenable):
            opened(after, earlier)


def test_resealing_moves_nothing_between_tenants(safe: Safe) -> None:
    ours, theirs = safe.a_tenant(), safe.a_tenant()
    credential = safe.a_credential(ours)
    for claimed in (credential, replace(credential, tenant_id=theirs.id)):
        with pytest.raises(Unopenable):
            safe.vault.resealed(theirs, claimed)


def test_a_ring_rewrapped_after_a_rotation_opens_without_the_earlier_key(fresh_safe: Safe) -> None:
    tenant = fresh_safe.a_tenant()
    credential = fresh_safe.a_credential(tenant)
    keys = key_file.FileKeys(fresh_safe.path)
    keys.add_key()
    rewrapped = replace(tenant, data_key=fresh_safe.vault.rewrapped(tenant))
    keys.drop_earlier_keys()
    reopened = fresh_safe.reopened()
    assert reopened.open_credential(rewrapped, credential, host="api.openai.com").matches(KEY)
    with pytest.raises(Unopenable):
        fresh_safe.reopened().open_credential(tenant, credential, host="api.openai.com")


def test_what_is_held_for_a_tenant_goes_with_its_data_key() -> None:
    now = [0.0]
    vault = Vault(LocalKeys(KeyDocument.fresh()), clock=lambda: now[0])
    made = [a_tenant() for _ in range(3)]
    tenants = {each.id: replace(each, data_key=vault.new_data_key(each.id)) for each in made}
    for tenant in tenants.values():
        vault.is_current(tenant, replace(a_credential(tenant), envelope=b"CDE1" + bytes(8)))
    held = dict(vault._rings)
    same, rotated, shredded = tenants
    tenants[rotated] = replace(tenants[rotated], data_key=vault.with_new_data_key(tenants[rotated]))
    tenants[shredded] = replace(tenants[shredded], data_key=b"")
    vault.keep_only(tenants)
    assert set(vault._rings) == {same, rotated}  # a call on the policy before may be about to use it
    now[0] = JUST_UNLOCKED_S + 1
    vault.keep_only(tenants)
    assert set(vault._rings) == {same}
    for gone in (rotated, shredded):
        assert not any(any(key) for key in held[gone].keys.values())
    assert all(any(key) for key in held[same].keys.values())
    now[0] = DATA_KEY_HELD_S - 1
    vault.forget_ended()
    assert set(vault._rings) == {same}
    now[0] = DATA_KEY_HELD_S + 1
    vault.forget_ended()
    assert vault._rings == {}
    assert not any(any(key) for key in held[same].keys.values())

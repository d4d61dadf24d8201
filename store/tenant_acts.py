"""Acts about tenants, each with its event in the same transaction."""

import re
from asyncio import to_thread
from collections.abc import Sequence
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from policy.catalogue import Catalogue
from policy.identifiers import TenantId
from policy.money import MICRO_DOLLARS_MAX, MicroDollars
from policy.regions import REGIONS, served
from store import custody, key_custody, tenants
from store.acts import Actor, record
from store.claim import Purpose
from store.door import Store
from store.errors import AlreadyExists, InvalidRecord
from store.hosts import stated_pattern
from store.names import stated_name
from vault.vault import Vault

REGIONS_MAX = 50
NEVER_DECRYPTED_MAX = 500
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{1,39}")


class DecryptUnknown(StrEnum):
    """What a tenant says about its TLS to hosts outside the catalogue; ``default``: as the operator does."""

    ON = "on"
    OFF = "off"
    DEFAULT = "default"


_DECRYPT_UNKNOWN = {DecryptUnknown.ON: True, DecryptUnknown.OFF: False, DecryptUnknown.DEFAULT: None}
_IN_WORDS = {kept: stated.value for stated, kept in _DECRYPT_UNKNOWN.items()}


async def create_tenant(
    store: Store, vault: Vault, *, actor: Actor, name: str, region: str = "eu", time_zone: str = "UTC"
) -> tenants.Tenant:
    """Create a tenant with a data key of its own. ``time_zone`` is an IANA name.

    ``region`` says where the organisation is at home (``policy.regions``). It decides nothing about calls:
    ``set_residency`` does. Raises ``InvalidRecord``, and ``AlreadyExists`` for a name that is taken.
    """
    stated_name(name, "a tenant")
    _check_time_zone(time_zone)
    if region not in REGIONS:
        raise InvalidRecord(
            f"{region!r} is no region: eu, or the two letters of a country (ISO 3166), such as us or gb"
        )
    async with store.platform(Purpose.ADMINISTRATION) as session:
        if await tenants.find(session, name=name):
            raise AlreadyExists(f"a tenant named {name!r} exists already")
        tenant = await tenants.create(session, name=name, region=region, time_zone=time_zone)
        await key_custody.share_kek(session)
        ring = await to_thread(vault.new_data_key, tenant.tenant_id)
        await custody.write_data_key(session, tenant_id=tenant.tenant_id, version=1, data_key=ring)
        await record(
            session,
            actor,
            "tenant.create",
            tenant_id=None,
            target=tenant.tenant_id,
            name=name,
            region=region,
        )
    return tenant


async def set_tenant_enabled(
    store: Store, *, actor: Actor, tenant_id: TenantId, enabled: bool
) -> tenants.Tenant:
    """Let a tenant's calls through, or stop them."""
    action = "tenant.enable" if enabled else "tenant.disable"
    async with store.platform(Purpose.ADMINISTRATION) as session:
        tenant = await tenants.set_enabled(session, tenant_id=tenant_id, enabled=enabled)
        await record(session, actor, action, tenant_id=None, target=tenant_id, name=tenant.name)
    return tenant


async def set_allowance(
    store: Store, *, actor: Actor, tenant_id: TenantId, allowance: MicroDollars | None
) -> tenants.Tenant:
    """Let the tenant's calls pass up to so many micro-dollars an hour while limits cannot be counted.

    ``None`` refuses them meanwhile, as at first. Raises ``InvalidRecord`` for more than the ledger can hold.
    """
    if allowance is not None and not 0 < allowance <= MICRO_DOLLARS_MAX:
        raise InvalidRecord("an allowance is more than nothing, and within what the ledger can hold")
    async with store.tenant(tenant_id) as session:
        tenant = await tenants.set_allowance(session, tenant_id=tenant_id, allowance=allowance)
        await record(
            session,
            actor,
            "tenant.set_degraded_mode",
            tenant_id=tenant_id,
            target=tenant_id,
            mode=tenant.degraded_mode.value,
            allowance_micro_dollars=allowance,
        )
    return tenant


async def set_residency(
    store: Store, *, actor: Actor, tenant_id: TenantId, regions: Sequence[str]
) -> tenants.Tenant:
    """Name the regions that the tenant's data may be processed in; none: every one.

    Raises ``InvalidRecord`` for what cannot be a region's name.
    """
    named = tuple(sorted(set(regions)))
    if len(named) > REGIONS_MAX or not all(_REGION.fullmatch(region) for region in named):
        raise InvalidRecord(f"at most {REGIONS_MAX} regions are named, each such as eu, us or gb")
    async with store.tenant(tenant_id) as session:
        tenant = await tenants.set_residency(session, tenant_id=tenant_id, regions=named)
        await record(
            session, actor, "tenant.set_residency", tenant_id=tenant_id, target=tenant_id, regions=named
        )
    return tenant


async def set_decryption(
    store: Store,
    *,
    actor: Actor,
    tenant_id: TenantId,
    unknown: DecryptUnknown | None,
    never: Sequence[str] | None,
) -> tenants.Tenant:
    """Say whether TLS to hosts outside the catalogue is looked into, and to which of them never.

    ``None`` leaves what was. ``never`` adds to the operator's own list; ``*.name`` covers what is below.
    Raises ``InvalidRecord`` for what is no host.
    """
    named = None if never is None else sorted({stated_pattern(text) for text in never})
    if named is not None and len(named) > NEVER_DECRYPTED_MAX:
        raise InvalidRecord(f"at most {NEVER_DECRYPTED_MAX} hosts or patterns are named")
    async with store.tenant(tenant_id) as session:
        before = await tenants.get(session, tenant_id=tenant_id)
        tenant = await tenants.set_decryption(
            session,
            tenant_id=tenant_id,
            unknown=before.decrypt_unknown if unknown is None else _DECRYPT_UNKNOWN[unknown],
            never=before.never_decrypted if named is None else named,
        )
        await record(
            session,
            actor,
            "tenant.set_decryption",
            tenant_id=tenant_id,
            target=tenant_id,
            unknown=_IN_WORDS[tenant.decrypt_unknown],
            never_decrypted=list(tenant.never_decrypted),
        )
    return tenant


def checked_residency(stated: Sequence[str], catalogue: Catalogue) -> list[str]:
    """The regions that were stated. Raises ``InvalidRecord`` for none, and for one that no endpoint is in:
    it would allow nothing at all.
    """
    known = served(catalogue)
    unknown = sorted(set(stated) - known)
    if unknown or not stated:
        wrong = ", ".join(unknown) or "nowhere"
        raise InvalidRecord(f"no AI endpoint is in {wrong}; known: {', '.join(sorted(known))}")
    return list(stated)


async def set_time_zone(store: Store, *, actor: Actor, tenant_id: TenantId, time_zone: str) -> tenants.Tenant:
    """Say where the days and months of the tenant's budgets turn; ``time_zone`` is an IANA name."""
    _check_time_zone(time_zone)
    async with store.tenant(tenant_id) as session:
        tenant = await tenants.set_time_zone(session, tenant_id=tenant_id, time_zone=time_zone)
        await record(
            session, actor, "tenant.set_time_zone", tenant_id=tenant_id, target=tenant_id, time_zone=time_zone
        )
    return tenant


def _check_time_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidRecord(f"{name!r} is not a time zone, such as Europe/Berlin") from error

"""Acts about limits, each with its event in the same transaction."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from policy.identifiers import LimitId, TenantId
from policy.limit_setting import InvalidLimit, LimitSetting, check, check_model
from store import limits
from store.acts import Actor, record
from store.door import Store
from store.errors import InvalidRecord

# A call is held to those of its tenant, team, user and placeholder: together no more than the limiter's
# script takes at once.
LIMITS_PER_SUBJECT_MAX = 64


async def set_limits(
    store: Store,
    *,
    actor: Actor,
    tenant_id: TenantId,
    settings: Sequence[LimitSetting],
    subject: limits.LimitSubject = limits.WHOLE_TENANT,
) -> list[limits.LimitRule]:
    """Set limits for the tenant, or for one team, user or placeholder of it; all of them or none."""
    if sum(each is not None for each in (subject.team_id, subject.member_id, subject.placeholder_id)) > 1:
        raise InvalidRecord("a limit is for a team, for a user or for a placeholder, not for two of them")
    try:
        for setting in settings:
            check(setting)
        if subject.model is not None:
            subject = replace(subject, model=check_model(subject.model))
    except InvalidLimit as error:
        raise InvalidRecord(str(error)) from error
    async with store.tenant(tenant_id) as session:
        rules = [await limits.put(session, setting=setting, subject=subject) for setting in settings]
        held_to = Counter(rule.limit.subject for rule in await limits.every(session))
        whose = rules[0].limit.subject
        if held_to[whose] > LIMITS_PER_SUBJECT_MAX:
            raise InvalidRecord(f"one subject has at most {LIMITS_PER_SUBJECT_MAX} limits")
        await record(
            session,
            actor,
            "limit.set",
            tenant_id=tenant_id,
            target=whose,
            model=subject.model,
            **{_name(setting): setting.amount for setting in settings},
        )
    return rules


async def remove_limit(
    store: Store, *, actor: Actor, tenant_id: TenantId, limit_id: LimitId
) -> limits.LimitRule:
    """Remove a limit."""
    async with store.tenant(tenant_id) as session:
        rule = await limits.remove(session, limit_id=limit_id)
        await record(
            session, actor, "limit.remove", tenant_id=tenant_id, target=limit_id, limit=rule.kind.value
        )
    return rule


def _name(setting: LimitSetting) -> str:
    """The limit's name in the act's event, such as ``tokens_rolling_24``."""
    window = setting.window.value if setting.window else None
    return "_".join(str(part) for part in (setting.kind.value, window, setting.hours) if part is not None)

"""Probes of the isolation canary: tenants, who belongs to them, and who administers them."""

from datetime import UTC, datetime, timedelta

from policy.branding import Branding
from policy.money import MicroDollars
from store import (
    administrators,
    approvals,
    branding,
    console_sessions,
    members,
    teams,
    tenants,
)
from store.canary_rows import AGES_AGO, AGES_AHEAD, Probe

_ENROLMENT = administrators.Enrolment(password_hash="-", totp_secret=b"-", totp_step=0)  # noqa: S106 - opens nothing


PEOPLE: tuple[Probe, ...] = (
    Probe(tenants.create, lambda s, r: tenants.create(s, name=f"{r.name} again", region="eu")),
    Probe(tenants.create_canaries, lambda s, _: tenants.create_canaries(s)),
    Probe(tenants.every, lambda s, _: tenants.every(s)),
    Probe(tenants.find, lambda s, r: tenants.find(s, name=f"isolation {r.name}")),
    Probe(tenants.get, lambda s, r: tenants.get(s, tenant_id=r.tenant_id)),
    Probe(tenants.set_enabled, lambda s, r: tenants.set_enabled(s, tenant_id=r.tenant_id, enabled=False)),
    Probe(
        tenants.set_state,
        lambda s, r: tenants.set_state(s, tenant_id=r.tenant_id, state=tenants.TenantState.DELETING),
    ),
    Probe(
        tenants.set_time_zone,
        lambda s, r: tenants.set_time_zone(s, tenant_id=r.tenant_id, time_zone="Asia/Tokyo"),
    ),
    Probe(
        tenants.set_residency,
        lambda s, r: tenants.set_residency(s, tenant_id=r.tenant_id, regions=["theirs"]),
    ),
    Probe(
        tenants.set_decryption,
        lambda s, r: tenants.set_decryption(s, tenant_id=r.tenant_id, unknown=True, never=["theirs"]),
    ),
    Probe(
        tenants.set_allowance,
        lambda s, r: tenants.set_allowance(s, tenant_id=r.tenant_id, allowance=MicroDollars(1)),
    ),
    Probe(teams.create, lambda s, r: teams.create(s, name=r.name), aims=False),
    Probe(teams.every, lambda s, _: teams.every(s)),
    Probe(teams.find, lambda s, r: teams.find(s, name=r.name)),
    Probe(teams.remove, lambda s, r: teams.remove(s, team_id=r.team_id)),
    Probe(members.create, lambda s, r: members.create(s, name=r.name), aims=False),
    Probe(members.create, lambda s, r: members.create(s, name=f"{r.name} 2", team_id=r.team_id)),
    Probe(members.every, lambda s, _: members.every(s)),
    Probe(members.find, lambda s, r: members.find(s, name=r.name)),
    Probe(members.get, lambda s, r: members.get(s, member_id=r.member_id)),
    Probe(
        members.assign,
        lambda s, r: members.assign(s, member_id=r.member_id, team_id=None, cost_centre="theirs"),
    ),
    Probe(members.set_enabled, lambda s, r: members.set_enabled(s, member_id=r.member_id, enabled=False)),
    Probe(branding.put, lambda s, _: branding.put(s, branding=Branding("theirs")), aims=False),
    Probe(branding.find, lambda s, _: branding.find(s)),
    Probe(branding.clear, lambda s, _: branding.clear(s), aims=False),
    Probe(
        administrators.invite,
        lambda s, r: administrators.invite(
            s, tenant_id=r.tenant_id, name=r.name, role="x", digest=r.digest, expires_at=AGES_AHEAD
        ),
    ),
    Probe(
        administrators.open_invitation,
        lambda s, r: administrators.open_invitation(s, digest=r.digest, now=AGES_AGO),
    ),
    Probe(
        administrators.accept,
        lambda s, r: administrators.accept(s, digest=r.digest, now=AGES_AGO, enrolment=_ENROLMENT),
    ),
    Probe(administrators.every, lambda s, _: administrators.every(s)),
    Probe(administrators.find, lambda s, r: administrators.find(s, name=r.name)),
    Probe(
        administrators.accept_totp_step,
        lambda s, r: administrators.accept_totp_step(s, administrator_id=r.member_id, step=1),
    ),
    Probe(
        administrators.count_failure,
        lambda s, r: administrators.count_failure(
            s, administrator_id=r.member_id, attempts_max=1, locked_until=AGES_AHEAD
        ),
    ),
    Probe(
        administrators.set_enabled,
        lambda s, r: administrators.set_enabled(s, administrator_id=r.member_id, enabled=False),
    ),
    Probe(
        administrators.replace_totp_secret,
        lambda s, r: administrators.replace_totp_secret(
            s, administrator_id=r.member_id, totp_secret=b"theirs"
        ),
    ),
    Probe(
        console_sessions.start,
        lambda s, r: console_sessions.start(
            s,
            tenant_id=r.tenant_id,
            administrator_id=r.member_id,
            digest=r.digest,
            source_address=None,
            expires_at=AGES_AHEAD,
        ),
    ),
    Probe(
        console_sessions.resume,
        lambda s, r: console_sessions.resume(
            s, digest=r.digest, now=datetime.now(UTC), idle_since=datetime.now(UTC) - timedelta(days=1)
        ),
    ),
    Probe(
        console_sessions.look_up,
        lambda s, r: console_sessions.look_up(s, digest=r.digest, now=AGES_AGO, idle_since=AGES_AGO),
    ),
    Probe(console_sessions.revoke, lambda s, r: console_sessions.revoke(s, digest=r.digest, now=AGES_AGO)),
    Probe(
        console_sessions.revoke_all,
        lambda s, r: console_sessions.revoke_all(s, administrator_id=r.member_id, now=AGES_AGO),
    ),
    Probe(console_sessions.every, lambda s, r: console_sessions.every(s, administrator_id=r.member_id)),
    Probe(
        approvals.request,
        lambda s, r: approvals.request(
            s, action="canary", subject=r.name, requested_by=r.name, expires_at=AGES_AHEAD
        ),
        aims=False,
    ),
    Probe(
        approvals.decide,
        lambda s, r: approvals.decide(
            s, approval_id=r.approval_id, state=approvals.ApprovalState.APPROVED, decided_by="theirs"
        ),
    ),
    Probe(approvals.every, lambda s, _: approvals.every(s)),
)

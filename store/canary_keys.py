"""Probes of the isolation canary: credentials, envelopes, placeholders and what was said with them."""

from store import (
    content,
    credentials,
    custody,
    placeholders,
)
from store.canary_rows import AGES_AGO, Probe, Rows


def sealed_record(rows: Rows) -> dict[str, str]:
    return {"id": str(rows.hold_id), "at": AGES_AGO.isoformat(), "sealed": "dGhlaXJz"}


KEYS: tuple[Probe, ...] = (
    Probe(
        credentials.create,
        lambda s, r: credentials.create(s, provider="canary", name=r.name, hosts=[r.host]),
        aims=False,
    ),
    Probe(credentials.every, lambda s, _: credentials.every(s)),
    Probe(credentials.find, lambda s, r: credentials.find(s, name=r.name)),
    Probe(credentials.get, lambda s, r: credentials.get(s, credential_id=r.credential_id)),
    Probe(credentials.in_pool, lambda s, r: credentials.in_pool(s, pool=r.name)),
    Probe(
        credentials.change,
        lambda s, r: credentials.change(
            s, credential_id=r.credential_id, options=credentials.Options(weight=9)
        ),
    ),
    Probe(credentials.rotate, lambda s, r: credentials.rotate(s, credential_id=r.credential_id)),
    Probe(credentials.revoke, lambda s, r: credentials.revoke(s, credential_id=r.credential_id)),
    Probe(custody.read_data_key, lambda s, _: custody.read_data_key(s)),
    Probe(
        custody.write_data_key,
        lambda s, r: custody.write_data_key(s, tenant_id=r.tenant_id, version=9, data_key=b"theirs"),
    ),
    Probe(custody.count_data_key_use, lambda s, _: custody.count_data_key_use(s), aims=False),
    Probe(custody.destroy_data_key, lambda s, _: custody.destroy_data_key(s), aims=False),
    Probe(custody.read_envelope, lambda s, r: custody.read_envelope(s, credential_id=r.credential_id)),
    Probe(
        custody.write_envelope,
        lambda s, r: custody.write_envelope(s, credential_id=r.credential_id, version=9, envelope=b"theirs"),
    ),
    Probe(custody.destroy_envelope, lambda s, r: custody.destroy_envelope(s, credential_id=r.credential_id)),
    Probe(custody.every_data_key, lambda s, _: custody.every_data_key(s)),
    Probe(custody.every_envelope, lambda s, _: custody.every_envelope(s)),
    Probe(
        placeholders.create,
        lambda s, r: placeholders.create(
            s, digest=b"c" * 32, binding=placeholders.Binding(r.member_id, r.credential_id)
        ),
    ),
    Probe(placeholders.every, lambda s, _: placeholders.every(s)),
    Probe(placeholders.get, lambda s, r: placeholders.get(s, placeholder_id=r.placeholder_id)),
    Probe(placeholders.revoke, lambda s, r: placeholders.revoke(s, placeholder_id=r.placeholder_id)),
    Probe(placeholders.revoke_all, lambda s, r: placeholders.revoke_all(s, member_ids=[r.member_id])),
    Probe(content.find_policy, lambda s, _: content.find_policy(s)),
    Probe(
        content.put_policy,
        lambda s, _: content.put_policy(s, keep=True, bytes_max=1, content_key=b"theirs"),
        aims=False,
    ),
    Probe(content.latest, lambda s, _: content.latest(s, limit=1000)),
    Probe(content.is_kept, lambda s, r: content.is_kept(s, event_id=r.member_id)),
    Probe(content.read, lambda s, r: content.read(s, approval_id=r.approval_id, reader=r.name)),
    Probe(content.keep, lambda s, r: content.keep(s, r.tenant_id, [sealed_record(r)])),
)

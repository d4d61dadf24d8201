"""Probes of the isolation canary: networks, addresses, endpoints and accounts."""

from datetime import UTC, datetime

from policy.exchange import EndpointState, IdentitySource
from store import (
    accounts,
    address_sessions,
    endpoints,
    inventory,
    networks,
    pinned,
    sufficiency,
)
from store.canary_rows import AGES_AGO, AGES_AHEAD, JUDGED, Probe, holding

PLACES: tuple[Probe, ...] = (
    Probe(networks.add, lambda s, r: networks.add(s, network=r.network), aims=False),
    Probe(networks.every, lambda s, _: networks.every(s)),
    Probe(networks.get, lambda s, r: networks.get(s, network_id=r.network_id)),
    Probe(networks.holders, lambda s, r: networks.holders(s, network=r.network)),
    Probe(networks.remove, lambda s, r: networks.remove(s, network=r.network)),
    Probe(
        address_sessions.begin,
        lambda s, r: address_sessions.begin(s, told=[holding(r.network, r.name)]),
        aims=False,
    ),
    Probe(
        address_sessions.end,
        lambda s, r: address_sessions.end(s, address=r.network.network_address, at=datetime.now(UTC)),
    ),
    Probe(
        address_sessions.holder,
        lambda s, r: address_sessions.holder(s, address=r.network.network_address, at=datetime.now(UTC)),
    ),
    Probe(address_sessions.live, lambda s, _: address_sessions.live(s, at=AGES_AGO)),
    Probe(
        endpoints.set_rule,
        lambda s, r: endpoints.set_rule(s, host=r.host, state=EndpointState.SANCTIONED),
        aims=False,
    ),
    Probe(accounts.put, lambda s, _: accounts.put(s, product="canary", accounts=["theirs"]), aims=False),
    Probe(accounts.every, lambda s, _: accounts.every(s)),
    Probe(accounts.clear, lambda s, _: accounts.clear(s, product="other"), aims=False),
    Probe(
        sufficiency.put,
        lambda s, _: sufficiency.put(s, host="canary.invalid", sources=[IdentitySource.TOKEN]),
        aims=False,
    ),
    Probe(sufficiency.every, lambda s, _: sufficiency.every(s)),
    Probe(sufficiency.clear, lambda s, r: sufficiency.clear(s, host=r.host)),
    Probe(endpoints.clear_rule, lambda s, r: endpoints.clear_rule(s, host=r.host)),
    Probe(endpoints.rules, lambda s, _: endpoints.rules(s)),
    Probe(
        endpoints.set_platform_rule,
        lambda s, r: endpoints.set_platform_rule(s, host=r.host, state=EndpointState.SANCTIONED),
    ),
    Probe(endpoints.clear_platform_rule, lambda s, r: endpoints.clear_platform_rule(s, host=r.host)),
    Probe(endpoints.platform_rules, lambda s, _: endpoints.platform_rules(s)),
    Probe(inventory.items, lambda s, _: inventory.items(s, defaults=JUDGED)),
    Probe(inventory.counts, lambda s, _: inventory.counts(s)),
    Probe(inventory.detail, lambda s, r: inventory.detail(s, host=r.host, defaults=JUDGED)),
    Probe(inventory.find_review, lambda s, r: inventory.find_review(s, host=r.host)),
    Probe(
        inventory.put_review,
        lambda s, r: inventory.put_review(s, host=r.host, owner="theirs", note="", reviewed_by="theirs"),
    ),
    Probe(inventory.clear_review, lambda s, r: inventory.clear_review(s, host=r.host)),
    Probe(
        endpoints.add_exception,
        lambda s, r: endpoints.add_exception(
            s,
            host=r.host,
            subject=endpoints.ExceptionSubject(member_id=r.member_id),
            reason="theirs",
            approved_by="theirs",
            expires_at=AGES_AHEAD,
        ),
    ),
    Probe(
        pinned.put,
        lambda s, r: pinned.put(s, host=r.host, reason="x", approved_by="x", expires_at=AGES_AHEAD),
    ),
    Probe(pinned.every, lambda s, _: pinned.every(s)),
    Probe(pinned.remove, lambda s, r: pinned.remove(s, host=r.host)),
    Probe(endpoints.exceptions, lambda s, _: endpoints.exceptions(s)),
    Probe(
        endpoints.remove_exception, lambda s, r: endpoints.remove_exception(s, exception_id=r.exception_id)
    ),
)

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from policy.attribution import Presented, attribute, revoked_since
from policy.credential_health import FIRST_REST, REST_MAX, accepted, refused, rests, standing, tried
from policy.credential_pool import choose
from policy.exchange import Principal
from policy.identifiers import ExchangeId
from policy.refusals import Reason
from policy.snapshot import Health
from tests.builders import NOW, a_credential, a_placeholder, a_snapshot, a_tenant, a_user, our_key
from tests.policy.test_attribution import HOME

TENANT = a_tenant()
SECOND = timedelta(seconds=1)


def a_pool(*weights):
    return [a_credential(TENANT, name=str(weight), pool="gpt", weight=weight) for weight in weights]


def shares(pool, resting=(), calls=2000):
    chosen = [choose(pool, resting, ExchangeId(uuid7())).name for _ in range(calls)]
    return {name: chosen.count(name) / calls for name in set(chosen)}


def test_shares_follow_the_weights():
    found = shares(a_pool(1, 3))
    assert found["3"] == pytest.approx(0.75, abs=0.06)


def test_a_resting_one_is_passed_over_and_its_share_goes_to_the_others():
    pool = a_pool(1, 3, 2)
    assert set(shares(pool, resting={pool[1].id})) == {"1", "2"}


def test_a_spare_serves_only_where_no_other_is_fit():
    pool = a_pool(0, 1)
    assert set(shares(pool)) == {"1"}
    assert set(shares(pool, resting={pool[1].id})) == {"0"}


def test_where_all_rest_calls_are_still_given_one():
    pool = a_pool(1, 1)
    assert choose(pool, {each.id for each in pool}, ExchangeId(uuid7())) in pool
    assert choose([], (), ExchangeId(uuid7())) is None


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=6), st.uuids(), st.data())
def test_the_choice_depends_on_nothing_else(weights, call, data):
    pool = a_pool(*weights)
    resting = set(data.draw(st.lists(st.sampled_from([each.id for each in pool]))))
    chosen = choose(pool, resting, ExchangeId(call))
    assert chosen is choose(data.draw(st.permutations(pool)), resting, ExchangeId(call))
    fit = [each for each in pool if each.id not in resting]
    assert chosen in (fit or pool)


# Standing


def test_a_refused_one_rests_then_one_call_tries_it_and_in_vain_it_rests_longer():
    credential = a_credential(TENANT)
    known = refused(credential, None, NOW)
    assert rests(known, NOW)
    later = known.try_at
    assert not rests(known, later)
    trial = tried(known, later)
    assert rests(trial, later)
    assert refused(credential, trial, later + SECOND) == trial  # it is the same illness
    assert trial.rest == 2 * known.rest
    for _ in range(20):
        trial = tried(trial, trial.try_at)
    assert trial.rest == REST_MAX


def test_a_success_ends_it_and_a_next_refusal_counts_as_another():
    credential = a_credential(TENANT)
    known = refused(credential, None, NOW)
    later = NOW + FIRST_REST
    well = accepted(known, later)
    assert not rests(well, later)
    assert refused(credential, well, later + SECOND).refusals == 2


def test_a_provider_that_says_yes_and_no_in_turns_changes_the_standing_once_a_rest():
    known = refused(a_credential(TENANT), None, NOW)
    assert accepted(known, NOW + SECOND) == known
    assert not accepted(known, NOW + FIRST_REST).refused


def test_the_later_of_two_workers_words_stands():
    credential = a_credential(TENANT)
    mine = refused(credential, None, NOW)
    theirs = replace(credential, health=Health(NOW, NOW + SECOND, 1))
    assert not rests(standing(theirs, mine), NOW + SECOND)
    stale = replace(credential, health=Health(NOW - SECOND, None, 1))
    later = NOW + FIRST_REST
    well = accepted(mine, later)
    assert not rests(standing(stale, well), later)
    again = replace(credential, health=Health(later + SECOND, NOW + SECOND, 2))
    assert rests(standing(again, well), later + SECOND)


def test_a_word_about_an_earlier_version_says_nothing_of_this_one():
    credential = a_credential(TENANT)
    known = refused(credential, None, NOW)
    assert standing(replace(credential, version=2), known) is None
    assert standing(credential, known) is known


# Whom it stands for


def a_pooled(**changed):
    user, (one, two) = a_user(TENANT), a_pool(1, 1)
    one = replace(one, **changed)
    placeholder = a_placeholder(user, one, credential_id=None, pool="gpt")
    records = {"tenants": [TENANT], "users": [user], "placeholders": [placeholder]}
    return placeholder, one, two, records


def test_a_pools_placeholder_stands_for_the_live_ones_of_its_tenant_and_pool():
    placeholder, _, two, records = a_pooled(revoked=True)
    foreign = a_credential(a_tenant(), pool="gpt")
    other = a_credential(TENANT, pool="other")
    snapshot = a_snapshot(**records, credentials=[replace(two), foreign, other])
    assert snapshot.credentials_of(placeholder) == (two,)
    assert isinstance(attribute(snapshot, Presented(HOME, (our_key(),)), NOW), Principal)


def test_without_a_live_one_it_is_as_revoked():
    _, one, two, records = a_pooled(revoked=True)
    snapshot = a_snapshot(**records, credentials=[one, replace(two, revoked=True)])
    assert attribute(snapshot, Presented(HOME, (our_key(),)), NOW).reason is Reason.PLACEHOLDER_REVOKED


def test_an_answer_under_way_ends_with_the_credential_that_it_was_given():
    placeholder, one, two, records = a_pooled(revoked=True)
    snapshot = a_snapshot(**records, credentials=[one, two])
    principal = attribute(snapshot, Presented(HOME, (our_key(),)), NOW)
    assert revoked_since(snapshot, principal, placeholder, NOW, used=one.id) is not None
    assert revoked_since(snapshot, principal, placeholder, NOW, used=two.id) is None

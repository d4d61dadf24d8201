"""Which sources are enough: the operator's demand and the tenant's, both of which must be met."""

import pytest

from policy.exchange import IdentitySource, Principal
from policy.refusals import Reason
from policy.snapshot import SufficientSources
from policy.sufficiency import OperatorRule, insufficient
from tests.builders import a_snapshot, a_tenant


def known_by(tenant, *sources):
    return Principal(tenant.id, tenant.name, None, None, None, None, None, None, sources)


ASKING = known_by(a_tenant(), IdentitySource.SESSION, IdentitySource.NETWORK)
OTHER = known_by(a_tenant(name="globex"), IdentitySource.NETWORK)


def rule(*sources, tenant=None, hosts=()):
    return OperatorRule(tenant, frozenset(hosts), frozenset(sources))


@pytest.mark.parametrize(
    ("rules", "enough"),
    [
        ((), True),
        ((rule(IdentitySource.NETWORK),), True),
        ((rule(IdentitySource.TOKEN),), False),
        ((rule(IdentitySource.TOKEN, tenant="Acme"),), False),
        ((rule(IdentitySource.TOKEN, tenant="globex"),), True),
        ((rule(IdentitySource.TOKEN, hosts=["api.openai.com"]),), False),
        ((rule(IdentitySource.TOKEN, hosts=["*.openai.com"]),), False),
        ((rule(IdentitySource.TOKEN, hosts=["*.anthropic.com", "openai.com"]),), True),
        ((rule(IdentitySource.NETWORK, hosts=["api.openai.com"]), rule(IdentitySource.TOKEN)), True),
        ((rule(IdentitySource.TOKEN), rule(IdentitySource.NETWORK)), False),
    ],
)
def test_the_first_rule_for_a_call_says_what_is_enough(rules, enough):
    refusal = insufficient(a_snapshot(), ASKING, "api.openai.com", rules)
    assert (refusal is None) == enough
    assert refusal is None or refusal.reason is Reason.UNIDENTIFIED


def own(**hosts):
    """A snapshot in which the asking tenant takes these sources for enough, by host."""
    rules = [SufficientSources(ASKING.tenant_id, host, frozenset({source})) for host, source in hosts.items()]
    return a_snapshot(sufficient=rules)


@pytest.mark.parametrize(
    ("hosts", "enough"),
    [
        ({}, True),
        ({"*": IdentitySource.NETWORK}, True),
        ({"*": IdentitySource.TOKEN}, False),
        ({"api.openai.com": IdentitySource.TOKEN}, False),
        ({"*.openai.com": IdentitySource.TOKEN}, False),
        ({"*.com": IdentitySource.TOKEN}, False),
        ({"openai.com": IdentitySource.TOKEN, "*.api.openai.com": IdentitySource.TOKEN}, True),
        ({"*": IdentitySource.TOKEN, "*.openai.com": IdentitySource.NETWORK}, True),
        ({"*.openai.com": IdentitySource.NETWORK, "api.openai.com": IdentitySource.TOKEN}, False),
    ],
)
def test_of_a_tenants_own_rules_the_most_exact_counts(hosts, enough):
    refusal = insufficient(own(**hosts), ASKING, "api.openai.com", ())
    assert (refusal is None) == enough
    assert insufficient(own(**hosts), OTHER, "api.openai.com", ()) is None


@pytest.mark.parametrize("operators", list(IdentitySource))
@pytest.mark.parametrize("tenants", list(IdentitySource))
def test_the_stricter_of_operator_and_tenant_holds(operators, tenants):
    refusal = insufficient(own(**{"*": tenants}), ASKING, "api.openai.com", (rule(operators),))
    assert (refusal is None) == (operators in ASKING.sources and tenants in ASKING.sources)

from dataclasses import replace

import pytest

from policy.catalogue import Entry, InvalidCatalogue, Origin, Training, build
from policy.catalogue_diff import Change, difference
from policy.catalogue_facts import Fact, FactName, Facts

HOST = Entry("a.example", "acme", "chat", "web", "unknown", "unknown", False, "test", "", "Acme Chat")
OTHER = replace(HOST, host="b.example", product="Acme API")
NO = Fact("acme", FactName.TRAINS, "no", "https://acme.example/terms", "2026-11-01")


def told(*facts: Fact, entry: Entry = HOST) -> Entry:
    return Facts(facts).applied([entry, OTHER])[0]


def test_what_nobody_states_is_unknown_and_has_no_origin():
    assert told() == HOST
    assert (HOST.training, HOST.origins) == (Training.UNKNOWN, ())


def test_a_fact_of_a_provider_is_one_of_its_hosts_with_source_and_date():
    found = told(NO)
    assert found.training is Training.NO
    assert found.origin("trains") == Origin("trains", "https://acme.example/terms", "2026-11-01")
    assert found.origin("country") is None


def test_the_nearest_statement_counts():
    product = replace(NO, subject="acme/Acme Chat", value="opt-out")
    host = replace(NO, subject="a.example", value="yes")
    assert told(NO, product).training is Training.OPT_OUT
    assert told(host, NO, product).training is Training.YES
    assert Facts([NO, product, host]).applied([HOST, OTHER])[1].training is Training.NO


def test_none_found_is_another_thing_than_unknown():
    found = told(replace(NO, name=FactName.EVASIONS, value="none"))
    assert (found.evasions, found.origin("evasions") is None) == ((), False)
    assert told(replace(NO, name=FactName.EVASIONS, value="quic relay")).evasions == ("quic", "relay")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (FactName.TRAINS, "unknown"),
        (FactName.TRAINS, "perhaps"),
        (FactName.COUNTRY, "unknown"),
        (FactName.COUNTRY, "Germany"),
        (FactName.REGIONS, "global"),
        (FactName.REGIONS, ""),
        (FactName.EVASIONS, "quic none"),
        (FactName.EVASIONS, "quic  relay"),
    ],
)
def test_a_value_outside_the_vocabulary_is_refused(name: FactName, value: str):
    with pytest.raises(InvalidCatalogue, match=f"is no {name}"):
        told(replace(NO, name=name, value=value))


def test_a_fact_without_a_source_is_refused():
    with pytest.raises(InvalidCatalogue, match="without a source"):
        told(replace(NO, source=" "))


def test_a_fact_stated_twice_or_of_nothing_is_refused():
    with pytest.raises(InvalidCatalogue, match="twice"):
        told(NO, replace(NO, value="yes"))
    with pytest.raises(InvalidCatalogue, match="acme/Acme Chta"):
        told(replace(NO, subject="acme/Acme Chta"))


def test_a_host_is_served_only_where_a_fact_states_it():
    regions = Fact("acme", FactName.REGIONS, "eu us", "https://acme.example/regions", "2026-11-01")
    assert told(regions, entry=replace(HOST, region="eu")).regions == ("eu", "us")
    assert told(entry=replace(HOST, region="global")).region == "global"
    with pytest.raises(InvalidCatalogue, match="served in jp"):
        told(regions, entry=replace(HOST, region="jp"))


def test_a_changed_fact_or_source_is_a_difference():
    after = told(replace(NO, value="yes", date="2026-11-02"))
    found = difference(build([told(NO)]), build([after])).changed
    assert found == (
        Change("a.example", "trains", "no", "yes"),
        Change(
            "a.example",
            "trains source",
            "https://acme.example/terms, 2026-11-01",
            "https://acme.example/terms, 2026-11-02",
        ),
    )
    assert build([after]).version == 2026110200

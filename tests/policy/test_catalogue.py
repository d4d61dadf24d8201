from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.catalogue import NOWHERE, Entry, InvalidCatalogue, Training, build, is_api
from store.catalogue import load_catalogue, load_providers

CONFIG = Path(__file__).resolve().parents[2] / "config"
SHIPPED = load_catalogue(CONFIG / "ai_endpoints.csv")


def an_entry(host: str) -> Entry:
    return Entry(host, "acme", "api", "openai-chat", "global", "US", False, "test", "")


def test_an_exact_host_outranks_a_pattern_and_a_longer_pattern_a_shorter():
    catalogue = build(map(an_entry, ["*.example", "*.api.example", "eu.api.example"]))
    assert catalogue.find("eu.api.example").host == "eu.api.example"
    assert catalogue.find("us.api.example").host == "*.api.example"
    assert catalogue.find("www.example").host == "*.example"


@pytest.mark.parametrize("host", ["example", "notexample", "api.example.evil.test", "evilapi.example"])
def test_a_pattern_covers_whole_labels_below_it_only(host):
    assert build([an_entry("*.api.example")]).find(host) is None


@given(st.text(alphabet="abc.", max_size=30))
def test_any_name_is_looked_up(name):
    SHIPPED.find(name)


@pytest.mark.parametrize("host", ["*.", "API.example", "a.*.example"])
def test_a_host_in_another_spelling_is_refused(host):
    with pytest.raises(InvalidCatalogue):
        build([an_entry(host)])


def test_a_host_listed_twice_is_refused():
    with pytest.raises(InvalidCatalogue, match="twice"):
        build([an_entry("a.example"), an_entry("a.example")])


def test_the_shipped_catalogue_knows_the_large_providers():
    assert len(SHIPPED) >= 500
    for host in ("api.openai.com", "api.anthropic.com", "generativelanguage.googleapis.com"):
        assert is_api(SHIPPED.find(host))
    assert not is_api(SHIPPED.find("chatgpt.com"))
    assert SHIPPED.find("bank.example") is None


def test_every_entry_says_where_it_is_listed_and_every_fact_of_it_where_that_is_from():
    assert [entry.host for entry in SHIPPED.entries if not (entry.source and entry.product)] == []
    assert all(date.fromisoformat(entry.date) for entry in SHIPPED.entries)
    for entry in SHIPPED.entries:
        known = {
            "country": entry.country != "unknown",
            "regions": bool(entry.regions),
            "trains": entry.training is not Training.UNKNOWN,
            "evasions": bool(entry.evasions),
        }
        assert {name for name, stated in known.items() if stated} == {each.fact for each in entry.origins}
        assert all(each.source and date.fromisoformat(each.date) for each in entry.origins)


def test_a_region_that_calls_are_held_to_is_in_the_name_or_was_read_somewhere():
    guessed = [
        entry.host
        for entry in SHIPPED.entries
        if entry.region not in NOWHERE and "not re-read" in entry.origin("regions").source
    ]
    assert guessed == []


def test_what_is_stated_of_the_shipped_hosts_differs():
    assert {entry.training for entry in SHIPPED.entries} == set(Training)
    assert "quic" in SHIPPED.find("chatgpt.com").evasions


def test_every_public_origin_is_in_the_catalogue_under_its_provider():
    for provider in load_providers(CONFIG / "providers.csv").values():
        if provider.origin:
            host = provider.origin.removeprefix("https://")
            assert SHIPPED.find(host).provider == provider.id


@pytest.mark.parametrize(
    "host",
    [
        *("ios.chat.openai.com", "www.poe.com", "www.deepseek.com", "chatgpt-com.translate.goog"),
        *("www.chatgpt.com", "app.runwayml.com", "beta.character.ai"),
    ],
)
def test_the_names_beside_a_products_own_are_known(host):
    assert SHIPPED.find(host) is not None
    assert not SHIPPED.find(host).mixed


def test_a_search_engine_with_a_chat_is_not_looked_into_by_its_name():
    assert SHIPPED.find("duckduckgo.com").mixed
    assert SHIPPED.find("www.google.com") is None

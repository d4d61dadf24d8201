"""What must never be looked into is never looked into by an oversight."""

from pathlib import Path

import pytest

from conduit.gateway import configuration
from conduit.settings import Settings
from policy.catalogue import InvalidCatalogue
from store.catalogue import load_catalogue, load_exclusions

CONFIG = Path(__file__).parents[2] / "config"
SHIPPED = load_exclusions(CONFIG / "never_decrypted.csv")


def exclusions(tmp_path: Path, **discovery: object) -> frozenset[str]:
    return configuration(Settings.model_validate({"discovery": discovery}), tmp_path).decryption.exclusions


def test_an_empty_list_of_the_operators_empties_nothing(tmp_path: Path) -> None:
    assert set(SHIPPED) <= set(exclusions(tmp_path, exclusions=[]))
    assert {"own.example", *SHIPPED} == set(exclusions(tmp_path, exclusions=["own.example"]))


def test_only_a_plain_word_takes_the_shipped_list_away(tmp_path: Path) -> None:
    assert exclusions(tmp_path, exclusions=["own.example"], shipped_exclusions=False) == {"own.example"}


def test_no_ai_host_hides_among_them() -> None:
    catalogue = load_catalogue(CONFIG / "ai_endpoints.csv")
    assert [host for host in SHIPPED if catalogue.find(host.removeprefix("*."))] == []


@pytest.mark.parametrize("text", ["host,category\n", "name\nbank.example\n"])
def test_an_empty_or_spoilt_list_is_a_fault_and_not_an_empty_list(tmp_path: Path, text: str) -> None:
    spoilt = tmp_path / "list.csv"
    spoilt.write_text(text)
    with pytest.raises(InvalidCatalogue):
        load_exclusions(spoilt)

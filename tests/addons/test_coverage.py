"""No route passes unattributed, unmetered or unrecorded; the matrix notices what nobody has thought of."""

import asyncio
import contextlib
import ssl

import pytest

from addons import STEPS, coverage, rehearsal
from addons.chain import Chain
from addons.coverage import DUTIES, examine
from addons.rehearsal import Path, Route
from addons.step import Step, implemented
from policy.exchange import Mode
from tests.addons.running import Running


async def test_the_matrix_has_no_hole():
    found = await examine()
    assert found.holes == ()
    assert not [cell for row in found.rows for cell in row.cells if cell.empty]
    assert {row.route for row in found.rows} == {
        *("explicit, plain", "explicit, TLS", "explicit, CONNECT, plain", "explicit, CONNECT, TLS"),
        *("gateway, plain", "gateway, TLS", "transparent, plain", "transparent, TLS"),
    }


async def test_whatever_leaves_is_attributed_metered_and_recorded():
    for row in (await examine()).rows:
        done = {cell.step for cell in row.cells if cell.phases}
        lacking = DUTIES.keys() - done if row.left else set()
        assert lacking <= ({"metering"} if row.path == Path.TUNNELLED else set()), (row.route, row.path)


@pytest.mark.parametrize("removed", STEPS, ids=lambda kind: kind.name)
async def test_a_step_taken_out_leaves_holes(removed):
    assert (await examine([kind for kind in STEPS if kind is not removed])).holes


async def test_a_step_put_in_without_a_word_leaves_holes():
    class Surprise(Step):
        name = "surprise"

        async def body(self, visit):
            return None

    assert any("surprise" in hole for hole in (await examine([*STEPS, Surprise])).holes)


async def test_a_phase_that_the_chain_no_longer_runs_leaves_holes(monkeypatch):
    async def skip(*_):
        return None

    monkeypatch.setattr(Chain, "_run", skip)
    assert any("without being attributed" in hole for hole in (await examine()).holes)


async def test_a_hook_that_no_path_uses_is_a_hole(monkeypatch):
    monkeypatch.setattr(Chain, "tcp_message", lambda *_: None, raising=False)
    assert "no path uses the chain's hook tcp_message" in (await examine()).holes


async def test_a_door_that_is_not_rehearsed_is_noticed():
    assert {route.mode for route in rehearsal.ROUTES} == set(Mode) == set(rehearsal.MODES.values())


async def test_every_excuse_is_needed():
    passages = await rehearsal.rehearse(STEPS)
    for excuse in coverage.EXCUSES:
        assert any(
            excuse.where(passage) and not passage.phases.get(step)
            for passage in passages
            for step in excuse.steps
        ), excuse.reason


@pytest.mark.parametrize(
    ("route", "path", "stream"),
    [
        (Route(Mode.GATEWAY, connect=False, tls=False), Path.ANSWERED, False),
        (Route(Mode.GATEWAY, connect=False, tls=False), Path.STREAMED, True),
        (Route(Mode.EXPLICIT, connect=True, tls=True), Path.ANSWERED, False),
        (Route(Mode.EXPLICIT, connect=True, tls=True), Path.STREAMED, True),
    ],
    ids=str,
)
async def test_the_real_steps_run_as_rehearsed(gateway: Running, monkeypatch, route, path, stream):
    """The same phases, noted in the real steps while a real call goes through the real proxy."""
    ran: set[tuple[str, str]] = set()

    def noting(step: Step, phase: str):
        original = getattr(step, phase)

        def noted(*arguments):
            ran.add((step.name, phase))
            return original(*arguments)

        return noted

    for step in gateway.engine.chain.steps:
        for phase in implemented(type(step)):
            monkeypatch.setattr(step, phase, noting(step, phase))
    origin = "https://api.openai.com" if route.connect else gateway.url("openai", "")
    async with gateway.client(proxied=route.connect) as client:
        answer = await client.post(
            f"{origin}/v1/chat/completions",
            json={"model": "gpt-4o-mini", "messages": [], "max_tokens": 20, "stream": stream},
            headers={"authorization": f"Bearer {gateway.placeholder}"},
        )
    assert answer.status_code == 200
    (rehearsed,) = [item for item in await rehearsal.rehearse(STEPS, [route]) if item.path is path]
    assert ran == {(step, phase) for step, phases in rehearsed.phases.items() for phase in phases}


async def test_a_refused_tls_connection_is_recorded(gateway: Running):
    """Found by the matrix: the names of CONNECT and ClientHello cannot be read, and an event says so."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["proxy"])
    writer.write(b"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com:443\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    outgoing = ssl.MemoryBIO()
    hello = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="-a.invalid")
    with contextlib.suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    writer.write(outgoing.read())
    assert await reader.read() == b""
    writer.close()
    (event,) = gateway.events()
    assert (event["kind"], event["decision"], event["reason"]) == ("tunnel", "deny", "request_malformed")
    assert event["host"] == "api.openai.com"


@pytest.mark.parametrize("name", coverage.SESSION_DUTIES)
async def test_a_step_that_sees_no_message_of_a_session_is_a_hole(monkeypatch, name):
    (kind,) = (kind for kind in STEPS if kind.name == name)
    monkeypatch.delattr(kind, "message")
    assert f"gateway, plain, a WebSocket session: {name} sees no message" in (await examine()).holes

"""An engine that hangs, a worker that is killed, a stop midway: refused or finished, never let through."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from conduit.data_folder import DataFolder
from conduit.embedded_valkey import EmbeddedValkey
from policy.identifiers import TenantId
from tests.faults.books import books, let_leases_fall_due
from tests.standins.answers import Answer
from tests.standins.authority import Authority
from tests.standins.office import HOSTS, Office, settle, upstream_settings
from tests.standins.product import Product
from tests.standins.provider import StandIn
from tests.standins.recordings import load
from tests.standins.sessions import GONE, TEXT, Peer, dial, handshake

SETTINGS = {"workers": 1, "snapshot.max_age_s": 2, "step_timeout_s": 1, "drain_s": 20}


@contextmanager
def running(folder: Path, **changed: object) -> Iterator[Office]:
    authority = Authority(folder / "authority")
    with (
        StandIn(authority) as provider,
        Product(folder, upstream_settings(provider, authority) | SETTINGS | changed) as product,
    ):
        yield settle(product, provider, authority)


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """An office of its own, since its parts are going to be hurt."""
    with running(tmp_path_factory.mktemp("fragile")) as office:
        limit = ("limit", "set", "--tenant", office.tenant)
        office.product.cli(*limit, "--requests-per-minute", "100000")
        yield office


def call(office: Office) -> tuple[int, str | None]:
    """Status and reason of one honest call."""
    answer = httpx.post(
        f"{office.product.url('gateway')}/openai/v1/chat/completions",
        json=load("openai-chat").request,
        headers={"authorization": f"Bearer {office.placeholders['openai']}"},
        trust_env=False,
        timeout=20,
    )
    return answer.status_code, answer.headers.get("x-conduit-reason")


def until(condition: Callable[[], bool], what: str, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.1)
    raise TimeoutError(what)


def processes(office: Office, mark: str) -> list[int]:
    """The product's processes whose command line holds ``mark``."""
    found = []
    for process in office.product.processes():
        try:
            command = Path(f"/proc/{process}/cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in command:
            found.append(process)
    return found


@contextmanager
def frozen(office: Office, mark: str) -> Iterator[None]:
    """These processes hang: connections stay open, nothing answers."""
    stopped = processes(office, mark)
    assert stopped, f"no process {mark!r}"
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            os.kill(process, signal.SIGCONT)


def works(office: Office) -> bool:
    try:
        return call(office)[0] == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("engine", ["valkey", "postgres"])
def test_an_engine_that_hangs_closes_the_gateway_and_its_return_opens_it(
    fragile: Office, engine: str
) -> None:
    assert call(fragile) == (200, None)
    with frozen(fragile, engine):
        until(lambda: call(fragile) == (503, "degraded"), f"still open without {engine}")
        fragile.provider.forget()
        assert call(fragile) == (503, "degraded")
        assert fragile.provider.seen == []
    until(lambda: works(fragile), f"still closed after {engine} came back")


def test_a_tenant_with_a_local_allowance_goes_on_while_valkey_is_lost(fragile: Office) -> None:
    """Hung, then killed: calls pass as degraded, are usage like any other, and budgets know of them after."""
    tenant = ("--tenant", fragile.tenant)
    allow = ("tenant", "set", *tenant, "--degraded-mode", "local_allowance", "--allowance-usd", "5")
    fragile.product.cli("limit", "set", *tenant, "--budget-usd", "1000", "--window", "month")
    fragile.product.cli(*allow)
    fragile.in_force()
    with frozen(fragile, "valkey-server"):
        until(lambda: call(fragile) == (200, None), "refused, in spite of the allowance")
        assert fragile.event(degraded=True)["decision"] == "allow"
        os.kill(processes(fragile, "valkey-server")[0], signal.SIGKILL)
        until(lambda: call(fragile) == (200, None), "refused, in spite of the allowance")
    until(lambda: works(fragile), "the gateway did not open again")
    fragile.product.cli("tenant", "set", *tenant, "--degraded-mode", "closed")
    fragile.product.cli("limit", "set", *tenant, "--budget-usd", "0.000001", "--window", "month")
    # What passed is in the sum from which Valkey's counters were made anew: the budget is used up.
    until(lambda: call(fragile) == (429, "budget_exhausted"), "the budget knows nothing of what passed")
    fragile.product.cli("limit", "set", *tenant, "--budget-usd", "1000", "--window", "month")
    until(lambda: works(fragile), "the gateway did not open again")


@pytest.mark.parametrize("engine", ["valkey-server", "postgres"])
def test_an_engine_that_is_killed_is_started_again(fragile: Office, engine: str) -> None:
    before = processes(fragile, engine)
    assert before
    os.kill(before[0], signal.SIGKILL)
    fragile.provider.forget()
    until(lambda: bool(set(processes(fragile, engine)) - set(before)), f"{engine} was not started again")
    until(lambda: works(fragile), "the gateway did not open again")
    for seen in fragile.provider.seen:
        assert seen.keys == (fragile.keys["openai"],)


def test_a_worker_that_is_killed_is_replaced(fragile: Office) -> None:
    before = processes(fragile, "conduit.worker")
    os.kill(before[0], signal.SIGKILL)
    until(lambda: works(fragile), "no worker serves")
    assert processes(fragile, "conduit.worker") != before


def test_a_call_whose_worker_is_killed_is_in_the_record_as_lost(fragile: Office) -> None:
    answer = Answer.of("openai-chat").held(before=0)
    assert answer.gate is not None
    fragile.provider.play(HOSTS["openai"], answer)
    caller = threading.Thread(target=works, args=(fragile,))
    caller.start()
    try:
        assert answer.gate.reached.wait(10)
        os.kill(processes(fragile, "conduit.worker")[0], signal.SIGKILL)
    finally:
        answer.gate.open()
        caller.join()
    assert fragile.event(outcome="lost")["decision"] == "allow"
    until(lambda: works(fragile), "no worker serves")


async def a_session(office: Office) -> Peer:
    """An open realtime session that has been given one answer."""
    request = handshake(
        "/openai/v1/realtime?model=gpt-realtime",
        "gateway.test",
        f"authorization: Bearer {office.placeholders['openai']}",
    )
    client = await dial(office.product.ports["gateway"], request)
    assert client.status == 101
    client.send(TEXT, '{"type": "response.create"}')
    while "response.done" not in str((await client.hear())[1]):
        pass
    return client


def test_sessions_whose_worker_is_killed_are_lost_and_give_back_what_they_held(fragile: Office) -> None:
    of_tenant = ("--tenant", fragile.tenant)
    fragile.product.cli("limit", "set", *of_tenant, "--budget-usd", "1000", "--window", "month")
    until(lambda: works(fragile), "no worker serves")
    tenant = TenantId(UUID(next(iter(fragile.product.cli("tenant", "list")))["id"]))
    valkey_url = EmbeddedValkey(DataFolder(fragile.product.data)).url
    let_leases_fall_due(valkey_url, tenant)  # of calls that earlier tests lost
    until(lambda: works(fragile) and books(valkey_url, tenant)[1] == 0, "still held")
    with asyncio.Runner() as runner:
        clients = [runner.run(a_session(fragile)) for _ in range(2)]
        held = books(valkey_url, tenant)[1]
        assert held > 0
        os.kill(processes(fragile, "conduit.worker")[0], signal.SIGKILL)
        for client in clients:
            assert runner.run(client.hear_until(GONE))[-1][0] == GONE
            client.writer.close()
    assert fragile.event(outcome="lost", operation="realtime")["decision"] == "allow"
    lost = [each for each in fragile.events() if each.get("operation") == "realtime"]
    assert [each["outcome"] for each in lost] == ["lost", "lost"]
    until(lambda: works(fragile), "no worker serves")
    assert books(valkey_url, tenant)[1] >= held
    assert let_leases_fall_due(valkey_url, tenant) >= len(clients)
    until(lambda: works(fragile) and books(valkey_url, tenant)[1] == 0, "not given back")


def test_a_stream_under_way_is_finished_before_the_end(tmp_path: Path) -> None:
    """SIGTERM while the provider is still writing: the caller gets the rest."""
    received: list[bytes] = []
    with running(tmp_path) as office:
        answer = Answer.of("openai-chat-stream").held(before=4)
        assert answer.gate is not None
        office.provider.play(HOSTS["openai"], answer)

        def listen() -> None:
            with httpx.stream(
                "POST",
                f"{office.product.url('gateway')}/openai/v1/chat/completions",
                json=load("openai-chat-stream").request,
                headers={"authorization": f"Bearer {office.placeholders['openai']}"},
                trust_env=False,
                timeout=30,
            ) as stream:
                received.extend(stream.iter_raw())

        caller = threading.Thread(target=listen)
        caller.start()
        assert answer.gate.reached.wait(10)
        office.product.process.send_signal(signal.SIGTERM)
        until(lambda: not _accepts(office), "it still takes new calls")
        answer.gate.open()
        caller.join(20)
        assert office.product.process.wait(30) == 0
    assert b"".join(received) == load("openai-chat-stream").body


def _accepts(office: Office) -> bool:
    try:
        return call(office)[0] == 200
    except httpx.TransportError:
        return False

"""Revoking ends calls under way also where nothing comes from the provider that could carry the end."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.addons.running import Running, running
from tests.addons.test_metering import STREAM, request, wait_for_end
from tests.standins.answers import Answer
from tests.standins.provider import StandIn


@pytest.fixture
async def gateway(tmp_path: Path, valkey_url: str, provider: StandIn) -> AsyncIterator[Running]:
    async with running(tmp_path, valkey_url, provider) as started:
        yield started


def revoke(gateway: Running) -> None:
    policy = gateway.snapshots.current
    revoked = {digest: replace(held, revoked=True) for digest, held in policy.placeholders.items()}
    gateway.snapshots.current = replace(policy, placeholders=revoked)


@pytest.mark.parametrize("proxied", [False, True], ids=["base URL", "through a tunnel"])
async def test_a_stalled_stream_is_cut_as_its_protocol_ends(gateway: Running, proxied: bool) -> None:
    gateway.provider.play("api.openai.com", Answer.of(STREAM).held(before=3))
    async with gateway.client(proxied=proxied) as client, client.stream(**asked(gateway, proxied)) as answer:
        chunks = answer.aiter_raw()
        await asyncio.wait_for(anext(chunks), 5)
        revoke(gateway)
        rest = b"".join([chunk async for chunk in chunks])
    assert b"placeholder_revoked" in rest
    assert b"[DONE]" not in rest
    event = await wait_for_end(gateway)
    assert (event["outcome"], event["reason"]) == ("cut", "placeholder_revoked")
    assert gateway.engine.calls_in_flight == 0


@pytest.mark.parametrize("proxied", [False, True], ids=["base URL", "through a tunnel"])
async def test_a_call_whose_answer_has_not_begun_is_refused(
    tmp_path: Path, valkey_url: str, provider: StandIn, proxied: bool
) -> None:
    arrived, left = asyncio.Event(), asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await reader.read()
        left.set()
        writer.close()

    context = provider.authority.context("api.openai.com")
    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0, ssl=context) as server:
        resolve = {"api.openai.com:443": f"127.0.0.1:{server.sockets[0].getsockname()[1]}"}
        upstream = {"resolve": resolve, "ca_file": provider.authority.ca_file}
        async with running(tmp_path, valkey_url, provider, upstream=upstream) as gateway:
            async with gateway.client(proxied=proxied) as client:
                asking = asyncio.create_task(client.request(**asked(gateway, proxied)))
                await arrived.wait()
                revoke(gateway)
                answer = await asking
            await left.wait()  # the provider's connection is closed too
            event = await wait_for_end(gateway)
    assert (answer.status_code, answer.headers["x-conduit-reason"]) == (401, "placeholder_revoked")
    assert (event["outcome"], event["reason"]) == ("refused", "placeholder_revoked")


async def test_a_stalled_stream_goes_on_under_a_policy_that_revokes_something_else(gateway: Running) -> None:
    held = Answer.of(STREAM).held(before=3)
    gateway.provider.play("api.openai.com", held)
    async with gateway.client() as client, client.stream(**request(gateway)) as answer:
        chunks = answer.aiter_raw()
        await asyncio.wait_for(anext(chunks), 5)
        gateway.snapshots.current = replace(gateway.snapshots.current, version=2)
        (visit,) = gateway.engine.chain._connections.open_visits()
        while visit.judged_by is not gateway.snapshots.current:
            await asyncio.sleep(0.01)
        held.gate.open()
        rest = b"".join([chunk async for chunk in chunks])
    assert rest.endswith(b"data: [DONE]\n\n")


async def test_where_policy_lets_answers_end_they_do(
    tmp_path: Path, valkey_url: str, provider: StandIn
) -> None:
    async with running(tmp_path, valkey_url, provider, snapshot={"cut_revoked": False}) as gateway:
        held = Answer.of(STREAM).held(before=3)
        gateway.provider.play("api.openai.com", held)
        async with gateway.client() as client, client.stream(**request(gateway)) as answer:
            chunks = answer.aiter_raw()
            await asyncio.wait_for(anext(chunks), 5)
            revoke(gateway)
            held.gate.open()
            rest = b"".join([chunk async for chunk in chunks])
    assert rest.endswith(b"data: [DONE]\n\n")


def asked(gateway: Running, proxied: bool) -> dict[str, Any]:
    found = request(gateway)
    return found | {"url": "https://api.openai.com/v1/chat/completions"} if proxied else found

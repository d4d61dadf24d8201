"""A long body is read as strictly as a short one, while other calls go on."""

import asyncio
import json
import threading
from dataclasses import replace

import pytest

from addons import inspection, long_texts
from addons.long_texts import AT_ONCE_BYTES_MAX
from tests.addons.running import Running
from vault.placeholder import issue

LONG = "plain words " * (AT_ONCE_BYTES_MAX // 6)


def asking(content: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content}]


async def test_a_long_body_reaches_the_provider_as_it_is(gateway: Running):
    answer = await gateway.ask(messages=asking(LONG))
    (seen,) = gateway.provider.wait_for(1)
    assert answer.status_code == 200
    assert json.loads(seen.body)["messages"] == asking(LONG)


async def test_what_a_long_body_asks_is_read(gateway: Running):
    await gateway.ask(messages=asking(f"{LONG} ada@corp.example"), stream=True)
    (_, ended) = gateway.events()
    assert (ended["model"], ended["stream"]) == ("gpt-4o-mini", True)
    assert json.loads(gateway.provider.wait_for(1)[0].body)["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"max_tokens": "20"}, "request_malformed"),
        ({"metadata": {"key": "STRAY"}}, "placeholder_misused"),
    ],
    ids=["malformed", "stray"],
)
async def test_a_long_body_is_refused_as_a_short_one_is(gateway: Running, changed, reason):
    with issue("openai").revealed() as stray:
        changed = json.loads(json.dumps(changed).replace("STRAY", stray))
    for content in ("hi", LONG):
        answer = await gateway.ask(messages=asking(content), **changed)
        assert answer.headers["x-conduit-reason"] == reason
    assert gateway.provider.seen == []


@pytest.fixture
def held(monkeypatch):
    """Reading a long body begins, and does not end before it is let go."""
    begun, let_go, read = threading.Event(), threading.Event(), inspection.inspect

    def slowly(shape, operation, path_model, body, content_type):
        if len(body) > AT_ONCE_BYTES_MAX:
            begun.set()
            let_go.wait(30)
        return read(shape, operation, path_model, body, content_type)

    monkeypatch.setattr(inspection, "inspect", slowly)
    yield begun, let_go
    let_go.set()


async def test_other_calls_go_on_while_a_long_body_is_read(gateway: Running, held):
    begun, let_go = held
    long_one = asyncio.create_task(gateway.ask(messages=asking(LONG)))
    assert await asyncio.to_thread(begun.wait, 20)
    assert (await gateway.ask()).status_code == 200
    assert not long_one.done()
    let_go.set()
    assert (await long_one).status_code == 200


async def test_a_body_that_takes_too_long_to_read_does_not_leave(gateway: Running, held, monkeypatch):
    _, let_go = held
    monkeypatch.setattr("addons.chain.BYTES_PER_SECOND", 1 << 40)
    bounds = replace(gateway.engine.chain.bounds, step_timeout_s=0.05)
    monkeypatch.setattr(gateway.engine.chain, "bounds", bounds)
    answer = await gateway.ask(messages=asking(LONG))
    assert (answer.status_code, answer.headers["x-conduit-reason"]) == (503, "degraded")
    let_go.set()
    assert gateway.provider.seen == []


async def test_a_short_text_is_read_at_once():
    here = threading.get_ident()
    texts = long_texts.LongTexts()
    assert await texts.read(AT_ONCE_BYTES_MAX, threading.get_ident) == here
    assert await texts.read(AT_ONCE_BYTES_MAX + 1, threading.get_ident) != here

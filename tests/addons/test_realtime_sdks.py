"""The providers' own SDKs hold realtime sessions through the gateway, and understand how one ends."""

import openai
import pytest
import websockets
from google import genai
from google.genai import errors as genai_errors

from tests.addons.running import Running
from tests.addons.sessions import change, ended
from tests.standins.realtime import Realtime

GOOGLE = "generativelanguage.googleapis.com"


def openai_client(gateway: Running) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=gateway.placeholder, base_url=gateway.url("openai", "/v1"))


async def test_openai_realtime(launched_realtime):
    there = Realtime()
    async with launched_realtime(there) as gateway:
        async with openai_client(gateway).realtime.connect(model="gpt-realtime") as session:
            await session.session.update(session={"type": "realtime", "output_modalities": ["text"]})
            await session.response.create()
            said = []
            async for event in session:
                said.append(event)
                if event.type == "response.done":
                    break
        assert [event.delta for event in said if event.type == "response.output_text.delta"] == ["Hel", "lo"]
        event = await ended(gateway)
        assert (event["operation"], event["model"], event["outcome"]) == (
            "realtime",
            "gpt-realtime",
            "finished",
        )
        assert (event["input_tokens"], event["output_tokens"], event["cache_read_tokens"]) == (132, 121, 64)
        assert event["estimated"] is False
        # gpt-realtime: text 4 and 16, cached 0.40, sound 32 and 64 dollars a million (genai-prices)
        assert event["cost_micro_dollars"] == -(
            -(55 * 400 + 64 * 40 + 13 * 3200 + 30 * 1600 + 91 * 6400) // 100
        )


async def test_openai_realtime_raises_when_it_is_cut(launched_realtime):
    async def talk(gateway: Running, errors: list[str]) -> None:
        async with openai_client(gateway).realtime.connect(model="gpt-realtime") as session:
            async for event in session:
                if event.type == "session.created":
                    change(gateway, revoked=True)
                elif event.type == "error":
                    errors.append(event.error.code)

    errors: list[str] = []
    async with launched_realtime(Realtime()) as gateway:
        with pytest.raises(websockets.ConnectionClosedError) as raised:
            await talk(gateway, errors)
    assert errors == ["placeholder_revoked"]
    assert raised.value.rcvd.code == 1008


async def test_openai_realtime_is_refused_before_it_opens(launched_realtime):
    async def connect(gateway: Running) -> None:
        async with openai_client(gateway).realtime.connect(model="gpt-realtime"):
            pass

    async with launched_realtime(Realtime()) as gateway:
        change(gateway, revoked=True)
        with pytest.raises(websockets.InvalidStatus) as raised:
            await connect(gateway)
    assert raised.value.response.status_code == 401
    assert raised.value.response.headers["x-conduit-reason"] == "placeholder_revoked"


async def test_openai_responses_over_a_websocket(launched_realtime):
    async with launched_realtime(Realtime()) as gateway:
        async with openai_client(gateway).responses.connect() as session:
            await session.response.create(model="gpt-5-mini", input="hi", max_output_tokens=100)
            async for event in session:
                if event.type == "response.completed":
                    break
        event = await ended(gateway)
        assert (event["operation"], event["model"], event["outcome"]) == (
            "responses",
            "gpt-5-mini",
            "finished",
        )
        assert (event["input_tokens"], event["output_tokens"], event["reasoning_tokens"]) == (1_000, 50, 10)
        assert event["cost_micro_dollars"] > 0


def live_client(gateway: Running, ending: str = "") -> genai.Client:
    """The SDK speaks TLS to any base URL; one that ends in a slash it makes two of."""
    url = f"https://localhost:{gateway.ports['gateway']}/google{ending}"
    return genai.Client(api_key=gateway.placeholder, http_options={"base_url": url})


@pytest.mark.parametrize("ending", ["", "/"], ids=["one-slash", "two-slashes"])
async def test_gemini_live(launched_realtime, ending):
    there = Realtime()
    async with launched_realtime(there, GOOGLE, provider_id="google") as gateway:
        config = {"response_modalities": ["TEXT"]}
        async with live_client(gateway, ending).aio.live.connect(
            model="gemini-live-2.5-flash", config=config
        ) as session:
            await session.send_client_content(turns={"role": "user", "parts": [{"text": "hi"}]})
            said = [message async for message in session.receive()]
        assert "".join(message.text or "" for message in said) == "Hello"
        event = await ended(gateway)
        assert (event["operation"], event["model"], event["outcome"]) == (
            "live", "gemini-live-2.5-flash", "finished",
        )  # fmt: skip
        assert (event["input_tokens"], event["output_tokens"], event["estimated"]) == (100, 40, False)
        assert event["cost_micro_dollars"] == 100 // 2 + 40 * 12


async def test_gemini_live_raises_when_it_is_cut(launched_realtime):
    async def listen(gateway: Running) -> None:
        async with live_client(gateway).aio.live.connect(model="gemini-live-2.5-flash") as session:
            change(gateway, revoked=True)
            async for _ in session.receive():
                pass

    async with launched_realtime(Realtime(), GOOGLE, provider_id="google") as gateway:
        with pytest.raises(genai_errors.APIError) as raised:
            await listen(gateway)
    assert raised.value.code == 1008
    assert "placeholder_revoked" in str(raised.value)

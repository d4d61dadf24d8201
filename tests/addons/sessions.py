"""WebSocket sessions as tests open them, hear them and see them end."""

import asyncio
from dataclasses import replace

from tests.addons.running import Running
from tests.standins.sessions import CLOSE, Peer, dial, handshake

CLEAR = '{"type":"input_audio_buffer.clear"}'
REALTIME = "/openai/v1/realtime?model=gpt-realtime"


async def open_realtime(gateway: Running, *lines: str, target: str = REALTIME) -> Peer:
    place = f"authorization: Bearer {gateway.placeholder}"
    return await dial(gateway.ports["gateway"], handshake(target, "gateway.test", place, *lines))


async def open_through_the_proxy(gateway: Running) -> Peer:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["proxy"])
    writer.write(b"CONNECT api.openai.com:443 HTTP/1.1\r\nhost: api.openai.com:443\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    await writer.start_tls(gateway.trusted(), server_hostname="api.openai.com")
    client = Peer(reader, writer, is_client=True)
    place = f"authorization: Bearer {gateway.placeholder}"
    client.raw(handshake("/v1/realtime?model=gpt-realtime", "api.openai.com", place))
    await client.read_head()
    return client


async def refused(client: Peer) -> str:
    """The reason with which a session was cut."""
    closing = (await client.hear_until(CLOSE))[-1]
    assert closing[0] == CLOSE
    return closing[1][1].split(": ")[1]


async def ended(gateway: Running) -> dict:
    while "outcome" not in (event := gateway.events()[-1]):
        await asyncio.sleep(0.01)
    return event


def change(gateway: Running, **changed) -> None:
    """The policy in force, with every placeholder so changed."""
    policy = gateway.snapshots.current
    held = {digest: replace(each, **changed) for digest, each in policy.placeholders.items()}
    gateway.snapshots.current = replace(policy, placeholders=held)

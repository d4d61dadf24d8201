"""What one worker knows of a private account, the others hear of; Valkey learns no account."""

import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from store.account_marks import KEY, MARKS_MAX, AccountMarks, MarksUnavailable
from store.valkey import connect


@pytest.fixture
async def client(valkey_url: str) -> AsyncIterator[Redis]:
    client = connect(valkey_url)
    assert isinstance(client, Redis)
    await client.delete(KEY)
    yield client
    await client.aclose()


def mark(number: int) -> tuple[bytes, bytes]:
    return number.to_bytes(32, "big"), b"\x00account" + bytes([number % 256])


async def test_a_mark_is_heard_by_all_from_its_moment_on(client: Redis) -> None:
    one, other = AccountMarks(client), AccountMarks(client)
    before = time.time()
    assert await one.exchange([mark(1)], before) == [mark(1)]
    assert await other.exchange([mark(2)], before) == [mark(1), mark(2)]
    assert await one.exchange([], time.time() + 1) == []


async def test_only_so_many_are_kept_and_the_oldest_go(client: Redis) -> None:
    marks = AccountMarks(client)
    await marks.exchange([mark(0)], 0)
    await marks.exchange([mark(number) for number in range(1, MARKS_MAX + 1)], 0)
    kept = await marks.exchange([], 0)
    assert (len(kept), mark(0) in kept) == (MARKS_MAX, False)


async def test_without_valkey_nothing_is_lost_and_the_caller_told() -> None:
    gone = connect("redis://127.0.0.1:1/0")
    with pytest.raises(MarksUnavailable):
        await AccountMarks(gone).exchange([mark(1)], 0)
    await gone.aclose()

"""Passwords: what is stored, what is accepted, how many at once."""

import asyncio

import pytest
from argon2 import extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from console.errors import Invalid, SignInFailed, TooBusy
from console.passwords import CONCURRENT_MAX, PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN, WAITING_MAX, Passwords
from tests.console.conftest import CHEAP

LONG_ENOUGH = "x" * PASSWORD_LENGTH_MIN


async def test_a_hash_costs_what_the_rfc_recommends() -> None:
    stored = await Passwords().hash(LONG_ENOUGH)
    assert stored.startswith("$argon2id$")
    assert extract_parameters(stored) == RFC_9106_LOW_MEMORY


async def test_only_the_same_password_passes() -> None:
    passwords = Passwords(CHEAP)
    stored = await passwords.hash(LONG_ENOUGH)
    await passwords.verify(LONG_ENOUGH, stored)
    for wrong in ("", LONG_ENOUGH[:-1], LONG_ENOUGH + "x", "X" * PASSWORD_LENGTH_MIN):
        with pytest.raises(SignInFailed):
            await passwords.verify(wrong, stored)


@pytest.mark.parametrize("stored", [None, "", "not a hash", "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$broken"])
async def test_nothing_passes_against_no_hash(stored: str | None) -> None:
    for password in ("", "\x00", LONG_ENOUGH):
        with pytest.raises(SignInFailed):
            await Passwords(CHEAP).verify(password, stored)


@pytest.mark.parametrize("length", [0, PASSWORD_LENGTH_MIN - 1, PASSWORD_LENGTH_MAX + 1])
async def test_a_length_out_of_bounds_is_refused(length: int) -> None:
    with pytest.raises(Invalid):
        await Passwords(CHEAP).hash("x" * length)


async def test_the_longest_password_counts_to_its_last_character() -> None:
    passwords = Passwords(CHEAP)
    longest = "x" * PASSWORD_LENGTH_MAX
    stored = await passwords.hash(longest)
    await passwords.verify(longest, stored)
    with pytest.raises(SignInFailed):
        await passwords.verify(longest + "y", stored)


async def test_more_at_once_than_the_machine_should_hash_are_turned_away() -> None:
    passwords = Passwords(CHEAP)
    many = WAITING_MAX + CONCURRENT_MAX + 5
    outcomes = await asyncio.gather(
        *(passwords.verify(LONG_ENOUGH, None) for _ in range(many)), return_exceptions=True
    )
    assert sum(isinstance(outcome, TooBusy) for outcome in outcomes) == many - WAITING_MAX
    with pytest.raises(SignInFailed):
        await passwords.verify(LONG_ENOUGH, None)

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.accounts import InvalidAccount, checked
from store.catalogue import load_restrictions

SHIPPED = load_restrictions(Path(__file__).resolve().parents[2] / "config" / "account_restrictions.csv")


@given(st.text(max_size=30))
def test_no_account_adds_a_second_one_or_ends_the_header(text: str) -> None:
    try:
        (account,) = checked([text])
    except InvalidAccount:
        return
    assert not set(account) & set(", \r\n\0")


@pytest.mark.parametrize("account", ["org-AbC123", "acme.example", "5e0f:9c1d", "consumer_accounts"])
def test_what_vendors_call_accounts_is_accepted(account: str) -> None:
    assert checked([f" {account} ", account]) == (account,)


@pytest.mark.parametrize("accounts", [[], [f"org-{number}" for number in range(101)]])
def test_a_list_is_neither_empty_nor_endless(accounts: list[str]) -> None:
    with pytest.raises(InvalidAccount):
        checked(accounts)


def test_each_shipped_restriction_covers_its_hosts_alone() -> None:
    assert all(each.covers(each.hosts[0].replace("*.", "eu.")) for each in SHIPPED)
    assert not any(each.covers("evil.test") or each.covers("evilchatgpt.com") for each in SHIPPED)
    assert all(each.source for each in SHIPPED)

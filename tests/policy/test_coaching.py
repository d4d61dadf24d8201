import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy import coaching
from policy.coaching import Caller, opened, read_form, return_path, seal, without_grant

ADA = Caller("tenant", "ada", "chat.example")


def digest(text: str) -> bytes:
    return hmac.digest(b"k" * 32, text.encode(), hashlib.sha256)


@given(st.text(max_size=coaching.REASON_LENGTH_MAX))
def test_what_was_sealed_opens_until_its_end(text: str) -> None:
    token = seal("grant", ADA, text, 100, digest)
    assert opened(token, "grant", ADA, 99.9, digest) == text
    assert opened(token, "grant", ADA, 100, digest) is None
    assert opened(token, "ticket", ADA, 0, digest) is None


@pytest.mark.parametrize(
    "other",
    [
        Caller("other", "ada", "chat.example"),
        Caller("tenant", "eve", "chat.example"),
        Caller("tenant", "ada", "b"),
    ],
)
def test_a_grant_is_for_its_caller_alone(other: Caller) -> None:
    assert opened(seal("grant", ADA, "why", 100, digest), "grant", other, 0, digest) is None


@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_=-]*\.[A-Za-z0-9_=-]*", fullmatch=True))
def test_nothing_else_opens(token: str) -> None:
    assert opened(token, "grant", ADA, 0, digest) is None


def test_the_hosts_own_cookies_are_left_as_they_were() -> None:
    assert without_grant(["a=1; conduit-reason=x.y", "b=2;c"]) == ("x.y", "a=1; b=2; c")
    assert without_grant(["a=1"]) == (None, "a=1")


@pytest.mark.parametrize(
    "target", ["//evil.test/", "/\\evil.test", "https://evil.test/", "/a\r\nx: y", "", "/ü"]
)
def test_a_browser_is_sent_nowhere_else(target: str) -> None:
    assert return_path(target) == "/"
    assert return_path("/c/42?x=1") == "/c/42?x=1"


@given(st.binary(max_size=300))
def test_any_body_can_be_read_as_a_form(body: bytes) -> None:
    reason, _ = read_form(body)
    assert len(reason) <= coaching.REASON_LENGTH_MAX
    assert reason.isprintable()

"""A secret cannot be printed, logged, compared, copied or stored by accident."""

import copy
import io
import json
import pickle
import traceback

import pytest
from loguru import logger

from vault.secret import Secret

CANARY = "sk-canary-7d1f0c"


def test_revealed_lends_the_text() -> None:
    with Secret(CANARY).revealed() as text:
        assert text == CANARY


def test_repr_shows_nothing() -> None:
    assert repr(Secret(CANARY)) == "<Secret>"
    assert CANARY not in repr([Secret(CANARY)])


@pytest.mark.parametrize(
    "leak",
    [
        str,
        lambda secret: f"Bearer {secret}",
        lambda secret: "%s" % secret,  # noqa: UP031
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        json.dumps,
        lambda secret: secret == CANARY,
        lambda secret: secret != CANARY,
        hash,
        vars,
        bytes,
        iter,
        len,
    ],
)
def test_every_way_to_leak_it_raises_and_the_error_does_not_hold_it(leak) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TypeError) as raised:
        leak(Secret(CANARY))
    assert CANARY not in "".join(traceback.format_exception(raised.value))


def test_a_log_line_with_a_secret_in_it_shows_nothing() -> None:
    sink = io.StringIO()
    handler = logger.add(sink, diagnose=True, backtrace=True)
    secret = Secret(CANARY)
    try:
        raise RuntimeError("while a secret is at hand")
    except RuntimeError:
        logger.exception("failed with {!r}", secret)
    logger.remove(handler)
    assert "failed with" in sink.getvalue()
    assert CANARY not in sink.getvalue()


def test_matches_tells_equal_from_unequal() -> None:
    assert Secret(CANARY).matches(CANARY)
    assert not Secret(CANARY).matches(CANARY + "x")


def test_a_wiped_secret_is_gone() -> None:
    secret = Secret(CANARY)
    secret.wipe()
    with pytest.raises(ValueError, match="wiped"), secret.revealed():
        pass
    assert not secret.matches(CANARY)

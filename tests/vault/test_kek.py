"""Keys held in the process: bound to their context, and never shown."""

import pickle

import pytest

from vault.errors import Unopenable
from vault.kek import KeyDocument, LocalKeys


def test_a_wrapped_key_opens_only_in_its_context_and_under_its_name() -> None:
    keys = LocalKeys(KeyDocument.fresh())
    wrapped = keys.wrap(b"data key", context=b"tenant a")
    assert keys.unwrap(wrapped.sealed, name=wrapped.name, context=b"tenant a") == b"data key"
    with pytest.raises(Unopenable):
        keys.unwrap(wrapped.sealed, name=wrapped.name, context=b"tenant b")
    with pytest.raises(Unopenable):
        keys.unwrap(wrapped.sealed, name="another", context=b"tenant a")


def test_another_document_opens_nothing() -> None:
    mine, theirs = LocalKeys(KeyDocument.fresh()), LocalKeys(KeyDocument.fresh())
    sealed, name = mine.wrap(b"x", context=b"").sealed, theirs.wrap(b"x", context=b"").name
    with pytest.raises(Unopenable):
        theirs.unwrap(sealed, name=name, context=b"")
    assert mine.index_key() != theirs.index_key()


def test_keys_are_neither_shown_nor_pickled() -> None:
    document = KeyDocument.fresh()
    keys = LocalKeys(document)
    for shown in (repr(keys), repr(document), str(document)):
        assert repr(document.index)[2:-1] not in shown
        assert repr(document.keys[0].key)[2:-1] not in shown
    with pytest.raises(TypeError):
        pickle.dumps(keys)

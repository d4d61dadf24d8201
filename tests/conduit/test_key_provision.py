"""Which variables of the operator's environment the children are handed: those of the key's source alone."""

import pytest

from conduit.key_provision import key_environment
from conduit.settings import KeyEncryptionKey

OPERATOR = {
    "AWS_ACCESS_KEY_ID": "a",
    "CONDUIT_DATABASE__URL": "b",
    "CONDUIT_KEK": "c",
    "HTTPS_PROXY": "d",
    "SOFTHSM2_CONF": "e",
}


@pytest.mark.parametrize(
    ("source", "handed"),
    [
        ("file", set()),
        ("transit", set()),
        ("environment", {"CONDUIT_KEK"}),
        ("aws_kms", {"AWS_ACCESS_KEY_ID"}),
        ("pkcs11", {"AWS_ACCESS_KEY_ID", "SOFTHSM2_CONF"}),
    ],
)
def test_children_are_handed_what_the_key_source_reads(source: str, handed: set[str]) -> None:
    kek = KeyEncryptionKey.model_validate({"source": source})
    assert key_environment(kek, OPERATOR).keys() == handed


def test_variable_that_is_not_set_is_not_handed() -> None:
    assert key_environment(KeyEncryptionKey(source="environment"), {}) == {}

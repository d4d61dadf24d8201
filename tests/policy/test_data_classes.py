import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.data_classes import SEARCHED_BYTES_MAX, DataClass, classes_in


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("write to ada@corp.example please", DataClass.EMAIL),
        ("IBAN DE89 3704 0044 0532 0130 00, thanks", DataClass.IBAN),
        ("card 4111 1111 1111 1111 exp 12/29", DataClass.PAYMENT_CARD),
        ("5555555555554444", DataClass.PAYMENT_CARD),
        ("-----BEGIN EC PRIVATE KEY-----", DataClass.PRIVATE_KEY),
        ('{"key": "sk-proj-' + "a1" * 20 + '"}', DataClass.SECRET),
    ],
)
def test_each_class_is_found_by_its_form(text, found):
    assert classes_in(text.encode()) == (found,)


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # a wrong check digit
        "DE89 3704 0044 0532 0130 01",
        "order 12345678901234567890123",
        "1.4111111111111111",
        "me@home",
        "-----BEGIN PUBLIC KEY-----",
        "the task-master wrote a risk-assessment" + "x" * 40,
    ],
)
def test_what_only_resembles_one_is_none(text):
    assert classes_in(text.encode()) == ()


def test_several_are_named_once_each_and_none_is_quoted():
    assert classes_in(b"a@b.example c@d.example 4111111111111111") == (
        DataClass.EMAIL,
        DataClass.PAYMENT_CARD,
    )


@given(st.binary(max_size=300))
def test_any_bytes_are_searched(body):
    classes_in(body)
    classes_in(body * (SEARCHED_BYTES_MAX // 300))

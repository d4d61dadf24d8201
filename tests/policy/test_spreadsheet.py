"""What is read back from CSV is what was written, and no field begins as a formula."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.spreadsheet import document

RUNNING = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠", "|", "%")


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2)))
def test_no_field_is_a_formula_and_nothing_is_lost(rows):
    _, *back = read(document(("a", "b"), rows))
    assert [[cell.removeprefix("'").replace("\0", "") for cell in row] for row in back] == [
        [cell.replace("\0", "").removeprefix("'") for cell in row] for row in rows
    ]
    assert not [cell for row in back for cell in row if cell.lstrip(" ").startswith(RUNNING)]


@pytest.mark.parametrize("attack", ['=HYPERLINK("http://x")', "+1", "-2+3", "@SUM(A1)", "\t=1", " =1", "＝1"])
def test_formulas_are_shown_not_run(attack):
    assert read(document(("a",), [[attack]]))[1] == [f"'{attack}"]


def test_numbers_stay_numbers_and_ordinary_text_stays_as_it_is():
    assert read(document(("a", "b", "c"), [[-5, "gpt-5", None]]))[1] == ["-5", "gpt-5", ""]

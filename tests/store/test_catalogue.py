"""The catalogue's file: two tables, and nothing else is read as one."""

import pytest

from policy.catalogue import InvalidCatalogue, Training
from store.catalogue import FACT_COLUMNS, HOST_COLUMNS, read_catalogue, row_of

FACT = "acme,trains,no,https://acme.example/terms,2026-11-01"
HOST = "a.example,acme,Acme,chat,web,unknown,no,list 1,2026-10-01,"
FILE = f"{','.join(FACT_COLUMNS)}\n{FACT}\n\n{','.join(HOST_COLUMNS)}\n{HOST}\n"
EARLIER_FORM = (
    "host,provider,product,kind,shape,region,country,mixed,trains,evasions,source,date,note\n"
    "a.example,acme,Acme,chat,web,eu,DE,no,no,unknown,list 1,2026-10-01,\n"
)


def test_a_host_has_what_is_stated_of_its_provider() -> None:
    entry = read_catalogue(FILE).find("a.example")
    assert entry is not None
    assert (entry.training, entry.date) == (Training.NO, "2026-10-01")
    assert [(each.source, each.date) for each in entry.origins] == [
        ("https://acme.example/terms", "2026-11-01")
    ]
    assert ",".join(row_of(entry)) == HOST


def test_lines_may_end_as_spreadsheets_end_them() -> None:
    assert read_catalogue(FILE.replace("\n", "\r\n")) == read_catalogue(FILE)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (EARLIER_FORM, "another form"),
        (FILE.split("\n\n")[0], "another form"),
        (FILE.replace("subject", "object"), "another form"),
        (FILE + "a,b,c\n", "line 6 .* not 10 columns"),
        (FILE.replace("2026-11-01", "2026-13-01"), "line 2 "),
        (FILE.replace("2026-10-01", "lately"), "line 5 "),
        (FILE.replace("list 1", ""), "line 5 "),
        (FILE.replace(",no,list", ",maybe,list"), "line 5 "),
        (FILE.replace("trains", "learns"), "line 2 "),
        (FILE.replace("https://acme.example/terms", ""), "without a source"),
        (FILE + '"', "no CSV"),
    ],
)
def test_a_file_of_another_form_is_refused(text: str, error: str) -> None:
    with pytest.raises(InvalidCatalogue, match=error):
        read_catalogue(text)

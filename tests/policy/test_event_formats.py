"""Other systems read the same events; nothing that a caller writes becomes a field, line or formula."""

import csv
import io
import re

from hypothesis import given
from hypothesis import strategies as st

from policy.event_formats import CSV_COLUMNS, cef_line, csv_line

CALL = {
    "schema": 1,
    "id": "01a20cf2-c9d9-76bb-bf21-d7c31575f0e8",
    "at": "2026-11-24T08:00:00.123456Z",
    "kind": "call",
    "tenant_id": "00000000-0000-0000-0000-000000000007",
    "tenant": "Acme",
    "user_id": "00000000-0000-0000-0000-000000000008",
    "user": "alice",
    "source_address": "10.0.0.7",
    "provider": "openai",
    "host": "api.openai.com",
    "port": 443,
    "method": "POST",
    "path": "/v1/chat/completions",
    "operation": "chat",
    "model": "gpt-5",
    "decision": "allow",
    "outcome": "finished",
    "status": 200,
    "cost_micro_dollars": 120,
}
HOSTILE = st.text().map(lambda text: f"a|b=c\\{text}\r\n\u2028CEF:0|")


def test_a_call_in_cef():
    assert cef_line({**CALL, "path": "/a|b=c\\d"}) == (
        "CEF:0|APIConduit|conduit|1|call|finished|2|rt=1795507200123 src=10.0.0.7"
        " externalId=01a20cf2-c9d9-76bb-bf21-d7c31575f0e8 suid=00000000-0000-0000-0000-000000000008"
        " suser=alice dhost=api.openai.com dpt=443 request=/a|b\\=c\\\\d requestMethod=POST act=allow"
        " outcome=finished cs1=00000000-0000-0000-0000-000000000007 cs1Label=tenant cs2=gpt-5"
        " cs2Label=model cs5=openai cs5Label=provider cn3=120 cn3Label=costMicroDollars\n"
    )


@given(HOSTILE)
def test_a_cef_event_is_one_line_whose_keys_are_ours(text):
    line = cef_line({**CALL, "model": text, "reason": text, "kind": "call"})
    assert len(line.splitlines()) == 1
    assert len(re.split(r"(?<!\\)(?:\\\\)*\|", line.partition(" rt=")[0].partition("|rt=")[0])) == 7
    keys = re.findall(r"(?:^|[ |])([A-Za-z0-9]+)=", line.partition("|rt=")[2])
    plain = re.findall(r"(?:^|[ |])([A-Za-z0-9]+)=", cef_line({**CALL, "reason": "x"}).partition("|rt=")[2])
    assert keys == plain


@given(HOSTILE)
def test_a_csv_line_has_one_field_a_column(text):
    (fields,) = csv.reader(io.StringIO(csv_line({**CALL, "model": text, "user": "=1+1"}), newline=""))
    row = dict(zip(CSV_COLUMNS, fields, strict=True))
    assert (row["model"], row["user"]) == (text.replace("\0", ""), "'=1+1")

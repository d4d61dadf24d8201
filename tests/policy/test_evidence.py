import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.evidence import AnswerEvidence, RequestEvidence, Verdict, score
from tests.policy import foreign_traffic, generative_traffic, later_traffic
from tests.policy.labelled_traffic import AI, CHAT, CURL, TOOLS, Flow
from tests.policy.ordinary_traffic import NOT_AI


def judged(flow: Flow, *, answered: bool) -> str:
    return score(flow.request, flow.answered if answered else None).verdict


def table(ai: list[Flow], not_ai: list[Flow]) -> dict[str, dict[str, int]]:
    """How many flows of each label got each verdict, from the request alone and with its answer."""
    counts = {}
    for label, flows in (("AI", ai), ("not AI", not_ai)):
        for answered in (False, True):
            verdicts = [judged(flow, answered=answered) for flow in flows]
            row = f"{label}, {'with answer' if answered else 'request alone'}"
            counts[row] = {verdict: verdicts.count(verdict) for verdict in ("ai", "suspect", "none")}
    return counts


def test_recall_and_false_positives_on_the_labelled_traffic(capsys: pytest.CaptureFixture[str]) -> None:
    ai, not_ai = [*AI, *later_traffic.OPEN_AI], [*NOT_AI, *later_traffic.OPEN_NOT_AI]
    counts = table(ai, not_ai)
    with capsys.disabled():
        show("fitted to", counts)
    assert len(ai) >= 60
    assert len(not_ai) >= 200
    assert counts["AI, request alone"]["ai"] >= 0.85 * len(ai)
    assert counts["AI, with answer"]["ai"] >= 0.98 * len(ai)
    assert counts["AI, with answer"]["none"] == 0
    for row in ("not AI, request alone", "not AI, with answer"):
        assert counts[row]["ai"] == 0
        assert counts[row]["suspect"] <= 0.01 * len(not_ai)


def test_recall_and_false_positives_on_what_was_held_back(capsys: pytest.CaptureFixture[str]) -> None:
    ai, not_ai = later_traffic.HELD_BACK_AI, later_traffic.HELD_BACK_NOT_AI
    counts = table(ai, not_ai)
    with capsys.disabled():
        show("held back", counts)
    assert len(ai) >= 15
    assert len(not_ai) >= 40
    assert counts["AI, with answer"]["ai"] >= 0.9 * len(ai)
    assert counts["AI, with answer"]["none"] == 0
    for row in ("not AI, request alone", "not AI, with answer"):
        assert counts[row]["ai"] + counts[row]["suspect"] <= 0.005 * len(not_ai)


def test_recall_and_false_positives_on_what_the_general_rules_were_fitted_to(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ai, not_ai = generative_traffic.AI, generative_traffic.NOT_AI
    counts = table(ai, not_ai)
    with capsys.disabled():
        show("services of every kind", counts)
    assert counts["AI, with answer"]["ai"] >= 0.85 * len(ai)
    for row in ("not AI, request alone", "not AI, with answer"):
        assert counts[row]["none"] == len(not_ai)


# The least share found to be AI, and listed at all; the most ordinary exchanges that may be suspected.
REACHED = {"open": (0.9, 0.9, 1), "held_back": (0.8, 0.9, 3), "later": (0.7, 0.8, 1)}


@pytest.mark.parametrize("part", foreign_traffic.PARTS)
def test_recall_and_false_positives_on_what_other_hands_wrote(
    part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    counts: dict[str, dict[str, int]] = {}
    for label in ("ai", "ordinary"):
        for answered in (False, True):
            row = f"{label}, {'with answer' if answered else 'request alone'}"
            verdicts = [
                score(each.request, each.answer if answered else None).verdict
                for each in foreign_traffic.exchanges(part, label)
            ]
            counts[row] = {verdict: verdicts.count(verdict) for verdict in ("ai", "suspect", "none")}
    with capsys.disabled():
        show(f"other hands, {part}", counts)
    recall, listed, suspected = REACHED[part]
    found = counts["ai, with answer"]
    assert found["ai"] >= recall * sum(found.values())
    assert found["ai"] + found["suspect"] >= listed * sum(found.values())
    for row in ("ordinary, request alone", "ordinary, with answer"):
        assert counts[row]["ai"] == 0
        assert counts[row]["suspect"] <= suspected


def show(name: str, counts: dict[str, dict[str, int]]) -> None:
    print(f"\n{name:26} {'ai':>5} {'suspect':>8} {'none':>5}")
    for row, verdicts in counts.items():
        print(f"{row:26} {verdicts['ai']:5} {verdicts['suspect']:8} {verdicts['none']:5}")


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "/v1/chat/completions"},
        {"headers": {"user-agent": "OpenAI/Python 3", "openai-organization": "org-1"}},
        {"body": json.dumps({**CHAT, "model": "gpt-4o", "tools": TOOLS}).encode()},
    ],
)
def test_one_kind_of_evidence_alone_is_at_most_suspect(fields: dict[str, object]) -> None:
    defaults: dict[str, object] = {
        "method": "POST",
        "host": "x.test",
        "path": "/",
        "headers": {},
        "body": b"",
    }
    assert score(RequestEvidence(**{**defaults, **fields}), None).verdict == "suspect"  # type: ignore[arg-type]


def test_the_tls_of_a_program_raises_scores_and_makes_no_false_positive() -> None:
    def of_a_program(flow: Flow) -> Verdict:
        return score(replace(flow.request, program="Python"), flow.answered)

    assert all(of_a_program(each).score >= score(each.request, each.answered).score for each in AI)
    not_ai = [*NOT_AI, *later_traffic.NOT_AI]
    assert sum(of_a_program(each).verdict != "none" for each in not_ai) <= 0.005 * len(not_ai)
    bare = RequestEvidence("GET", "x.test", "/", {}, b"", program="Python")
    assert (score(bare, None).score, score(bare, None).evidence) == (0, ())


def test_the_reasons_name_each_kind_and_quote_nothing() -> None:
    verdict = score(Flow("x", "/v1/chat/completions", CHAT, CURL).request, None)
    assert verdict.verdict == "ai"
    assert verdict.evidence == ("path /chat/completions", "body of a chat request")


def test_a_whole_familys_answer_stands_alone() -> None:
    answer = b'{"choices":[{"message":{}}],"usage":{"prompt_tokens":1,"total_tokens":2}}'
    request = RequestEvidence("GET", "x.test", "/", {}, b"")
    assert score(request, AnswerEvidence(200, {"content-type": "application/json"}, answer)).verdict == "ai"


@pytest.mark.parametrize("length", [100_000, 2_000_000])
def test_padding_a_body_beyond_reading_hides_nothing(length: int) -> None:
    padded = {**CHAT, "messages": [*CHAT["messages"], {"role": "user", "content": "x" * length}]}  # type: ignore[misc]
    whole = json.dumps(padded).encode()
    for body in (whole, whole[:65_536]):
        request = RequestEvidence("POST", "x.test", "/v1/chat/completions", {}, body)
        assert score(request, None).verdict == "ai"


def test_a_body_that_repeats_a_word_is_read_in_one_pass() -> None:
    """Without a bound, this megabyte took ten minutes."""
    form = b'name="model"\r\n\r\n' + b"whisper" * 150_000
    headers = {"content-type": "multipart/form-data; boundary=x"}
    request = RequestEvidence("POST", "x.test", "/" + "chat" * 8_000, headers, form)
    assert score(request, None).verdict == "none"


@pytest.mark.parametrize("content_type", ["application/json", "", "application/x-www-form-urlencoded"])
def test_a_call_by_json_rpc_is_told_whatever_its_type_says(content_type: str) -> None:
    body = b'{"jsonrpc": "2.0", "method": "sampling/createMessage", "params": {}}'
    verdict = score(RequestEvidence("POST", "x.test", "/", {"content-type": content_type}, body), None)
    assert verdict.evidence == ("MCP asks for a model's answer",)


def test_blanks_before_a_body_hide_nothing() -> None:
    bodies = (b" " * blanks + json.dumps(CHAT).encode() for blanks in (0, 65, 5_000))
    requests = [RequestEvidence("POST", "x.test", "/", {}, body) for body in bodies]
    assert len({score(request, None).score for request in requests}) == 1


def test_a_disguised_path_says_so() -> None:
    verdict = score(RequestEvidence("POST", "x.test", "/a/../v1/chat%2fcompletions", {}, b""), None)
    assert verdict.evidence == ("path /chat/completions, disguised",)


words = st.sampled_from(
    ["model", "messages", "role", "user", "content", "prompt", "input", "tools", "usage", "choices", "data"]
)
values = st.recursive(
    words | st.none() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@given(
    st.text(max_size=40),
    st.dictionaries(st.sampled_from(["content-type", "authorization", "user-agent"]), st.text(max_size=30)),
    values.map(lambda value: str(value).replace("'", '"').encode()) | st.binary(max_size=60),
)
def test_any_exchange_is_judged_and_none_raises(path: str, headers: dict[str, str], body: bytes) -> None:
    request = RequestEvidence("POST", "x.test", path, headers, body)
    verdict = score(request, AnswerEvidence(200, headers, body))
    assert 0 <= verdict.score <= 100
    assert (verdict.verdict == "ai") == (verdict.score >= 60)

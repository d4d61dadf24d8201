import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.catalogue import Entry, build
from policy.domain_lists import ListFormat, compare, read

V2FLY = """# AI of one vendor
include:other-list
domain:claude.example @ads
full:api.claude.example  # the API
claude-user-content.example
keyword:claude
regexp:^claude-[0-9]+\\.example$
"""
ADGUARD = """! Title: a list
||chat.example^
@@||not.example^
  - "||gemini.example^"
||ads.example^$third-party
/banner/*
"""
HOSTS = """127.0.0.1 localhost
0.0.0.0 ai.example www.ai.example # two
:: six.example
nonsense
"""


def an_entry(host: str, source: str = "list 1") -> Entry:
    return Entry(host, "acme", "chat", "web", "unknown", "unknown", False, source, "")


@pytest.mark.parametrize(
    ("kind", "text", "patterns", "skipped"),
    [
        (
            ListFormat.V2FLY,
            V2FLY,
            (
                "claude.example",
                "*.claude.example",
                "api.claude.example",
                "claude-user-content.example",
                "*.claude-user-content.example",
            ),
            [2, 6, 7],
        ),
        (
            ListFormat.ADGUARD,
            ADGUARD,
            ("chat.example", "*.chat.example", "gemini.example", "*.gemini.example"),
            [3, 5, 6],
        ),
        (ListFormat.HOSTS, HOSTS, ("ai.example", "www.ai.example", "six.example"), [1, 4]),
    ],
)
def test_a_list_is_read_as_its_format_means_it(kind, text, patterns, skipped):
    found, left_out = read(kind, text.splitlines())
    assert found == patterns
    assert [each.line for each in left_out] == skipped


@pytest.mark.parametrize("name", ["com", "10.0.0.1", "*.example", "a b.example", "", "exa mple.test"])
def test_what_is_no_host_is_never_taken(name):
    assert read(ListFormat.V2FLY, [f"full:{name}"])[0] in ((), ("a",))


@given(st.sampled_from(ListFormat), st.text(max_size=80))
def test_any_text_is_read_or_left_out_and_what_is_read_can_be_built(kind, text):
    patterns, _ = read(kind, text.splitlines())
    assert len(build(map(an_entry, patterns))) == len(patterns)


def test_only_what_the_catalogue_does_not_cover_is_new():
    catalogue = build(map(an_entry, ["chat.example", "*.wide.example", "old.example"]))
    listed = ["chat.example", "*.chat.example", "*.eu.wide.example", "api.wide.example", "new.example"]
    changes = compare(listed, (), catalogue, "list 1")
    assert changes.new == ("*.chat.example", "new.example")
    assert changes.known == 3
    assert changes.gone == ("*.wide.example", "old.example")
    assert compare(listed, (), catalogue, "another list").gone == ()

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.catalogue import Entry, build
from policy.domain_lists import ListFormat, compare, included, read

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
||gemini.example^$important
exact.example
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
            ("chat.example", "*.chat.example", "gemini.example", "*.gemini.example", "exact.example"),
            [3, 6, 7],
        ),
        (ListFormat.HOSTS, HOSTS, ("ai.example", "www.ai.example", "six.example"), [1, 4]),
    ],
)
def test_a_list_is_read_as_its_format_means_it(kind, text, patterns, skipped):
    found = read(kind, text)
    assert tuple(found.patterns) == patterns
    assert [each.line for each in found.skipped] == skipped


SERVICE = """id: {id}
name: {id}
icon_svg: <svg viewBox="0 0 1 1"/>
rules:
- "||{id}.example^"
- '/regex/'
"""


@pytest.mark.parametrize(
    "text",
    [
        SERVICE.format(id="chat"),
        "blocked_services:\n- " + SERVICE.format(id="chat").replace("\n", "\n  "),
    ],
)
def test_a_service_names_its_own_hosts(text):
    found = read(ListFormat.ADGUARD, text)
    assert found.patterns == {"chat.example": "chat", "*.chat.example": "chat"}
    assert [(each.within, each.line) for each in found.skipped] == [("chat", 2)]


OTHERS = {
    "acme": "full:acme.example\nfull:ads.acme.example @ads\nfull:cn.acme.example @cn\nregexp:x\ninclude:deep",
    "deep": "full:deep.example @ads @cn\ninclude:acme\ninclude:category",
    "category": "include:acme",
}


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("include:acme", {"acme": 3, "deep": 1}),
        ("include:acme @ads", {"acme": 1, "deep": 1}),
        ("include:acme @-cn", {"acme": 2}),
        ("include:acme @ads @-cn", {"acme": 1}),
        ("include:acme @nothing", {}),
        ("include:nobody", {}),
    ],
)
def test_a_list_includes_others_by_their_attributes(text, patterns):
    found = read(ListFormat.V2FLY, text, OTHERS)
    assert Counter(found.patterns.values()) == patterns
    assert included(text) == [text.split()[0].removeprefix("include:")]


def test_many_ways_to_a_list_are_one():
    others = {f"l{n}": f"include:l{n + 1}\n" * 9 for n in range(15)} | {"l15": "full:end.example"}
    assert read(ListFormat.V2FLY, "include:l0", others).patterns == {"end.example": "l15"}


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", ".hidden", ""])
def test_no_include_leads_out_of_the_folder(name):
    assert included(f"include:{name}") == []


@pytest.mark.parametrize("name", ["com", "10.0.0.1", "*.example", "a b.example", "", "exa mple.test"])
def test_what_is_no_host_is_never_taken(name):
    assert list(read(ListFormat.V2FLY, f"full:{name}").patterns) in ([], ["a"])


@given(st.sampled_from(ListFormat), st.text(max_size=80))
def test_any_text_is_read_or_left_out_and_what_is_read_can_be_built(kind, text):
    patterns = read(kind, text).patterns
    assert len(build(map(an_entry, patterns))) == len(patterns)


def test_only_what_the_catalogue_does_not_cover_is_new():
    catalogue = build(map(an_entry, ["chat.example", "*.wide.example", "old.example"]))
    listed = ["chat.example", "*.chat.example", "*.eu.wide.example", "api.wide.example", "new.example"]
    changes = compare(listed, (), catalogue, "list 1")
    assert changes.new == ("*.chat.example", "new.example")
    assert changes.known == 3
    assert changes.gone == ("*.wide.example", "old.example")
    assert compare(listed, (), catalogue, "another list").gone == ()

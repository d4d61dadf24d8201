from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.answers import coaching_page
from policy.branding import LOGO_BYTES_MAX, Branding, InvalidBranding, checked

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
ACME = Branding("Acme", "#004488", PNG, "it@acme.example", "Copilot at https://copilot.example", 4)


def test_what_is_sound_stays_as_it_is():
    assert checked(ACME) == ACME
    assert checked(replace(ACME, colour="#AABBCC")).colour == "#aabbcc"


@pytest.mark.parametrize(
    "changed",
    [
        {"colour": "red"},
        {"colour": "#000;background:url(x)"},
        {"logo": b"<svg onload=alert(1)>"},
        {"logo": PNG + bytes(LOGO_BYTES_MAX)},
        {"name": "x" * 81},
        {"contact": "two\nlines"},
        {"hours": 0},
        {"hours": 169},
    ],
)
def test_what_cannot_stand_on_the_page_is_refused(changed):
    with pytest.raises(InvalidBranding):
        checked(replace(ACME, **changed))


def test_the_page_carries_all_of_it_and_loads_nothing():
    page = coaching_page("chat.example", branding=ACME, ticket="t", request_id="r").body.decode()
    for text in ("Acme", "#004488", "it@acme.example", "Copilot at <a href", "4 hours"):
        assert text in page
    assert 'src="data:image/png;base64,' in page
    assert "<script" not in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "Copilot (https://copilot.example/a?b=1&c).",
            'Copilot (<a href="https://copilot.example/a?b=1&amp;c">https://copilot.example/a?b=1&amp;c</a>).',
        ),
        ("it@acme.example, or 4711", '<a href="mailto:it@acme.example">it@acme.example</a>, or 4711'),
        ('https://x"><script>', '<a href="https://x">https://x</a>&quot;&gt;&lt;script&gt;'),
        ("javascript:alert(1) http://plain.example", "javascript:alert(1) http://plain.example"),
    ],
)
def test_addresses_are_links_and_nothing_else_is(text, shown):
    branding = replace(ACME, alternative=text)
    page = coaching_page("chat.example", branding=branding, ticket="t", request_id="r").body.decode()
    assert f"<strong>Use instead:</strong> {shown}</p>" in page


def test_markup_in_a_text_is_text():
    hostile = replace(ACME, name="<script>x</script>", alternative='"><img src=x>', contact="<b>")
    page = coaching_page("chat.example", branding=hostile, ticket="t", request_id="r").body.decode()
    assert "<script" not in page
    assert "<img src=x" not in page


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@given(st.integers(0, 0xFFFFFF))
def test_the_button_can_be_read_on_any_colour(number):
    branding = Branding(colour=f"#{number:06x}")
    low, high = sorted((luminance(branding.colour), luminance(branding.ink)))
    assert (high + 0.05) / (low + 0.05) >= 4.5

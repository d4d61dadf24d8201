"""What a tenant's people see on the coaching page: its name, colour and logo, and whom to ask instead.

The logo is a small bitmap that goes into the page itself: nothing is loaded from anywhere, and no image
format that may hold script is taken.
"""

import re
from base64 import b64encode
from dataclasses import dataclass

from policy.identifiers import TenantId

NAME_LENGTH_MAX = 80
TEXT_LENGTH_MAX = 300
LOGO_BYTES_MAX = 32 * 1024
HOURS_DEFAULT, HOURS_MAX = 8, 168
COLOUR_DEFAULT = "#0f766e"
_COLOUR = re.compile(r"#[0-9a-f]{6}")
# The first bytes of PNG, JPEG and WebP (RIFF, four bytes of length, WEBP).
_IMAGES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
)


class InvalidBranding(ValueError):
    """Something that cannot stand on the page; the text says what and why."""


@dataclass(frozen=True, slots=True)
class Branding:
    """``colour`` is ``#rrggbb``; ``logo`` may be empty. ``contact`` says whom to ask, ``alternative`` what to
    use instead, both in plain text; ``hours`` is how long a stated reason holds.
    """

    name: str = ""
    colour: str = COLOUR_DEFAULT
    logo: bytes = b""
    contact: str = ""
    alternative: str = ""
    hours: int = HOURS_DEFAULT

    @property
    def logo_url(self) -> str:
        """The logo as a ``data:`` URL; empty where there is none."""
        return f"data:{media_type(self.logo)};base64,{b64encode(self.logo).decode()}" if self.logo else ""

    @property
    def ink(self) -> str:
        """Black or white, whichever is easier to read on the colour (WCAG 2.2, relative luminance)."""
        parts = [int(self.colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        return "#000000" if luminance > 0.179 else "#ffffff"


@dataclass(frozen=True, slots=True)
class TenantBranding:
    """A tenant's page."""

    tenant_id: TenantId
    branding: Branding


def media_type(logo: bytes) -> str:
    """What kind of image it is, by its first bytes. Raises ``InvalidBranding`` for any other."""
    for form, kind in _IMAGES:
        if form.match(logo):
            return kind
    raise InvalidBranding("the logo is a PNG, JPEG or WebP image")


def checked(branding: Branding) -> Branding:
    """The same, held to the bounds; raises ``InvalidBranding``."""
    colour = branding.colour.lower()
    if not _COLOUR.fullmatch(colour):
        raise InvalidBranding("the colour is written #rrggbb")
    if len(branding.logo) > LOGO_BYTES_MAX:
        raise InvalidBranding(f"the logo has at most {LOGO_BYTES_MAX} bytes")
    if branding.logo:
        media_type(branding.logo)
    if not 1 <= branding.hours <= HOURS_MAX:
        raise InvalidBranding(f"a reason holds for 1 to {HOURS_MAX} hours")
    texts = (
        (branding.name, NAME_LENGTH_MAX),
        (branding.contact, TEXT_LENGTH_MAX),
        (branding.alternative, TEXT_LENGTH_MAX),
    )
    for text, longest in texts:
        if len(text) > longest or not text.isprintable():
            raise InvalidBranding(f"a text is one line of at most {longest} characters")
    return Branding(
        branding.name.strip(),
        colour,
        branding.logo,
        branding.contact.strip(),
        branding.alternative.strip(),
        branding.hours,
    )

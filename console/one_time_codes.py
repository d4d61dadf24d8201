"""One-time codes (TOTP, RFC 6238): which step a code belongs to, and the picture to enrol with.

That a step is accepted once only is the database's doing (compare-and-set in ``console.accounts``).
"""

from datetime import datetime, timedelta
from hmac import compare_digest

import pyotp
import segno

from console.errors import SignInFailed
from vault.secret import Secret

ISSUER = "APIConduit"
STEP_S = 30
# RFC 6238 §5.2 recommends at most one step of delay; one ahead allows for a clock that runs fast.
STEPS_AROUND = (0, -1, 1)


def new_secret() -> Secret:
    """A fresh base32 secret of 160 bits, as RFC 4226 §4 recommends."""
    return Secret(pyotp.random_base32())


def accepted_step(secret: Secret, code: str, *, now: datetime) -> int:
    """The number of the time step that ``code`` stands for, the current one or a neighbour.

    Raises ``SignInFailed`` when it stands for none. Every step is compared, so that time tells nothing.
    """
    claimed = "".join(code.split()).encode()
    current = int(now.timestamp()) // STEP_S
    found: int | None = None
    with secret.revealed() as text:
        totp = pyotp.TOTP(text, interval=STEP_S)
        expected = [totp.at(now + timedelta(seconds=offset * STEP_S)) for offset in STEPS_AROUND]
    for offset, one in zip(STEPS_AROUND, expected, strict=True):
        if compare_digest(one.encode(), claimed) and found is None:
            found = current + offset
    if found is None:
        raise SignInFailed
    return found


def enrolment_picture(secret: str, account: str) -> str:
    """The QR code of the ``otpauth://`` address as an inline SVG without style or script."""
    address = pyotp.TOTP(secret, interval=STEP_S).provisioning_uri(name=account, issuer_name=ISSUER)
    picture: str = segno.make(address, error="m").svg_inline(
        border=4, omitsize=True, dark="#111827", light="#ffffff", title="QR code for your authenticator app"
    )
    return picture

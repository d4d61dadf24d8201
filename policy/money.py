"""Money as integers: one micro-dollar is a millionth of a US dollar.

Prices arrive as ``Decimal`` and leave as ``MicroDollars``; a float never carries money.
"""

from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import NewType

MicroDollars = NewType("MicroDollars", int)

MICRO_DOLLARS_PER_DOLLAR = 1_000_000
MICRO_DOLLAR = Decimal("0.000001")
BASIS_POINT = Decimal("0.01")

# A Lua number is a double: integers are exact up to 2**53. The limiter's script relies on this bound.
MICRO_DOLLARS_MAX = 2**53 - 1


class InvalidAmount(ValueError):
    """A text that is not an amount of dollars which the ledger can hold."""


def from_dollars(dollars: Decimal) -> MicroDollars:
    """Round a dollar amount up to whole micro-dollars; a fraction is never given away.

    Raises ``InvalidAmount`` when it is negative, not finite, or beyond ``MICRO_DOLLARS_MAX``.
    """
    if not dollars.is_finite() or dollars < 0:
        raise InvalidAmount(f"{dollars} is not an amount of money")
    micro = int((dollars * MICRO_DOLLARS_PER_DOLLAR).to_integral_value(rounding=ROUND_CEILING))
    if micro > MICRO_DOLLARS_MAX:
        raise InvalidAmount(f"{dollars} dollars is more than the ledger can hold")
    return MicroDollars(micro)


def parse_dollars(text: str) -> MicroDollars:
    """Read an operator's ``"12.50"``; raises ``InvalidAmount`` for anything that is not a plain amount."""
    try:
        return from_dollars(Decimal(text.strip()))
    except InvalidOperation as error:
        raise InvalidAmount(f"{text!r} is not an amount in dollars, such as 12.50") from error


def parse_exact(text: str, unit: Decimal) -> int:
    """Read an amount that is a whole number of ``unit``; raises ``InvalidAmount`` where some would be lost.

    With ``MICRO_DOLLAR`` the amount is dollars in micro-dollars, with ``BASIS_POINT`` a percentage in its
    hundredths. Negative amounts, infinities and what is no number are refused too.
    """
    try:
        amount = Decimal(text.strip())
        units = amount / unit if amount.is_finite() and 0 <= amount <= MICRO_DOLLARS_MAX else None
    except InvalidOperation:
        units = None
    if units is None or units != units.to_integral_value():
        raise InvalidAmount(f"{text!r} is not a number from 0 on, or has more decimal places than {unit}")
    return int(units)


def to_dollars(amount: MicroDollars) -> Decimal:
    """The exact dollar amount, for display."""
    return Decimal(amount) / MICRO_DOLLARS_PER_DOLLAR

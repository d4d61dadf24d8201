"""What a limit allows, in words for whoever runs into it."""

from policy.limits import Limit, LimitKind, Window
from policy.money import MicroDollars, to_dollars

_WORDS = {
    LimitKind.REQUESTS_PER_MINUTE: "requests a minute",
    LimitKind.TOKENS_PER_MINUTE: "tokens a minute",
    LimitKind.CONCURRENT: "calls at once",
    LimitKind.TOKENS: "tokens",
    LimitKind.INPUT_TOKENS_PER_CALL: "input tokens",
    LimitKind.OUTPUT_TOKENS_PER_CALL: "output tokens",
}


def described(limit: Limit) -> str:
    """Such as ``a budget of 12.50 dollars a week for gpt-4*`` or ``500 tokens a minute``."""
    allowed = _amount(limit)
    if limit.window is Window.ROLLING:
        allowed += f" in {limit.hours} hours"
    elif limit.window is not None:
        allowed += f" a {limit.window}"
    return allowed if limit.model is None else f"{allowed} for {limit.model}"


def _amount(limit: Limit) -> str:
    if limit.kind not in (LimitKind.BUDGET_MICRO_DOLLARS, LimitKind.MICRO_DOLLARS_PER_CALL):
        return f"{limit.amount} {_WORDS[limit.kind]}"
    dollars = to_dollars(MicroDollars(limit.amount))
    cents = f"{dollars:.2f}" if dollars == round(dollars, 2) else f"{dollars.normalize():f}"
    return f"a budget of {cents} dollars" if limit.window else f"{cents} dollars"

"""Settings that only the generation of text has, by name, type and range, under every spelling.

Sensors have a `temperature`, forms a `stop`, lotteries a `seed`: one setting is a coincidence, two are a
request to a model.
"""

from collections.abc import Callable

type Check = Callable[[object], bool]

# No model takes more tokens, and fewer than one none.
TOKENS_MAX = 2_000_000


def _number(value: object) -> float | None:
    """A number, also as text: protobuf's JSON writes 64-bit integers so."""
    if isinstance(value, str) and 0 < len(value) <= 12 and value.isdecimal():
        return int(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _between(low: float, high: float) -> Check:
    def check(value: object) -> bool:
        number = _number(value)
        return number is not None and low <= number <= high

    return check


def _count(value: object) -> bool:
    number = _number(value)
    return number is not None and -1 <= number <= TOKENS_MAX and number == int(number)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value[:8])


def _flag(value: object) -> bool:
    return isinstance(value, bool)


# By plain name (``policy.field_names``): whether a value is one that the setting may have.
CHECKS: dict[str, Check] = {
    **dict.fromkeys(
        (
            *("maxtokens", "maxnewtokens", "maxoutputtokens", "maxcompletiontokens", "maxtokenstosample"),
            *("maxgenlen", "maxgeneratedtokens", "numpredict", "npredict", "numctx", "contextlength", "nctx"),
            *("contextwindow", "maxcontexttokens", "maxcontextlength", "maxtokencount", "minnewtokens"),
            *(
                "numbeams",
                "bestof",
                "topk",
                "seqlen",
                "maxnewtoken",
                "maxseqlen",
                "maxinputtokens",
                "maxtok",
                "maximumtokens",
                "tokenlimit",
                "outputtokens",
            ),
            *("maxresponsetokens", "thinkingbudget", "numkeep", "repeatlastn", "slotid", "mirostat"),
        ),
        _count,
    ),
    **dict.fromkeys(("temperature", "temp", "samplingtemperature"), _between(0, 2)),
    **dict.fromkeys(("topp", "minp", "typicalp", "topa", "tfsz", "nucleus"), _between(0, 1)),
    **dict.fromkeys(
        (
            *("frequencypenalty", "presencepenalty", "repetitionpenalty", "repeatpenalty", "lengthpenalty"),
            *("reppen", "penaltyscore", "norepeatngramsize"),
        ),
        _between(-2, 8),
    ),
    **dict.fromkeys(("stop", "stopsequences", "stopsequence", "stopwords", "stoptokens", "badwords"), _texts),
    **dict.fromkeys(
        (
            *(
                "dosample",
                "returnfulltext",
                "cacheprompt",
                "enablethinking",
                "incrementaloutput",
                "ignoreeos",
            ),
            *("skipspecialtokens", "addbostoken", "baneostoken", "echoprompt"),
        ),
        _flag,
    ),
}

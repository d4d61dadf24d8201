"""How much an AI endpoint puts at risk for one tenant: a score with its parts, each said in words.

A score orders the work of whoever reviews endpoints; nothing is refused because of it. The parts and their
points stand in docs/discovery.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from policy.catalogue import Entry, Training
from policy.exchange import EndpointState

RISK_MAX = 100

_TRAINING = {
    Training.NO: 0,
    Training.OPT_IN: 0,
    Training.BY_PLAN: 10,
    Training.UNKNOWN: 10,
    Training.OPT_OUT: 20,
    Training.YES: 25,
}

# The EEA, and countries with an adequacy decision of the European Commission for private bodies. The one for
# the US covers certified companies alone, so it has a level of its own.
ADEQUATE = frozenset(
    {
        *("AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LV"),
        *("LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE", "IS", "LI", "NO"),
        *("AD", "AR", "BR", "CA", "CH", "FO", "GB", "GG", "IL", "IM", "JE", "JP", "KR", "NZ", "UY"),
    }
)

# Bytes sent to an endpoint that nobody sanctioned, and their points; the highest reached counts.
_VOLUME = ((10_000, 3), (1_000_000, 8), (100_000_000, 15))
_HITS = ((1, 10), (10, 15), (100, 20))


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an endpoint in one tenant. ``entry`` is ``None`` outside the catalogue.

    ``class_hits`` are requests in which a class of sensitive data was found; ``private_uses`` are requests
    with a key or an account that is not the tenant's; ``bytes_up`` are bytes of questions.
    """

    entry: Entry | None
    state: EndpointState
    bytes_up: int
    class_hits: int
    private_uses: int


@dataclass(frozen=True, slots=True)
class Part:
    """What adds to the score, and why."""

    name: str
    points: int
    reason: str


@dataclass(frozen=True, slots=True)
class Risk:
    """``score`` is the sum of the parts, 0 to 100. Parts without points are left out."""

    score: int
    parts: tuple[Part, ...]


def risk(facts: Facts) -> Risk:
    """The score of an endpoint, the heaviest part first."""
    parts = [
        _training(facts.entry),
        _country(facts.entry),
        _known(facts.entry),
        *_use(facts),
    ]
    counted = sorted((part for part in parts if part.points), key=lambda part: (-part.points, part.name))
    return Risk(min(sum(part.points for part in counted), RISK_MAX), tuple(counted))


def _training(entry: Entry | None) -> Part:
    training = entry.training if entry else Training.UNKNOWN
    words = {
        Training.YES: "the operator trains on what is sent",
        Training.OPT_OUT: "the operator trains on what is sent until the customer objects",
        Training.BY_PLAN: "some plans let the operator train on what is sent",
        Training.UNKNOWN: "whether the operator trains on what is sent is not known",
    }
    return Part("training", _TRAINING[training], words.get(training, ""))


def _country(entry: Entry | None) -> Part:
    country = entry.country if entry else "unknown"
    if country in ADEQUATE:
        return Part("country", 0, "")
    if country == "US":
        return Part("country", 3, "operated from the US: adequate for certified companies alone")
    if country == "unknown":
        return Part("country", 10, "the operator's country is not known")
    return Part("country", 15, f"operated from {country}, without an adequacy decision")


def _known(entry: Entry | None) -> Part:
    return Part("unlisted", 0 if entry else 10, "in no catalogue; found by its traffic")


def _use(facts: Facts) -> Iterable[Part]:
    hits, private = facts.class_hits, facts.private_uses
    yield Part("data classes", _reached(_HITS, hits), f"sensitive data in {hits} requests")
    yield Part("private use", 15 if private else 0, f"{private} requests with a private key or account")
    if facts.state is not EndpointState.SANCTIONED:
        points = _reached(_VOLUME, facts.bytes_up)
        yield Part("volume", points, f"{facts.bytes_up} bytes sent without being sanctioned")


def _reached(steps: tuple[tuple[int, int], ...], amount: int) -> int:
    return max((points for least, points in steps if amount >= least), default=0)

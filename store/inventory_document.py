"""The inventory as programs read it, the same by command line and API: one flat document an endpoint."""

from policy.catalogue import Entry, Origin
from policy.catalogue_facts import NONE_FOUND, FactName
from store.inventory import Detail, Item, Review, Use


def document(item: Item) -> dict[str, object]:
    """An endpoint as a program reads it: bytes, micro-dollars, moments in ISO 8601."""
    entry, review, decision = item.entry, item.review, item.decision
    return {
        "host": item.host,
        "tenant": item.tenant,
        "provider": item.provider,
        "product": entry.product if entry else None,
        "category": entry.kind if entry else None,
        "verdict": item.verdict,
        "score": item.score,
        "evidence": list(item.evidence),
        "state": item.state.value,
        "stage": item.stage.value,
        "decision": {
            "source": decision.source,
            "by": decision.by,
            "at": decision.at.isoformat() if decision.at else None,
            "note": decision.note,
        },
        "owner": review.owner if review else None,
        "review": review_document(review) if review else None,
        **{name: getattr(item, name) for name in _COUNTS},
        "cost_micro_dollars": item.cost,
        "data_classes": dict(item.data_classes),
        "private_use": dict(item.private_use),
        "risk": item.risk.score,
        "risk_parts": [
            {"name": part.name, "points": part.points, "reason": part.reason} for part in item.risk.parts
        ],
        "first_seen": item.first_seen.isoformat(),
        "last_seen": item.last_seen.isoformat(),
    }


_COUNTS = ("calls", "refused", "users", "networks", "bytes_up", "bytes_down")


def whole(found: Detail) -> dict[str, object]:
    """The same, with who used it and from where, and what the catalogue says."""
    entry = found.item.entry
    uses = {"used_by": _uses(found.users), "used_from": _uses(found.networks)}
    return {**document(found.item), **uses, "catalogue": _catalogued(entry) if entry else None}


def entry_document(entry: Entry) -> dict[str, object]:
    """An entry of the catalogue as programs read it."""
    return {
        "host": entry.host,
        "provider": entry.provider,
        "product": entry.product,
        "kind": entry.kind,
        "shape": entry.shape,
        "mixed": entry.mixed,
        "note": entry.note,
        **{name: value for name, value in _catalogued(entry).items() if name != "pattern"},
    }


def _catalogued(entry: Entry) -> dict[str, object]:
    """``source`` and ``date`` are of the host, its provider, shape and region; other facts have their own."""
    values = {
        FactName.COUNTRY: entry.country,
        FactName.REGIONS: " ".join(entry.regions),
        FactName.TRAINS: entry.training.value,
        FactName.EVASIONS: " ".join(entry.evasions),
    }
    return {
        "pattern": entry.host,
        "region": entry.region,
        "source": entry.source,
        "date": entry.date,
        **{name.value: _stated(value, entry.origin(name)) for name, value in values.items()},
    }


def _stated(value: str, origin: Origin | None) -> dict[str, str | None]:
    if origin is None:
        return {"value": "unknown", "source": None, "date": None}
    return {"value": value or NONE_FOUND, "source": origin.source, "date": origin.date}


def _uses(uses: tuple[Use, ...]) -> list[dict[str, object]]:
    return [
        {
            "name": use.name,
            "calls": use.calls,
            "first_seen": use.first_seen.isoformat(),
            "last_seen": use.last_seen.isoformat(),
        }
        for use in uses
    ]


def review_document(review: Review) -> dict[str, object]:
    """Who looks after an endpoint, and what was found."""
    return {
        "owner": review.owner,
        "note": review.note,
        "reviewed_by": review.reviewed_by,
        "started_at": review.started_at.isoformat(),
        "updated_at": review.updated_at.isoformat(),
    }

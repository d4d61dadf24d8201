"""Events of the platform's chain about the record itself: torn writes, lost room, a rewritten past."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7

# So that one thing that is met twice, as after a crash of the shipper, is one event.
NAMESPACE = UUID("5b0c3f5e-6f0c-5f0e-9d5b-0d6f4c7b7a11")


def incident(action: str, *, once: str | None = None, **detail: int | str) -> dict[str, Any]:
    """One event. ``once`` names the thing that it is about: the same name gives the same id."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "schema": 1,
        "id": str(uuid7() if once is None else uuid5(NAMESPACE, f"{action} {once}")),
        "at": moment,
        "kind": "incident",
        "action": action,
        "detail": detail,
    }

"""What the steps need of the policy snapshot's source."""

from typing import Protocol

from policy.refusals import Reason, Refusal
from policy.snapshot import PolicySnapshot


class Snapshots(Protocol):
    """Gives the policy in force. ``age_s`` is how long ago, in seconds, it was last known to be current."""

    @property
    def current(self) -> PolicySnapshot:
        """The snapshot in force; replaced whole, never changed."""

    @property
    def age_s(self) -> float:
        """Seconds since the database last confirmed the snapshot."""


def stale(snapshots: Snapshots, age_max_s: float) -> Refusal | None:
    """The refusal of whatever would have to be judged by a policy older than ``age_max_s`` seconds."""
    if snapshots.age_s <= age_max_s:
        return None
    message = "The policy could not be refreshed for too long; try again later."
    return Refusal(Reason.DEGRADED, message, "snapshot-age", 5)

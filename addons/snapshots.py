"""What the steps need of the policy snapshot's source."""

from typing import Protocol

from policy.snapshot import PolicySnapshot


class Snapshots(Protocol):
    """Gives the policy in force. ``age_s`` is how long ago, in seconds, it was last known to be current."""

    @property
    def current(self) -> PolicySnapshot:
        """The snapshot in force; replaced whole, never changed."""

    @property
    def age_s(self) -> float:
        """Seconds since the database last confirmed the snapshot."""

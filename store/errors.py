"""What can go wrong in the store, as one small tree.

Messages name tables, roles and settings, never values: a value may be a secret or another tenant's.
"""


class StoreError(Exception):
    """Never raised itself; catch it where any failure of the store means the same.

    ``constraint`` is the database's constraint that was broken, where it was one that refused.
    """

    constraint: str | None = None


class StoreUnavailable(StoreError):
    """PostgreSQL is away, too slow, or out of connections. Time may mend it; the caller stays closed."""


class MigrationRefused(StoreError):
    """The given database or its user cannot carry the schema; the message says what to grant or change."""


class UnsafeRole(StoreError):
    """The serving role could bypass row-level security, so nothing may be served with it."""


class UnknownPooler(StoreError):
    """Between us and PostgreSQL stands a transaction pooler that the settings do not name."""


class NoTenant(StoreError):
    """A session was asked for without saying for which tenant; a fault of ours."""


class TenancyViolation(StoreError):
    """The database refused a statement: no valid claim, another tenant's row, or a right not given."""


class AlreadyExists(StoreError):
    """A row of that name or identity exists already, within the tenant."""


class NotFound(StoreError):
    """The tenant has no such row. Another tenant's row answers the same."""


class InvalidRecord(StoreError):
    """A value is outside what the schema allows."""


class MissingReference(StoreError):
    """The row refers to something that this tenant does not have, or is still referred to."""


class PolicyUnavailable(StoreError):
    """No policy has been loaded yet, or the last one is older than the age allowed."""


class OneTimeUseSpent(StoreError):
    """An invitation or a one-time code was used before, has expired, or never existed: one answer for all."""


class EraseRefused(StoreError):
    """A tenant is not in the state in which its rows may be erased."""


class RecordHeld(StoreError):
    """The tenant's record is under a hold: nothing of it is deleted until somebody releases it."""


class NotApproved(StoreError):
    """No second person has approved this, or not lately, or somebody else asked for it."""


class MissingPackage(StoreError):
    """What was configured needs a package that is not installed; the message names the extra."""


class BackupFailed(StoreError):
    """PostgreSQL's tool failed, or the archive would not be whole, or the target is not empty."""

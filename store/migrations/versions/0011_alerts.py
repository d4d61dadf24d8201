"""Alerts: how far the record has been read for each destination, and what is still to be told to it."""

from alembic import op

from store.migrations.erased_tables import ERASED, erase_function
from store.migrations.row_security import forced, platform_policy, tenant_policy

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# One row for each incident that is being told, or counted, to one destination; gone when there is nothing
# more to say. `due_at` is when to try next: after a failure later and later; after the incident has been
# told (`told_at`), the end of the time in which repetitions are only counted. `rounds` numbers the messages.
# The body is kept too: retention may take the event before a receiver that is away has come back.
TABLES = """
CREATE TABLE conduit.alert (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    id uuid NOT NULL,
    destination text NOT NULL CHECK (length(destination) BETWEEN 1 AND 60),
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    severity integer NOT NULL,
    body text NOT NULL,
    repeats bigint NOT NULL DEFAULT 0 CHECK (repeats >= 0),
    last_at timestamptz NOT NULL,
    rounds integer NOT NULL DEFAULT 0 CHECK (rounds >= 0),
    told_at timestamptz,
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    due_at timestamptz NOT NULL,
    problem text CHECK (length(problem) <= 300),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, destination, fingerprint)
);
CREATE INDEX alert_due ON conduit.alert (destination, due_at);
CREATE TABLE conduit.alert_position (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    destination text NOT NULL CHECK (length(destination) BETWEEN 1 AND 60),
    sequence bigint NOT NULL CHECK (sequence >= 0),
    PRIMARY KEY (tenant_id, destination)
);
CREATE INDEX event_incident ON conduit.event (tenant_id, sequence) WHERE kind = 'incident'
"""


def upgrade() -> None:
    """Create the tables; only sessions of the platform write them, a tenant may read what concerns it."""
    op.execute(TABLES)
    for table in ("alert", "alert_position"):
        for statement in forced(table):
            op.execute(statement)
        op.execute(tenant_policy(table))
        for command in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            op.execute(platform_policy(table, command, "administration"))
            op.execute(f"GRANT {command} ON conduit.{table} TO conduit_platform")
        op.execute(f"GRANT SELECT ON conduit.{table} TO conduit_console, conduit_auditor")
        op.execute(
            f"CREATE POLICY whole ON conduit.{table} FOR SELECT TO conduit_owner"
            " USING ((SELECT conduit.purpose()) IN ('deletion', 'backup'))"
        )
        op.execute(
            f"CREATE POLICY erasure_delete ON conduit.{table} FOR DELETE TO conduit_owner"
            " USING ((SELECT conduit.purpose()) = 'deletion')"
        )
    op.execute(erase_function(ERASED))

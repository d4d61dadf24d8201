"""The inventory of AI endpoints: who uses each, from where, with what; who reviews it and who decided."""

from alembic import op

from store.migrations.erased_tables import ERASED, erase_function
from store.migrations.row_security import forced, platform_policy, tenant_policy

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# `refused` are among `calls`. `kind` and `subject` of a use: a user's id, a source network, a class of data,
# or what was private about it (a key, or an account that is not the tenant's).
TABLES = """
ALTER TABLE conduit.endpoint_seen
    ADD COLUMN refused bigint NOT NULL DEFAULT 0 CHECK (refused >= 0),
    ADD COLUMN cost_micro_dollars bigint NOT NULL DEFAULT 0 CHECK (cost_micro_dollars >= 0);
ALTER TABLE conduit.endpoint_rule
    ADD COLUMN decided_by text NOT NULL DEFAULT '' CHECK (length(decided_by) <= 200);
CREATE TABLE conduit.endpoint_use (
    tenant_id uuid NOT NULL,
    host text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('user', 'network', 'data_class', 'private')),
    subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 200),
    calls bigint NOT NULL CHECK (calls > 0),
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, host, kind, subject),
    FOREIGN KEY (tenant_id, host) REFERENCES conduit.endpoint_seen (tenant_id, host)
);
CREATE TABLE conduit.endpoint_review (
    tenant_id uuid NOT NULL,
    host text NOT NULL,
    owner text NOT NULL DEFAULT '' CHECK (length(owner) <= 200),
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 2000),
    reviewed_by text NOT NULL CHECK (length(reviewed_by) BETWEEN 1 AND 200),
    started_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, host),
    FOREIGN KEY (tenant_id, host) REFERENCES conduit.endpoint_seen (tenant_id, host)
);
"""


def upgrade() -> None:
    """Create the tables under row-level security, erasable; the policy knows nothing of them."""
    op.execute(TABLES)
    for table in ("endpoint_use", "endpoint_review"):
        for statement in forced(table):
            op.execute(statement)
        op.execute(tenant_policy(table))
        op.execute(
            f"CREATE POLICY whole ON conduit.{table} FOR SELECT TO conduit_owner"
            " USING ((SELECT conduit.purpose()) IN ('deletion', 'backup'))"
        )
        op.execute(
            f"CREATE POLICY erasure_delete ON conduit.{table} FOR DELETE TO conduit_owner"
            " USING ((SELECT conduit.purpose()) = 'deletion')"
        )
        op.execute(f"GRANT SELECT ON conduit.{table} TO conduit_platform, conduit_auditor, conduit_console")
    for command in ("SELECT", "INSERT", "UPDATE"):
        purposes = "shipping reporting" if command == "SELECT" else "shipping"
        op.execute(platform_policy("endpoint_use", command, purposes))
    op.execute(platform_policy("endpoint_review", "SELECT", "reporting"))
    op.execute("GRANT INSERT, UPDATE ON conduit.endpoint_use TO conduit_platform")
    op.execute("GRANT SELECT, INSERT, UPDATE ON conduit.endpoint_use TO conduit_gateway")
    op.execute("GRANT INSERT, UPDATE, DELETE ON conduit.endpoint_review TO conduit_console")
    op.execute(erase_function(ERASED))

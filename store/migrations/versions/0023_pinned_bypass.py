"""Hosts to which a tenant's clients that pin a certificate pass unread (``policy.pinning``)."""

from alembic import op

from store.migrations.erased_tables import ERASED, erase_function
from store.migrations.row_security import forced, platform_policy, tenant_policy

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE conduit.pinned_bypass (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    host text NOT NULL CHECK (length(host) BETWEEN 1 AND 253),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    approved_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, host)
)
"""


def upgrade() -> None:
    """Create the table: announced, under row-level security, erasable."""
    op.execute(TABLE)
    op.execute(
        "CREATE CONSTRAINT TRIGGER announce_policy AFTER INSERT OR UPDATE OR DELETE ON conduit.pinned_bypass"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION conduit.bump_policy()"
    )
    for statement in forced("pinned_bypass"):
        op.execute(statement)
    op.execute(tenant_policy("pinned_bypass"))
    op.execute(platform_policy("pinned_bypass", "SELECT", "snapshot reporting"))
    op.execute("GRANT SELECT ON conduit.pinned_bypass TO conduit_platform, conduit_auditor")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON conduit.pinned_bypass TO conduit_console")
    op.execute(
        "CREATE POLICY whole ON conduit.pinned_bypass FOR SELECT TO conduit_owner"
        " USING ((SELECT conduit.purpose()) IN ('deletion', 'backup'))"
    )
    op.execute(
        "CREATE POLICY erasure_delete ON conduit.pinned_bypass FOR DELETE TO conduit_owner"
        " USING ((SELECT conduit.purpose()) = 'deletion')"
    )
    op.execute(erase_function(ERASED))

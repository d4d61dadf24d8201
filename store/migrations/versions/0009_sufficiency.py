"""Which sources of identity a tenant takes for enough, by host (``policy.sufficiency``)."""

from alembic import op

from store.migrations.erased_tables import ERASED, erase_function
from store.migrations.row_security import forced, platform_policy, tenant_policy

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SOURCES = "'placeholder', 'token', 'proxy_credentials', 'certificate', 'session', 'network'"

TABLE = f"""
CREATE TABLE conduit.sufficiency_rule (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    host text NOT NULL CHECK (length(host) BETWEEN 1 AND 255),
    sources text[] NOT NULL CHECK (cardinality(sources) BETWEEN 1 AND 6 AND sources <@ ARRAY[{SOURCES}]),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, host)
)
"""


def upgrade() -> None:
    """Create the table as 0008 does its own: announced, under row-level security, erasable."""
    op.execute(TABLE)
    op.execute(
        "CREATE CONSTRAINT TRIGGER announce_policy AFTER INSERT OR UPDATE OR DELETE"
        " ON conduit.sufficiency_rule"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION conduit.bump_policy()"
    )
    for statement in forced("sufficiency_rule"):
        op.execute(statement)
    op.execute(tenant_policy("sufficiency_rule"))
    op.execute(platform_policy("sufficiency_rule", "SELECT", "snapshot reporting"))
    op.execute("GRANT SELECT ON conduit.sufficiency_rule TO conduit_platform, conduit_auditor")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON conduit.sufficiency_rule TO conduit_console")
    op.execute(
        "CREATE POLICY whole ON conduit.sufficiency_rule FOR SELECT TO conduit_owner"
        " USING ((SELECT conduit.purpose()) IN ('deletion', 'backup'))"
    )
    op.execute(
        "CREATE POLICY erasure_delete ON conduit.sufficiency_rule FOR DELETE TO conduit_owner"
        " USING ((SELECT conduit.purpose()) = 'deletion')"
    )
    op.execute(erase_function(ERASED))

"""Which accounts of a product are a tenant's own (``policy.accounts``)."""

from alembic import op

from store.migrations.erased_tables import ERASED, erase_function
from store.migrations.row_security import forced, platform_policy, tenant_policy

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE conduit.account_list (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    product text NOT NULL CHECK (product ~ '^[a-z0-9-]{1,60}$'),
    accounts text[] NOT NULL CHECK (cardinality(accounts) BETWEEN 1 AND 100),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, product)
)
"""


def upgrade() -> None:
    """Create the table as 0002 to 0006 do theirs: announced, under row-level security, erasable."""
    op.execute(TABLE)
    op.execute(
        "CREATE CONSTRAINT TRIGGER announce_policy AFTER INSERT OR UPDATE OR DELETE ON conduit.account_list"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION conduit.bump_policy()"
    )
    for statement in forced("account_list"):
        op.execute(statement)
    op.execute(tenant_policy("account_list"))
    op.execute(platform_policy("account_list", "SELECT", "snapshot reporting"))
    op.execute("GRANT SELECT ON conduit.account_list TO conduit_platform, conduit_auditor")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON conduit.account_list TO conduit_console")
    op.execute(
        "CREATE POLICY whole ON conduit.account_list FOR SELECT TO conduit_owner"
        " USING ((SELECT conduit.purpose()) IN ('deletion', 'backup'))"
    )
    op.execute(
        "CREATE POLICY erasure_delete ON conduit.account_list FOR DELETE TO conduit_owner"
        " USING ((SELECT conduit.purpose()) = 'deletion')"
    )
    op.execute(erase_function(ERASED))

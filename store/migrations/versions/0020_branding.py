"""How a tenant's coaching page looks (``policy.branding``)."""

from alembic import op

from store.migrations.erased_tables import ERASED, erase_function
from store.migrations.row_security import forced, platform_policy, tenant_policy

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE conduit.branding (
    tenant_id uuid PRIMARY KEY REFERENCES conduit.tenant,
    name text NOT NULL CHECK (length(name) <= 80),
    colour text NOT NULL CHECK (colour ~ '^#[0-9a-f]{6}$'),
    logo bytea NOT NULL CHECK (length(logo) <= 32768),
    contact text NOT NULL CHECK (length(contact) <= 300),
    alternative text NOT NULL CHECK (length(alternative) <= 300),
    hours integer NOT NULL CHECK (hours BETWEEN 1 AND 168),
    updated_at timestamptz NOT NULL DEFAULT now()
)
"""


def upgrade() -> None:
    """Create the table: announced, under row-level security, erasable."""
    op.execute(TABLE)
    op.execute(
        "CREATE CONSTRAINT TRIGGER announce_policy AFTER INSERT OR UPDATE OR DELETE ON conduit.branding"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION conduit.bump_policy()"
    )
    for statement in forced("branding"):
        op.execute(statement)
    op.execute(tenant_policy("branding"))
    op.execute(platform_policy("branding", "SELECT", "snapshot reporting"))
    op.execute("GRANT SELECT ON conduit.branding TO conduit_platform, conduit_auditor")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON conduit.branding TO conduit_console")
    op.execute(
        "CREATE POLICY whole ON conduit.branding FOR SELECT TO conduit_owner"
        " USING ((SELECT conduit.purpose()) IN ('deletion', 'backup'))"
    )
    op.execute(
        "CREATE POLICY erasure_delete ON conduit.branding FOR DELETE TO conduit_owner"
        " USING ((SELECT conduit.purpose()) = 'deletion')"
    )
    op.execute(erase_function(ERASED))

"""A tenant's life has one direction: active, deleting, deleted. The database holds everybody to it.

With its data key destroyed, a tenant that came back would have credentials that nothing opens and a record
that ends in a proof of its deletion. The owner is held to it as well, while this trigger stands.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KEEP = """
CREATE FUNCTION conduit.keep_tenant_life() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.state <> NEW.state AND NOT (
        OLD.state = 'active' AND NEW.state = 'deleting' AND OLD.region <> 'platform'
        OR OLD.state = 'deleting' AND NEW.state = 'deleted'
    ) OR OLD.state <> 'active' AND NEW.enabled THEN
        RAISE EXCEPTION 'a tenant cannot go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'tenant_life';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION conduit.keep_tenant_life FROM PUBLIC;
CREATE TRIGGER keep_tenant_life BEFORE UPDATE ON conduit.tenant
    FOR EACH ROW EXECUTE FUNCTION conduit.keep_tenant_life()
"""


def upgrade() -> None:
    """Create the trigger."""
    op.execute(KEEP)

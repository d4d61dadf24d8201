"""An approval is asked for, decided once by another, and not rewritten: what was approved stays."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

GUARD = """
CREATE FUNCTION conduit.keep_approval() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.state = 'requested' THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.state = 'requested' AND NEW.decided_at = now() AND OLD.expires_at > now()
            AND (NEW.tenant_id, NEW.id, NEW.action, NEW.subject, NEW.requested_by, NEW.requested_at,
                NEW.expires_at) IS NOT DISTINCT FROM (OLD.tenant_id, OLD.id, OLD.action, OLD.subject,
                OLD.requested_by, OLD.requested_at, OLD.expires_at) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'an approval is decided once, and not rewritten' USING ERRCODE = 'insufficient_privilege';
END $$;
REVOKE ALL ON FUNCTION conduit.keep_approval FROM PUBLIC;
CREATE TRIGGER keep_approval BEFORE INSERT OR UPDATE ON conduit.approval
    FOR EACH ROW EXECUTE FUNCTION conduit.keep_approval();
"""


def upgrade() -> None:
    """Guard the table."""
    op.execute(GUARD)

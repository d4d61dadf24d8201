"""Kept content: whether a tenant keeps what is said, and the sealed records of it.

No role may read a sealed record by a plain SELECT: a function hands out the one that an approval of two
different people names, to the one who asked, for an hour. Deleting is a function too, by the tenant's period.
"""

from alembic import op

from store.migrations.erased_tables import ERASED, erase_function
from store.migrations.row_security import forced, platform_policy, tenant_policy

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# 65536 is policy.content.BYTES_MAX; a record holds two directions and their facts.
TABLES = """
CREATE TABLE conduit.content_policy (
    tenant_id uuid PRIMARY KEY REFERENCES conduit.tenant,
    keep boolean NOT NULL,
    bytes_max integer NOT NULL CHECK (bytes_max BETWEEN 1 AND 65536),
    content_key bytea NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE conduit.kept_content (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    event_id uuid NOT NULL,
    at timestamptz NOT NULL,
    sealed bytea NOT NULL CHECK (octet_length(sealed) BETWEEN 1 AND 262144),
    bytes integer NOT NULL GENERATED ALWAYS AS (octet_length(sealed)) STORED,
    PRIMARY KEY (tenant_id, event_id)
);
CREATE INDEX kept_content_at ON conduit.kept_content (tenant_id, at);
CREATE TRIGGER keep_hold BEFORE DELETE ON conduit.kept_content
    FOR EACH ROW EXECUTE FUNCTION conduit.keep_hold();
CREATE TRIGGER keep_key BEFORE DELETE ON conduit.content_policy
    FOR EACH ROW EXECUTE FUNCTION conduit.keep_hold();
CREATE TRIGGER keep_all BEFORE TRUNCATE OR UPDATE ON conduit.kept_content
    EXECUTE FUNCTION conduit.keep_all();
CREATE CONSTRAINT TRIGGER announce_policy AFTER INSERT OR UPDATE OR DELETE ON conduit.content_policy
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION conduit.bump_policy();
"""

FUNCTIONS = """
CREATE FUNCTION conduit.read_content(approval uuid, reader text)
RETURNS TABLE (event_id uuid, sealed bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant uuid := conduit.tenant();
    wanted uuid;
BEGIN
    SELECT split_part(a.subject, ' ', 1)::uuid INTO wanted FROM conduit.approval a
        WHERE a.tenant_id = tenant AND a.id = $1 AND a.action = 'content.open' AND a.state = 'approved'
        AND a.requested_by = $2 AND a.decided_by <> a.requested_by
        AND a.decided_at > now() - interval '1 hour';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no second person has approved this lately'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN QUERY SELECT k.event_id, k.sealed FROM conduit.kept_content k
        WHERE k.tenant_id = tenant AND k.event_id = wanted;
END $$;
CREATE FUNCTION conduit.delete_content(tenant uuid, batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    days integer;
    deleted bigint;
BEGIN
    IF conduit.purpose() IS DISTINCT FROM 'deletion' THEN
        RAISE EXCEPTION 'only for a deletion' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM conduit.refuse_while_held($1);
    SELECT least(content_days, event_days) INTO days FROM conduit.retention WHERE tenant_id = $1 FOR UPDATE;
    WITH gone AS (DELETE FROM conduit.kept_content k WHERE (k.tenant_id, k.event_id) IN (
        SELECT o.tenant_id, o.event_id FROM conduit.kept_content o
        WHERE o.tenant_id = $1 AND o.at <= now() - make_interval(days => days) LIMIT $2) RETURNING 1)
        SELECT count(*) INTO deleted FROM gone;
    RETURN deleted;
END $$;
"""

SHOWN = "tenant_id, event_id, at, bytes"


def upgrade() -> None:
    """Create the tables as 0002 to 0006 do theirs, and the two functions."""
    op.execute(TABLES)
    op.execute(FUNCTIONS)
    for table in ("content_policy", "kept_content"):
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
    op.execute(platform_policy("content_policy", "SELECT", "snapshot reporting"))
    op.execute(platform_policy("kept_content", "SELECT", "shipping reporting"))
    op.execute(platform_policy("kept_content", "INSERT", "shipping"))
    op.execute("GRANT SELECT ON conduit.content_policy TO conduit_platform")
    op.execute("GRANT SELECT, INSERT, UPDATE ON conduit.content_policy TO conduit_console")
    op.execute(
        "GRANT SELECT (tenant_id, keep, bytes_max, updated_at) ON conduit.content_policy TO conduit_auditor"
    )
    for role in ("conduit_platform", "conduit_console", "conduit_auditor"):
        op.execute(f"GRANT SELECT ({SHOWN}) ON conduit.kept_content TO {role}")
    op.execute("GRANT INSERT (tenant_id, event_id, at, sealed) ON conduit.kept_content TO conduit_platform")
    op.execute(erase_function(ERASED))
    op.execute("REVOKE ALL ON FUNCTION conduit.read_content, conduit.delete_content FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION conduit.read_content TO conduit_console")
    op.execute("GRANT EXECUTE ON FUNCTION conduit.delete_content TO conduit_platform")

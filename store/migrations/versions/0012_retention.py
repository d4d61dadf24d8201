"""How long events are kept, holds that forbid deleting, and the one function that empties an event.

An event is emptied, never removed: number, leaf and link stay, so every checkpoint still holds. Only a
prefix is emptied, whose end an act in the same chain has stated beforehand, together with a checkpoint that
was signed when those events were old enough (docs/decisions/0010-retention.md). The triggers below hold for
the owner of the schema, and for a superuser, as well: whoever wants past them has to alter the schema.
"""

from alembic import op

from store.migrations.erased_tables import ERASED, erase_function
from store.migrations.row_security import forced, platform_policy, tenant_policy

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

HEAD = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS"

# `through` is how far an act allows emptying, `emptied` how far it has come; only the functions write them.
TABLES = """
CREATE TABLE conduit.retention (
    tenant_id uuid PRIMARY KEY REFERENCES conduit.tenant,
    event_days integer CHECK (event_days BETWEEN 0 AND 36500),
    content_days integer CHECK (content_days BETWEEN 0 AND 36500),
    through bigint NOT NULL DEFAULT 0 CHECK (through >= 0),
    emptied bigint NOT NULL DEFAULT 0 CHECK (emptied BETWEEN 0 AND through),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE conduit.hold (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    id uuid NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    placed_by text NOT NULL CHECK (length(placed_by) BETWEEN 1 AND 200),
    placed_at timestamptz NOT NULL DEFAULT now(),
    released_by text CHECK (length(released_by) BETWEEN 1 AND 200),
    released_at timestamptz,
    release_reason text CHECK (length(release_reason) BETWEEN 1 AND 2000),
    PRIMARY KEY (tenant_id, id),
    CHECK (released_by <> placed_by),
    CHECK (num_nonnulls(released_by, released_at, release_reason) IN (0, 3))
);
ALTER TABLE conduit.event
    ALTER id DROP NOT NULL, ALTER at DROP NOT NULL, ALTER kind DROP NOT NULL, ALTER body DROP NOT NULL,
    ADD CONSTRAINT event_whole_or_emptied CHECK (num_nonnulls(id, at, kind, body) = 4 OR num_nonnulls(
        id, at, kind, body, user_id, placeholder_id, credential_id, host, model, reason, outcome) = 0);
"""

# Placing a hold and deleting take the same lock, so that neither misses the other.
GUARDS = f"""
CREATE FUNCTION conduit.refuse_while_held(tenant uuid) RETURNS void {HEAD} $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtext('conduit.hold'), hashtext(tenant::text));
    PERFORM FROM conduit.hold WHERE tenant_id = $1 AND released_at IS NULL;
    IF FOUND THEN
        RAISE EXCEPTION 'the record of this tenant is under a hold' USING ERRCODE = 'object_in_use';
    END IF;
END $$;
CREATE FUNCTION conduit.place_hold() RETURNS trigger {HEAD} $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('conduit.hold'), hashtext(NEW.tenant_id::text));
    IF NEW.released_at IS NOT NULL THEN
        RAISE EXCEPTION 'a hold begins unreleased' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION conduit.release_hold() RETURNS trigger {HEAD} $$
BEGIN
    IF OLD.released_at IS NOT NULL OR (NEW.tenant_id, NEW.id, NEW.reason, NEW.placed_by, NEW.placed_at)
            IS DISTINCT FROM (OLD.tenant_id, OLD.id, OLD.reason, OLD.placed_by, OLD.placed_at) THEN
        RAISE EXCEPTION 'a hold is released once, and not rewritten' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION conduit.keep_hold() RETURNS trigger {HEAD} $$
BEGIN
    PERFORM conduit.refuse_while_held(OLD.tenant_id);
    RETURN OLD;
END $$;
CREATE FUNCTION conduit.keep_event() RETURNS trigger {HEAD} $$
BEGIN
    PERFORM conduit.refuse_while_held(OLD.tenant_id);
    IF TG_OP = 'UPDATE' THEN
        PERFORM FROM conduit.retention WHERE tenant_id = OLD.tenant_id AND through >= OLD.sequence;
        IF NOT FOUND OR NEW.body IS NOT NULL OR (NEW.tenant_id, NEW.sequence, NEW.leaf, NEW.chain)
                IS DISTINCT FROM (OLD.tenant_id, OLD.sequence, OLD.leaf, OLD.chain) THEN
            RAISE EXCEPTION 'an event is not altered' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END IF;
    PERFORM FROM conduit.tenant WHERE tenant_id = OLD.tenant_id AND state = 'deleting';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'an event is not removed' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN OLD;
END $$;
CREATE FUNCTION conduit.keep_all() RETURNS trigger {HEAD} $$
BEGIN
    RAISE EXCEPTION 'this table is not truncated' USING ERRCODE = 'insufficient_privilege';
END $$;
"""

PERMIT = """
CREATE FUNCTION conduit.permit_emptying(tenant uuid, act bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    days integer;
    stated jsonb;
    last bigint;
BEGIN
    IF conduit.purpose() IS DISTINCT FROM 'deletion' THEN
        RAISE EXCEPTION 'only for a deletion' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM conduit.refuse_while_held($1);
    SELECT event_days INTO days FROM conduit.retention WHERE tenant_id = $1 FOR UPDATE;
    SELECT (body::jsonb) INTO stated FROM conduit.event
        WHERE tenant_id = $1 AND sequence = $2 AND kind = 'act';
    last := (stated -> 'detail' ->> 'through')::bigint;
    PERFORM FROM conduit.checkpoint c WHERE c.tenant_id = $1 AND c.sequence = last
        AND c.created_at <= now() - make_interval(days => days)
        AND c.note = stated -> 'detail' ->> 'checkpoint';
    IF NOT FOUND OR stated ->> 'action' IS DISTINCT FROM 'record.prune' OR last >= $2
            OR (stated -> 'detail' ->> 'days')::integer IS DISTINCT FROM days THEN
        RAISE EXCEPTION 'no act allows these events to be emptied' USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE conduit.retention SET through = greatest(through, last) WHERE tenant_id = $1;
    RETURN last;
END $$;
"""

EMPTY = """
CREATE FUNCTION conduit.empty_events(tenant uuid, batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first bigint;
    last bigint;
BEGIN
    IF conduit.purpose() IS DISTINCT FROM 'deletion' THEN
        RAISE EXCEPTION 'only for a deletion' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM conduit.refuse_while_held($1);
    SELECT emptied, least(through, emptied + greatest($2, 1)) INTO first, last
        FROM conduit.retention WHERE tenant_id = $1 FOR UPDATE;
    IF last IS NULL OR last <= first THEN
        RETURN 0;
    END IF;
    UPDATE conduit.event SET body = NULL, id = NULL, at = NULL, kind = NULL, user_id = NULL,
        placeholder_id = NULL, credential_id = NULL, host = NULL, model = NULL, reason = NULL, outcome = NULL
        WHERE tenant_id = $1 AND sequence > first AND sequence <= last;
    UPDATE conduit.retention SET emptied = last WHERE tenant_id = $1;
    RETURN last - first;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER keep_event BEFORE UPDATE OR DELETE ON conduit.event
    FOR EACH ROW EXECUTE FUNCTION conduit.keep_event();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON conduit.event EXECUTE FUNCTION conduit.keep_all();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON conduit.hold EXECUTE FUNCTION conduit.keep_all();
CREATE TRIGGER place_hold BEFORE INSERT ON conduit.hold
    FOR EACH ROW EXECUTE FUNCTION conduit.place_hold();
CREATE TRIGGER release_hold BEFORE UPDATE ON conduit.hold
    FOR EACH ROW EXECUTE FUNCTION conduit.release_hold();
CREATE TRIGGER keep_hold BEFORE DELETE ON conduit.hold
    FOR EACH ROW EXECUTE FUNCTION conduit.keep_hold();
CREATE TRIGGER keep_key BEFORE DELETE ON conduit.tenant_secret
    FOR EACH ROW EXECUTE FUNCTION conduit.keep_hold();
CREATE TRIGGER keep_checkpoint BEFORE DELETE ON conduit.checkpoint
    FOR EACH ROW EXECUTE FUNCTION conduit.keep_hold();
"""

FUNCTIONS = (
    "conduit.refuse_while_held, conduit.place_hold, conduit.release_hold, conduit.keep_hold,"
    " conduit.keep_event, conduit.keep_all, conduit.permit_emptying, conduit.empty_events"
)


def upgrade() -> None:
    """Create the tables and functions; roles may state days and holds, and call what empties."""
    for statements in (TABLES, GUARDS, PERMIT, EMPTY, TRIGGERS):
        op.execute(statements)
    for table in ("retention", "hold"):
        for statement in forced(table):
            op.execute(statement)
        op.execute(tenant_policy(table))
        op.execute(platform_policy(table, "SELECT", "reporting deletion"))
        op.execute(f"GRANT SELECT ON conduit.{table} TO conduit_platform, conduit_console, conduit_auditor")
        op.execute(
            f"CREATE POLICY whole ON conduit.{table} FOR SELECT TO conduit_owner"
            " USING ((SELECT conduit.purpose()) IN ('deletion', 'backup'))"
        )
        op.execute(
            f"CREATE POLICY erasure_delete ON conduit.{table} FOR DELETE TO conduit_owner"
            " USING ((SELECT conduit.purpose()) = 'deletion')"
        )
    for table in ("retention", "event"):
        op.execute(
            f"CREATE POLICY emptying ON conduit.{table} FOR UPDATE TO conduit_owner"
            " USING ((SELECT conduit.purpose()) = 'deletion')"
            " WITH CHECK ((SELECT conduit.purpose()) = 'deletion')"
        )
    stated = "event_days, content_days, updated_at"
    op.execute(
        f"GRANT INSERT (tenant_id, {stated}), UPDATE ({stated}) ON conduit.retention TO conduit_console"
    )
    op.execute("GRANT INSERT (tenant_id, id, reason, placed_by) ON conduit.hold TO conduit_console")
    op.execute("GRANT UPDATE (released_by, released_at, release_reason) ON conduit.hold TO conduit_console")
    op.execute(
        platform_policy("checkpoint", "SELECT", "deletion").replace("platform_select", "deletion_select")
    )
    op.execute(erase_function(ERASED))
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTIONS} FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION conduit.permit_emptying, conduit.empty_events TO conduit_platform")

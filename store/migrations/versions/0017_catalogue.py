"""Signed catalogues that were loaded at run time; the newest one is in force."""

from alembic import op

from store.migrations.row_security import forced, platform_policy

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE conduit.catalogue_release (
    version bigint PRIMARY KEY CHECK (version > 0),
    entries text NOT NULL CHECK (length(entries) BETWEEN 1 AND 67108864),
    note text NOT NULL CHECK (length(note) BETWEEN 1 AND 2000),
    loaded_by text NOT NULL CHECK (length(loaded_by) BETWEEN 1 AND 200),
    loaded_at timestamptz NOT NULL DEFAULT now()
);
"""

# Loads follow each other, so that none can be overtaken by an older one. An older one is refused by the
# database itself; nothing is ever changed or taken away.
MONOTONE = """
CREATE FUNCTION conduit.refuse_older_catalogue() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('conduit.catalogue_release'));
    IF EXISTS (SELECT FROM conduit.catalogue_release WHERE version >= NEW.version) THEN
        RAISE EXCEPTION 'a catalogue of this version or a newer one is loaded'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'catalogue_release_newest';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER newest BEFORE INSERT ON conduit.catalogue_release
    FOR EACH ROW EXECUTE FUNCTION conduit.refuse_older_catalogue();
"""

# As ``conduit.bump_policy``, for a table that is no tenant's.
ANNOUNCED = """
CREATE FUNCTION conduit.announce_catalogue() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bumped bigint;
BEGIN
    UPDATE conduit.policy_version
        SET version = version + 1, changed_by = pg_current_xact_id(), changed_at = now()
        WHERE changed_by IS DISTINCT FROM pg_current_xact_id()
        RETURNING version INTO bumped;
    IF bumped IS NOT NULL THEN
        PERFORM pg_notify('conduit_policy', bumped::text);
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION conduit.announce_catalogue FROM PUBLIC;
CREATE CONSTRAINT TRIGGER announce_policy AFTER INSERT ON conduit.catalogue_release
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION conduit.announce_catalogue();
"""


def upgrade() -> None:
    """Create the table: for every session to read, for the platform's administration to add to."""
    for statements in (TABLE, MONOTONE, ANNOUNCED):
        op.execute(statements)
    for statement in forced("catalogue_release"):
        op.execute(statement)
    purposes = "snapshot reporting administration"
    op.execute(platform_policy("catalogue_release", "SELECT", purposes))
    op.execute(platform_policy("catalogue_release", "INSERT", "administration"))
    op.execute("GRANT SELECT, INSERT ON conduit.catalogue_release TO conduit_platform")
    op.execute(
        "CREATE POLICY tenant_read ON conduit.catalogue_release FOR SELECT"
        " TO conduit_console, conduit_auditor USING ((SELECT conduit.tenant()) IS NOT NULL)"
    )
    op.execute("GRANT SELECT ON conduit.catalogue_release TO conduit_console, conduit_auditor")
    op.execute(
        "CREATE POLICY whole ON conduit.catalogue_release FOR SELECT TO conduit_owner"
        " USING ((SELECT conduit.purpose()) IN ('deletion', 'backup'))"
    )

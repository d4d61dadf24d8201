"""The signed claim: who a database session acts for, checked once per statement by every policy."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# One error for every way a claim can be bad, so that it is no oracle. The two hashes before comparing make
# its timing independent of how much of the code was right. parallel restricted: a parallel worker has
# another pid, so the check must run in the leader (it does, as an init plan).
CLAIMED = """
CREATE FUNCTION conduit.claimed(OUT kind text, OUT subject text)
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    claim text := current_setting('conduit.claim', true);
    parts text[] := string_to_array(claim, '.');
    message text;
    pads record;
    expected bytea;
    remaining bigint;
BEGIN
    IF claim ~ '^v1[.][tp][.][a-z0-9_-]{1,40}[.][0-9]{1,12}[.][0-9]{1,10}[.][0-9a-f]{64}$' THEN
        message := array_to_string(parts[1:5], '.');
        SELECT inner_pad, outer_pad INTO STRICT pads FROM conduit_private.claim_key;
        expected := sha256(pads.outer_pad || sha256(pads.inner_pad || convert_to(message, 'UTF8')));
        remaining := parts[4]::bigint - extract(epoch FROM clock_timestamp())::bigint;
        IF sha256(decode(parts[6], 'hex')) = sha256(expected)
           AND remaining BETWEEN 0 AND 600
           AND parts[5]::bigint IN (0, pg_backend_pid()) THEN
            kind := parts[2];
            subject := parts[3];
            RETURN;
        END IF;
    END IF;
    RAISE EXCEPTION 'no valid claim' USING ERRCODE = 'insufficient_privilege';
END $$
"""

TENANT = """
CREATE FUNCTION conduit.tenant() RETURNS uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    claim record;
BEGIN
    SELECT * INTO claim FROM conduit.claimed();
    RETURN CASE WHEN claim.kind = 't' THEN claim.subject::uuid END;
END $$
"""

# session_user cannot be changed by SET ROLE: a serving role that got hold of the key still cannot claim a
# purpose of another role.
PURPOSE = """
CREATE FUNCTION conduit.purpose() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    claim record;
BEGIN
    SELECT * INTO claim FROM conduit.claimed();
    IF claim.kind = 't' THEN
        RETURN NULL;
    END IF;
    IF claim.subject = ANY (CASE session_user
        WHEN 'conduit_gateway' THEN ARRAY['snapshot', 'shipping', 'rebuild']
        WHEN 'conduit_console' THEN ARRAY['sign_in', 'reporting', 'administration', 'deletion']
        WHEN 'conduit_auditor' THEN ARRAY['reporting']
        ELSE ARRAY[]::text[] END) THEN
        RETURN claim.subject;
    END IF;
    RAISE EXCEPTION 'no valid claim' USING ERRCODE = 'insufficient_privilege';
END $$
"""


def upgrade() -> None:
    """Create the functions and let the serving roles call the two that policies use."""
    op.execute(CLAIMED)
    op.execute(TENANT)
    op.execute(PURPOSE)
    op.execute("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA conduit FROM PUBLIC")
    op.execute(
        "GRANT EXECUTE ON FUNCTION conduit.tenant(), conduit.purpose()"
        " TO conduit_gateway, conduit_console, conduit_auditor, conduit_platform"
    )

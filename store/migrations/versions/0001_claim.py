"""The signed claim: who a database session acts for, checked once per statement by every policy."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# One error for every way a claim can be bad, so that it is no oracle. Nothing of it is parsed before the
# code at its end is found right, and comparing hashes of the codes makes the time taken independent of how
# much of the code was. parallel restricted: a parallel worker has another pid, so the check must run in
# the leader (it does, as an init plan). A regular expression here would cost more than all the rest.
CLAIMED = """
CREATE FUNCTION conduit.claimed(kind text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    claim text := current_setting('conduit.claim', true);
    parts text[];
    code bytea;
    remaining bigint;
BEGIN
    IF length(claim) > 66 THEN
        SELECT sha256(outer_pad || sha256(inner_pad || convert_to(left(claim, -65), 'UTF8')))
            INTO STRICT code FROM conduit_private.claim_key;
        IF sha256(convert_to(right(claim, 65), 'UTF8'))
           = sha256(convert_to('.' || encode(code, 'hex'), 'UTF8')) THEN
            parts := string_to_array(claim, '.');
            remaining := parts[4]::bigint - extract(epoch FROM clock_timestamp())::bigint;
            IF parts[1] = 'v1'
               AND remaining BETWEEN 0 AND (CASE WHEN parts[3] = 'backup' THEN 86400 ELSE 600 END)
               AND parts[5]::bigint IN (0, pg_backend_pid()) THEN
                RETURN CASE WHEN parts[2] = kind THEN parts[3] END;
            END IF;
        END IF;
    END IF;
    RAISE EXCEPTION 'no valid claim' USING ERRCODE = 'insufficient_privilege';
END $$
"""

# Neither definer nor plpgsql, so that the planner puts its body in its place: one function call less.
TENANT = """
CREATE FUNCTION conduit.tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN conduit.claimed('t')::uuid
"""

# session_user cannot be changed by SET ROLE: a serving role that got hold of the key still cannot claim a
# purpose of another role. A backup may take long and is for who may become the owner (store.backup).
PURPOSE = """
CREATE FUNCTION conduit.purpose() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    claimed text := conduit.claimed('p');
BEGIN
    IF claimed IS NULL OR claimed = ANY (CASE session_user
        WHEN 'conduit_gateway' THEN ARRAY['snapshot', 'shipping', 'rebuild']
        WHEN 'conduit_console' THEN ARRAY['sign_in', 'reporting', 'administration', 'deletion']
        WHEN 'conduit_auditor' THEN ARRAY['reporting']
        ELSE CASE WHEN pg_has_role(session_user, 'conduit_owner', 'MEMBER')
            THEN ARRAY['backup'] ELSE ARRAY[]::text[] END END) THEN
        RETURN claimed;
    END IF;
    RAISE EXCEPTION 'no valid claim' USING ERRCODE = 'insufficient_privilege';
END $$
"""


def upgrade() -> None:
    """Create the functions and let the serving roles call what policies use."""
    op.execute(CLAIMED)
    op.execute(TENANT)
    op.execute(PURPOSE)
    op.execute("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA conduit FROM PUBLIC")
    op.execute(
        "GRANT EXECUTE ON FUNCTION conduit.claimed(text), conduit.tenant(), conduit.purpose()"
        " TO conduit_gateway, conduit_console, conduit_auditor, conduit_platform"
    )

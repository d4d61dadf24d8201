"""Take back the purpose ``rebuild``: no policy grants anything to it, and nobody claims it."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# As in 0001, but for the word.
PURPOSE = """
CREATE OR REPLACE FUNCTION conduit.purpose() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    claimed text := conduit.claimed('p');
BEGIN
    IF claimed IS NULL OR claimed = ANY (CASE session_user
        WHEN 'conduit_gateway' THEN ARRAY['snapshot', 'shipping']
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
    """Replace the function."""
    op.execute(PURPOSE)

"""What a tenant lets pass while its limits cannot be counted, in micro-dollars an hour."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the number that the mode ``local_allowance`` cannot be without, and no other mode has."""
    op.execute(
        "ALTER TABLE conduit.tenant ADD COLUMN degraded_allowance bigint"
        " CHECK (degraded_allowance BETWEEN 0 AND 9007199254740991)"
    )
    op.execute(
        "ALTER TABLE conduit.tenant ADD CHECK"
        " ((degraded_mode = 'local_allowance') = (degraded_allowance IS NOT NULL))"
    )
    op.execute("GRANT UPDATE (degraded_allowance) ON conduit.tenant TO conduit_console")

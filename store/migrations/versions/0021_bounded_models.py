"""The index of usage by model takes names of any length: they come from the wire, and an entry is bounded.

Without a bound a long name would keep a call's usage, and with it the record, from ever being written.
"""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index the beginning of the name, which is longer than any pattern that it is compared with."""
    op.execute("DROP INDEX conduit.usage_model")
    op.execute(
        "CREATE INDEX usage_model ON conduit.usage"
        " (tenant_id, (left(lower(model), 300)) text_pattern_ops, at) WHERE model IS NOT NULL"
    )

"""Whether a tenant has TLS to hosts outside the catalogue looked into, and to which of them never."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both; a tenant that has said nothing goes by the operator's settings."""
    op.execute("ALTER TABLE conduit.tenant ADD COLUMN decrypt_unknown boolean")
    op.execute(
        "ALTER TABLE conduit.tenant ADD COLUMN never_decrypted text[] NOT NULL DEFAULT '{}'"
        " CHECK (cardinality(never_decrypted) <= 500)"
    )
    op.execute("GRANT UPDATE (decrypt_unknown, never_decrypted) ON conduit.tenant TO conduit_console")

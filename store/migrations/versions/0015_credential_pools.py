"""Credentials that stand for each other, what their providers say of them, and those that only read usage."""

from alembic import op

from store.migrations.row_security import platform_policy

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# What the provider said; written by the shipper from the workers' incidents, for the version they are about.
TOLD = "refused_at, refused_status, refusals, accepted_at"

CREDENTIAL = """
ALTER TABLE conduit.credential
    ADD COLUMN purpose text NOT NULL DEFAULT 'calls' CHECK (purpose IN ('calls', 'usage')),
    ADD COLUMN pool text CHECK (length(pool) BETWEEN 1 AND 200),
    ADD COLUMN provider_key_id text CHECK (length(provider_key_id) BETWEEN 1 AND 200),
    ADD COLUMN refused_at timestamptz,
    ADD COLUMN refused_status integer CHECK (refused_status BETWEEN 100 AND 999),
    ADD COLUMN refusals integer NOT NULL DEFAULT 0 CHECK (refusals >= 0),
    ADD COLUMN accepted_at timestamptz,
    ADD CHECK (pool IS NULL OR purpose = 'calls')
"""

PLACEHOLDER = """
ALTER TABLE conduit.placeholder
    ALTER COLUMN credential_id DROP NOT NULL,
    ADD COLUMN pool text CHECK (length(pool) BETWEEN 1 AND 200),
    ADD CHECK (num_nonnulls(credential_id, pool) = 1)
"""


def upgrade() -> None:
    """Add the columns; the shipper may write what the provider said, and nothing else of a credential."""
    op.execute(CREDENTIAL)
    op.execute(PLACEHOLDER)
    op.execute(
        "ALTER POLICY platform_select ON conduit.credential"
        " USING ((SELECT conduit.purpose()) IN ('snapshot', 'reporting', 'shipping'))"
    )
    op.execute(platform_policy("credential", "UPDATE", "shipping"))
    op.execute(f"GRANT UPDATE ({TOLD}) ON conduit.credential TO conduit_platform")

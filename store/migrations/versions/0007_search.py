"""Indexes for the questions of an incident: by credential, host, model and reason, within a tenant."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Partial, because most columns are empty in most events: refusals are few, and acts have no host. Texts come
# from the wire and PostgreSQL refuses index entries beyond 2,704 bytes, so long ones are left out.
INDEXED = {
    "event_credential": ("credential_id", "credential_id IS NOT NULL"),
    "event_host": ("host", "length(host) <= 253"),
    "event_model": ("model", "length(model) <= 253"),
    "event_reason": ("reason", "length(reason) <= 253"),
}


def upgrade() -> None:
    """Create the indexes."""
    for name, (column, condition) in INDEXED.items():
        op.execute(f"CREATE INDEX {name} ON conduit.event (tenant_id, {column}, at) WHERE {condition}")

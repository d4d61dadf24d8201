"""Prices: the operator's and the tenants' rules, which price a usage row has, corrections of it."""

from alembic import op

from store.migrations.erased_tables import ERASED, erase_function
from store.migrations.row_security import forced, platform_policy, tenant_policy

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# The operator's rules are rows of the platform's tenant. Amounts are micro-dollars for a million tokens.
RULES = """
CREATE TABLE conduit.price_rule (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('override', 'discount')),
    provider text CHECK (length(provider) BETWEEN 1 AND 60),
    model text NOT NULL CHECK (length(model) BETWEEN 1 AND 256),
    since timestamptz NOT NULL,
    until timestamptz CHECK (until > since),
    input bigint CHECK (input BETWEEN 0 AND 1000000000000),
    output bigint CHECK (output BETWEEN 0 AND 1000000000000),
    cached_input bigint CHECK (cached_input BETWEEN 0 AND 1000000000000),
    cache_write bigint CHECK (cache_write BETWEEN 0 AND 1000000000000),
    request bigint CHECK (request BETWEEN 0 AND 1000000000000),
    discount integer CHECK (discount BETWEEN 1 AND 10000),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE NULLS NOT DISTINCT (tenant_id, kind, provider, model, since),
    CHECK ((kind = 'discount') = (discount IS NOT NULL)),
    CHECK ((kind = 'override') = (input IS NOT NULL AND output IS NOT NULL AND request IS NOT NULL)),
    CHECK (kind = 'discount' OR provider IS NOT NULL)
)
"""

# A row says by which price it was charged. A correction is a row beside it; neither is ever changed.
USAGE = """
ALTER TABLE conduit.usage
    ADD COLUMN list_micro_dollars bigint CHECK (list_micro_dollars >= 0),
    ADD COLUMN discount_basis_points integer NOT NULL DEFAULT 0
        CHECK (discount_basis_points BETWEEN 0 AND 10000),
    ADD COLUMN price_source text,
    ADD COLUMN price_version text,
    ADD COLUMN cost_centre text;
CREATE TABLE conduit.usage_correction (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    id uuid NOT NULL,
    usage_id uuid NOT NULL,
    usage_at timestamptz NOT NULL,
    made_at timestamptz NOT NULL,
    cost_micro_dollars bigint NOT NULL,
    list_micro_dollars bigint NOT NULL CHECK (list_micro_dollars >= 0),
    discount_basis_points integer NOT NULL CHECK (discount_basis_points BETWEEN 0 AND 10000),
    price_source text NOT NULL,
    price_version text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX usage_correction_of ON conduit.usage_correction (tenant_id, usage_at, usage_id, id);
CREATE INDEX usage_correction_made ON conduit.usage_correction (tenant_id, made_at);
"""


def upgrade() -> None:
    """Create the tables as 0002 to 0006 do theirs: announced, under row-level security, erasable."""
    op.execute(RULES)
    op.execute(USAGE)
    op.execute(
        "CREATE CONSTRAINT TRIGGER announce_policy AFTER INSERT OR UPDATE OR DELETE ON conduit.price_rule"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION conduit.bump_policy()"
    )
    for table in ("price_rule", "usage_correction"):
        _secure(table)
    for command, purposes in (
        ("SELECT", "snapshot reporting administration"),
        ("INSERT", "administration"),
        ("DELETE", "administration"),
    ):
        op.execute(platform_policy("price_rule", command, purposes))
    op.execute(platform_policy("usage_correction", "SELECT", "reporting"))
    op.execute("GRANT SELECT, INSERT, DELETE ON conduit.price_rule TO conduit_console, conduit_platform")
    op.execute("GRANT SELECT, INSERT ON conduit.usage_correction TO conduit_console")
    op.execute("GRANT SELECT ON conduit.usage_correction TO conduit_platform, conduit_gateway")
    op.execute("GRANT SELECT ON conduit.price_rule, conduit.usage_correction TO conduit_auditor")
    op.execute(erase_function(ERASED))


def _secure(table: str) -> None:
    for statement in forced(table):
        op.execute(statement)
    op.execute(tenant_policy(table))
    op.execute(
        f"CREATE POLICY whole ON conduit.{table} FOR SELECT TO conduit_owner"
        " USING ((SELECT conduit.purpose()) IN ('deletion', 'backup'))"
    )
    op.execute(
        f"CREATE POLICY erasure_delete ON conduit.{table} FOR DELETE TO conduit_owner"
        " USING ((SELECT conduit.purpose()) = 'deletion')"
    )

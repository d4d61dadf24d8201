"""Limits of teams and models, of tokens, weeks and rolling hours, with bursts, thresholds and ceilings."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# What 0002 said of a limit's kind, scope and window is said anew below; the bounds of `amount` stay.
LIMITS = """
DO $$
DECLARE
    rule text;
BEGIN
    FOR rule IN SELECT conname FROM pg_constraint WHERE conrelid = 'conduit.limit_rule'::regclass
        AND contype IN ('c', 'u') AND conname <> 'limit_rule_amount_check'
    LOOP
        EXECUTE format('ALTER TABLE conduit.limit_rule DROP CONSTRAINT %I', rule);
    END LOOP;
END $$;
ALTER TABLE conduit.limit_rule RENAME COLUMN budget_window TO counting_window;
ALTER TABLE conduit.limit_rule
    ADD COLUMN team_id uuid,
    ADD COLUMN model text CHECK (model ~ '^([!-)+-~]{1,200}[*]?|[*])$' AND model = lower(model)),
    ADD COLUMN burst bigint CHECK (burst BETWEEN 1 AND 9007199254740991),
    ADD COLUMN rolling_hours integer CHECK (rolling_hours BETWEEN 1 AND 8784),
    ADD COLUMN thresholds smallint[] CHECK (cardinality(thresholds) <= 10),
    ADD FOREIGN KEY (tenant_id, team_id) REFERENCES conduit.team (tenant_id, id),
    ADD CHECK (scope IN ('tenant', 'team', 'user', 'placeholder')),
    ADD CHECK ((scope = 'team') = (team_id IS NOT NULL)),
    ADD CHECK ((scope = 'user') = (member_id IS NOT NULL)),
    ADD CHECK ((scope = 'placeholder') = (placeholder_id IS NOT NULL)),
    ADD CHECK (kind IN ('requests_per_minute', 'tokens_per_minute', 'concurrent', 'tokens',
        'budget_micro_dollars', 'input_tokens_per_call', 'output_tokens_per_call', 'micro_dollars_per_call')),
    ADD CHECK (counting_window IN ('day', 'week', 'month', 'rolling')),
    ADD CHECK ((kind IN ('tokens', 'budget_micro_dollars')) = (counting_window IS NOT NULL)),
    ADD CHECK ((counting_window IS NOT DISTINCT FROM 'rolling') = (rolling_hours IS NOT NULL)),
    ADD CHECK (burst IS NULL OR kind IN ('requests_per_minute', 'tokens_per_minute')),
    ADD CHECK (thresholds IS NULL OR counting_window IS NOT NULL),
    ADD CONSTRAINT limit_rule_subject UNIQUE NULLS NOT DISTINCT
        (tenant_id, scope, team_id, member_id, placeholder_id, model, kind, counting_window, rolling_hours);
"""

# A window that the limiter has lost, or never knew, is summed from these by whom it counts for.
USAGE = """
ALTER TABLE conduit.usage ADD COLUMN team_id uuid;
CREATE INDEX usage_team ON conduit.usage (tenant_id, team_id, at) WHERE team_id IS NOT NULL;
CREATE INDEX usage_member ON conduit.usage (tenant_id, member_id, at) WHERE member_id IS NOT NULL;
CREATE INDEX usage_placeholder ON conduit.usage (tenant_id, placeholder_id, at)
    WHERE placeholder_id IS NOT NULL;
CREATE INDEX usage_model ON conduit.usage (tenant_id, lower(model) text_pattern_ops, at)
    WHERE model IS NOT NULL;
"""


def upgrade() -> None:
    """Widen the table of limits, and index the usage rows by each of their subjects."""
    op.execute(LIMITS)
    op.execute(USAGE)

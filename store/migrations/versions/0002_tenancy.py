"""Tenants and what belongs to them. Every key and every reference carries the tenant."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# The platform is a tenant too, so that what belongs to no tenant has a chain by the same mechanism.
TENANTS = """
CREATE TABLE conduit.tenant (
    tenant_id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    region text NOT NULL CHECK (length(region) BETWEEN 1 AND 40),
    data_residency text[] NOT NULL DEFAULT '{}',
    time_zone text NOT NULL DEFAULT 'UTC' CHECK (length(time_zone) BETWEEN 1 AND 60),
    degraded_mode text NOT NULL DEFAULT 'closed' CHECK (degraded_mode IN ('closed', 'local_allowance')),
    enabled boolean NOT NULL DEFAULT true,
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'deleting', 'deleted')),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX tenant_name ON conduit.tenant (lower(name));
INSERT INTO conduit.tenant (tenant_id, name, region)
    VALUES ('00000000-0000-0000-0000-000000000000', 'platform', 'platform');
CREATE TABLE conduit.tenant_secret (
    tenant_id uuid PRIMARY KEY REFERENCES conduit.tenant,
    version integer NOT NULL CHECK (version > 0),
    data_key bytea NOT NULL,
    operations bigint NOT NULL DEFAULT 0 CHECK (operations >= 0)
);
"""

PEOPLE = """
CREATE TABLE conduit.team (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    id uuid NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);
CREATE TABLE conduit.member (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    id uuid NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    role text NOT NULL DEFAULT 'member' CHECK (length(role) BETWEEN 1 AND 40),
    team_id uuid,
    cost_centre text CHECK (length(cost_centre) BETWEEN 1 AND 200),
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name),
    FOREIGN KEY (tenant_id, team_id) REFERENCES conduit.team (tenant_id, id)
);
CREATE TABLE conduit.network (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    id uuid NOT NULL,
    network cidr NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, network)
);
CREATE TABLE conduit.address_session (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    id uuid NOT NULL,
    address inet NOT NULL CHECK (masklen(address) = CASE family(address) WHEN 4 THEN 32 ELSE 128 END),
    user_name text NOT NULL CHECK (length(user_name) BETWEEN 1 AND 200),
    source text NOT NULL CHECK (length(source) BETWEEN 1 AND 40),
    started_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CHECK (expires_at > started_at)
);
CREATE INDEX address_session_held ON conduit.address_session (tenant_id, address, started_at);
CREATE INDEX address_session_live ON conduit.address_session (expires_at);
"""

# A revoked credential's name may be used again; its envelope is destroyed with it.
KEYS = """
CREATE TABLE conduit.credential (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    id uuid NOT NULL,
    provider text NOT NULL CHECK (length(provider) BETWEEN 1 AND 60),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    hosts text[] NOT NULL CHECK (cardinality(hosts) BETWEEN 1 AND 50),
    version integer NOT NULL DEFAULT 1 CHECK (version > 0),
    weight integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 0 AND 1000),
    created_at timestamptz NOT NULL DEFAULT now(),
    rotated_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX credential_name ON conduit.credential (tenant_id, name) WHERE revoked_at IS NULL;
CREATE TABLE conduit.credential_secret (
    tenant_id uuid NOT NULL,
    credential_id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    envelope bytea NOT NULL,
    PRIMARY KEY (tenant_id, credential_id),
    FOREIGN KEY (tenant_id, credential_id) REFERENCES conduit.credential (tenant_id, id)
);
CREATE TABLE conduit.placeholder (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    id uuid NOT NULL,
    member_id uuid NOT NULL,
    credential_id uuid NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    models text[] NOT NULL DEFAULT '{}',
    networks cidr[] NOT NULL DEFAULT '{}',
    honeytoken boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, digest),
    FOREIGN KEY (tenant_id, member_id) REFERENCES conduit.member (tenant_id, id),
    FOREIGN KEY (tenant_id, credential_id) REFERENCES conduit.credential (tenant_id, id)
);
"""

# 9007199254740991 is 2**53 - 1: policy.money.MICRO_DOLLARS_MAX, and the limiter's exact range.
LIMITS = """
CREATE TABLE conduit.limit_rule (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    id uuid NOT NULL,
    scope text NOT NULL CHECK (scope IN ('tenant', 'user', 'placeholder')),
    member_id uuid,
    placeholder_id uuid,
    kind text NOT NULL CHECK (kind IN
        ('requests_per_minute', 'tokens_per_minute', 'concurrent', 'budget_micro_dollars')),
    amount bigint NOT NULL CHECK (amount BETWEEN 0 AND 9007199254740991),
    budget_window text CHECK (budget_window IN ('day', 'month')),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE NULLS NOT DISTINCT (tenant_id, scope, member_id, placeholder_id, kind, budget_window),
    FOREIGN KEY (tenant_id, member_id) REFERENCES conduit.member (tenant_id, id),
    FOREIGN KEY (tenant_id, placeholder_id) REFERENCES conduit.placeholder (tenant_id, id),
    CHECK ((scope = 'user') = (member_id IS NOT NULL)),
    CHECK ((scope = 'placeholder') = (placeholder_id IS NOT NULL)),
    CHECK ((kind = 'budget_micro_dollars') = (budget_window IS NOT NULL))
);
"""

ENDPOINTS = """
CREATE TABLE conduit.platform_endpoint_rule (
    host text PRIMARY KEY CHECK (length(host) BETWEEN 1 AND 253),
    state text NOT NULL CHECK (state IN ('blocked', 'coached', 'monitored', 'sanctioned')),
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 2000),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE conduit.endpoint_rule (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    host text NOT NULL CHECK (length(host) BETWEEN 1 AND 253),
    state text NOT NULL CHECK (state IN ('blocked', 'coached', 'monitored', 'sanctioned')),
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 2000),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, host)
);
CREATE TABLE conduit.endpoint_exception (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    id uuid NOT NULL,
    host text NOT NULL CHECK (length(host) BETWEEN 1 AND 253),
    member_id uuid,
    team_id uuid,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    approved_by text NOT NULL CHECK (length(approved_by) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, member_id) REFERENCES conduit.member (tenant_id, id),
    FOREIGN KEY (tenant_id, team_id) REFERENCES conduit.team (tenant_id, id),
    CHECK (num_nonnulls(member_id, team_id) = 1)
);
CREATE TABLE conduit.endpoint_seen (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    host text NOT NULL CHECK (length(host) BETWEEN 1 AND 253),
    provider text,
    verdict text NOT NULL CHECK (verdict IN ('ai', 'suspect')),
    score integer NOT NULL CHECK (score BETWEEN 0 AND 100),
    evidence text[] NOT NULL DEFAULT '{}',
    calls bigint NOT NULL DEFAULT 0 CHECK (calls >= 0),
    bytes_up bigint NOT NULL DEFAULT 0 CHECK (bytes_up >= 0),
    bytes_down bigint NOT NULL DEFAULT 0 CHECK (bytes_down >= 0),
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, host)
);
"""


def upgrade() -> None:
    """Create the tables; rights and row-level security follow in migration 0004, in the same transaction."""
    for statements in (TENANTS, PEOPLE, KEYS, LIMITS, ENDPOINTS):
        op.execute(statements)

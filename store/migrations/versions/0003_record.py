"""What happened (events, usage), who administers, and the version of the policy."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# `body` is the exact text that `leaf` hashes; the other columns repeat parts of it, to be searched.
# `frontier` is the right edge of the Merkle tree (store.merkle.Frontier): a hash for each one in `sequence`.
EVENTS = """
CREATE TABLE conduit.event (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    sequence bigint NOT NULL CHECK (sequence > 0),
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    body text NOT NULL,
    leaf bytea NOT NULL CHECK (length(leaf) = 32),
    chain bytea NOT NULL CHECK (length(chain) = 32),
    user_id uuid,
    placeholder_id uuid,
    credential_id uuid,
    host text,
    model text,
    reason text,
    outcome text,
    PRIMARY KEY (tenant_id, sequence),
    UNIQUE (tenant_id, id)
);
CREATE INDEX event_at ON conduit.event (tenant_id, at);
CREATE INDEX event_everywhere ON conduit.event (at);
CREATE INDEX event_user ON conduit.event (tenant_id, user_id, at) WHERE user_id IS NOT NULL;
CREATE INDEX event_placeholder ON conduit.event (tenant_id, placeholder_id, at)
    WHERE placeholder_id IS NOT NULL;
CREATE TABLE conduit.chain_head (
    tenant_id uuid PRIMARY KEY REFERENCES conduit.tenant,
    sequence bigint NOT NULL CHECK (sequence >= 0),
    chain bytea NOT NULL CHECK (length(chain) = 32),
    frontier bytea NOT NULL CHECK (length(frontier) = 32 * bit_count(sequence::bit(64))),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE conduit.checkpoint (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    sequence bigint NOT NULL CHECK (sequence >= 0),
    root bytea NOT NULL CHECK (length(root) = 32),
    note text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    witnessed_at timestamptz,
    PRIMARY KEY (tenant_id, sequence)
);
CREATE TABLE conduit.spool_position (
    writer text PRIMARY KEY CHECK (length(writer) BETWEEN 1 AND 200),
    segment bigint NOT NULL CHECK (segment >= 0),
    byte_offset bigint NOT NULL CHECK (byte_offset >= 0),
    updated_at timestamptz NOT NULL DEFAULT now()
);
"""

USAGE = """
CREATE TABLE conduit.usage (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    member_id uuid,
    placeholder_id uuid,
    credential_id uuid,
    provider text,
    model text,
    input_tokens bigint NOT NULL CHECK (input_tokens >= 0),
    output_tokens bigint NOT NULL CHECK (output_tokens >= 0),
    cache_read_tokens bigint NOT NULL CHECK (cache_read_tokens >= 0),
    cache_write_tokens bigint NOT NULL CHECK (cache_write_tokens >= 0),
    reasoning_tokens bigint NOT NULL CHECK (reasoning_tokens >= 0),
    cost_micro_dollars bigint CHECK (cost_micro_dollars >= 0),
    estimated boolean NOT NULL,
    outcome text NOT NULL,
    PRIMARY KEY (tenant_id, id, at)
) PARTITION BY RANGE (at);
CREATE INDEX usage_at ON conduit.usage (tenant_id, at);
"""

# Rows outside the months made ahead go to the default partition: late or early records are kept, not lost.
# A month is not made while the default partition holds rows of it; they stay where they are.
PARTITIONS = """
CREATE TABLE conduit.usage_other PARTITION OF conduit.usage DEFAULT;
ALTER TABLE conduit.usage_other ENABLE ROW LEVEL SECURITY;
ALTER TABLE conduit.usage_other FORCE ROW LEVEL SECURITY;
CREATE FUNCTION conduit.prepare_usage_months(months_ahead integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    month timestamp;
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('conduit.prepare_usage_months'));
    FOR ahead IN 0 .. least(months_ahead, 24) LOOP
        month := date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead);
        name := 'usage_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN to_regclass('conduit.' || name) IS NOT NULL;
        BEGIN
            EXECUTE format(
                'CREATE TABLE conduit.%I PARTITION OF conduit.usage FOR VALUES FROM (%L) TO (%L)',
                name, month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
        EXCEPTION WHEN check_violation THEN
            CONTINUE;
        END;
        EXECUTE format('ALTER TABLE conduit.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE conduit.%I FORCE ROW LEVEL SECURITY', name);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION conduit.prepare_usage_months FROM PUBLIC;
SELECT conduit.prepare_usage_months(3);
"""

# `totp_step` is the last 30 s step whose code was accepted (RFC 6238 section 5.2: a code passes once).
# A sign-in name is unique over all tenants, because whoever signs in has not named a tenant yet; only
# platform sessions write here, so no tenant can probe for another's names.
ADMINISTRATORS = """
CREATE TABLE conduit.administrator (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    id uuid NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    role text NOT NULL CHECK (length(role) BETWEEN 1 AND 40),
    password_hash text NOT NULL,
    totp_secret bytea NOT NULL,
    totp_step bigint NOT NULL DEFAULT 0,
    failed_attempts integer NOT NULL DEFAULT 0 CHECK (failed_attempts >= 0),
    locked_until timestamptz,
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX administrator_name ON conduit.administrator (lower(name));
CREATE TABLE conduit.console_session (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    administrator_id uuid NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    source_address inet,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, digest),
    FOREIGN KEY (tenant_id, administrator_id) REFERENCES conduit.administrator (tenant_id, id)
);
CREATE INDEX console_session_digest ON conduit.console_session (digest);
CREATE TABLE conduit.invitation (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    id uuid NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    role text NOT NULL CHECK (length(role) BETWEEN 1 AND 40),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, digest)
);
CREATE TABLE conduit.approval (
    tenant_id uuid NOT NULL REFERENCES conduit.tenant,
    id uuid NOT NULL,
    action text NOT NULL CHECK (length(action) BETWEEN 1 AND 100),
    subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 2000),
    requested_by text NOT NULL CHECK (length(requested_by) BETWEEN 1 AND 200),
    decided_by text CHECK (length(decided_by) BETWEEN 1 AND 200),
    state text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'approved', 'refused')),
    requested_at timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK (decided_by <> requested_by),
    CHECK ((state = 'requested') = (decided_by IS NULL)),
    CHECK ((decided_by IS NULL) = (decided_at IS NULL))
);
"""

# Deferred to the commit, when every row lock is held already: two writers of policy cannot deadlock on
# the one version row. A transaction bumps it once, however many rows it wrote. `policy_change` says since
# which version each tenant is as it is, so that a worker need not read all of them again.
POLICY_VERSION = """
CREATE TABLE conduit.policy_version (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    version bigint NOT NULL,
    changed_by xid8,
    changed_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO conduit.policy_version (version) VALUES (1);
CREATE TABLE conduit.policy_change (tenant uuid PRIMARY KEY, version bigint NOT NULL);
CREATE FUNCTION conduit.bump_policy() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bumped bigint;
    changed uuid;
BEGIN
    UPDATE conduit.policy_version
        SET version = version + 1, changed_by = pg_current_xact_id(), changed_at = now()
        WHERE changed_by IS DISTINCT FROM pg_current_xact_id()
        RETURNING version INTO bumped;
    IF bumped IS NOT NULL THEN
        PERFORM pg_notify('conduit_policy', bumped::text);
    END IF;
    IF TG_TABLE_NAME <> 'platform_endpoint_rule' THEN
        IF TG_OP = 'DELETE' THEN
            changed := OLD.tenant_id;
        ELSE
            changed := NEW.tenant_id;
        END IF;
        INSERT INTO conduit.policy_change AS kept (tenant, version)
            SELECT changed, version FROM conduit.policy_version
            ON CONFLICT (tenant) DO UPDATE SET version = excluded.version
            WHERE kept.version <> excluded.version;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION conduit.bump_policy FROM PUBLIC;
"""

POLICY_TABLES = (
    "tenant",
    "tenant_secret",
    "team",
    "member",
    "network",
    "address_session",
    "credential",
    "credential_secret",
    "placeholder",
    "limit_rule",
    "platform_endpoint_rule",
    "endpoint_rule",
    "endpoint_exception",
)


def upgrade() -> None:
    """Create the tables, the monthly partitions and the triggers that announce a change of policy."""
    for statements in (EVENTS, USAGE, PARTITIONS, ADMINISTRATORS, POLICY_VERSION):
        op.execute(statements)
    for table in POLICY_TABLES:
        op.execute(
            f"CREATE CONSTRAINT TRIGGER announce_policy AFTER INSERT OR UPDATE OR DELETE ON conduit.{table}"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION conduit.bump_policy()"
        )

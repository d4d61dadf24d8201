"""The only way to the vault's rows: functions that hand out, or take in, one wrapped key or envelope.

They run as the owner, who is under forced row-level security as well: each sees and writes the claimed
tenant's rows alone, or, for the purposes named here, every tenant's.
"""

from alembic import op

from store.migrations.row_security import platform_policy

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

HEAD = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"

TENANT_KEYS = f"""
CREATE FUNCTION conduit.read_data_key() RETURNS TABLE (version integer, data_key bytea, operations bigint)
LANGUAGE sql STABLE {HEAD} AS $$
    SELECT version, data_key, operations FROM conduit.tenant_secret WHERE tenant_id = conduit.tenant()
$$;
CREATE FUNCTION conduit.write_data_key(tenant uuid, version integer, data_key bytea) RETURNS void
LANGUAGE sql {HEAD} AS $$
    INSERT INTO conduit.tenant_secret AS kept (tenant_id, version, data_key) VALUES ($1, $2, $3)
    ON CONFLICT (tenant_id) DO UPDATE SET data_key = excluded.data_key, version = excluded.version,
        operations = CASE WHEN kept.version = excluded.version THEN kept.operations ELSE 0 END
$$;
CREATE FUNCTION conduit.count_data_key_use() RETURNS bigint
LANGUAGE sql {HEAD} AS $$
    UPDATE conduit.tenant_secret SET operations = operations + 1 WHERE tenant_id = conduit.tenant()
    RETURNING operations
$$;
CREATE FUNCTION conduit.destroy_data_key() RETURNS boolean
LANGUAGE sql {HEAD} AS $$
    WITH gone AS (DELETE FROM conduit.tenant_secret WHERE tenant_id = conduit.tenant() RETURNING 1)
    SELECT count(*) > 0 FROM gone
$$;
CREATE FUNCTION conduit.read_all_data_keys() RETURNS TABLE (tenant_id uuid, version integer, data_key bytea)
LANGUAGE sql STABLE {HEAD} AS $$
    SELECT tenant_id, version, data_key FROM conduit.tenant_secret WHERE conduit.purpose() = 'snapshot'
$$;
"""  # noqa: S608 - HEAD is a constant above

ENVELOPES = f"""
CREATE FUNCTION conduit.read_envelope(credential uuid) RETURNS TABLE (version integer, envelope bytea)
LANGUAGE sql STABLE {HEAD} AS $$
    SELECT version, envelope FROM conduit.credential_secret
    WHERE tenant_id = conduit.tenant() AND credential_id = $1
$$;
CREATE FUNCTION conduit.write_envelope(credential uuid, version integer, envelope bytea) RETURNS void
LANGUAGE sql {HEAD} AS $$
    INSERT INTO conduit.credential_secret (tenant_id, credential_id, version, envelope)
        VALUES (conduit.tenant(), $1, $2, $3)
    ON CONFLICT (tenant_id, credential_id) DO UPDATE
        SET version = excluded.version, envelope = excluded.envelope
$$;
CREATE FUNCTION conduit.destroy_envelope(credential uuid) RETURNS boolean
LANGUAGE sql {HEAD} AS $$
    WITH gone AS (DELETE FROM conduit.credential_secret
        WHERE tenant_id = conduit.tenant() AND credential_id = $1 RETURNING 1)
    SELECT count(*) > 0 FROM gone
$$;
CREATE FUNCTION conduit.read_all_envelopes()
RETURNS TABLE (tenant_id uuid, credential_id uuid, version integer, envelope bytea)
LANGUAGE sql STABLE {HEAD} AS $$
    SELECT tenant_id, credential_id, version, envelope FROM conduit.credential_secret
    WHERE conduit.purpose() = 'snapshot'
$$;
"""  # noqa: S608 - HEAD is a constant above


def upgrade() -> None:
    """Create the functions; a worker may only read, under its snapshot claim; the console writes."""
    op.execute(TENANT_KEYS)
    op.execute(ENVELOPES)
    op.execute("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA conduit FROM PUBLIC")
    for table in ("tenant_secret", "credential_secret"):
        op.execute(platform_policy(table, "SELECT", "snapshot administration", role="conduit_owner"))
    op.execute(platform_policy("tenant_secret", "INSERT", "administration", role="conduit_owner"))
    op.execute(platform_policy("tenant_secret", "UPDATE", "administration", role="conduit_owner"))
    op.execute(
        "GRANT EXECUTE ON FUNCTION conduit.read_all_data_keys, conduit.read_all_envelopes TO conduit_platform"
    )
    op.execute(
        "GRANT EXECUTE ON FUNCTION conduit.read_data_key, conduit.write_data_key, conduit.count_data_key_use,"
        " conduit.destroy_data_key, conduit.read_envelope, conduit.write_envelope, conduit.destroy_envelope"
        " TO conduit_console"
    )
    op.execute("GRANT EXECUTE ON FUNCTION conduit.write_data_key TO conduit_platform")

"""In which order a tenant's rows are erased (who refers before who is referred to), and what is kept."""

# What migration 0006 knows; later ones replace its function with the whole list.
ERASED_BEFORE_0008 = (
    "console_session",
    "invitation",
    "approval",
    "administrator",
    "endpoint_exception",
    "endpoint_rule",
    "endpoint_seen",
    "limit_rule",
    "placeholder",
    "credential_secret",
    "credential",
    "network",
    "address_session",
    "member",
    "team",
    "tenant_secret",
    "usage",
    "event",
)

# A tenant under a hold is not erased at all, so its holds go with the rest.
ERASED = (
    "pinned_bypass",
    "branding",
    "endpoint_use",
    "endpoint_review",
    "kept_content",
    "content_policy",
    "retention",
    "hold",
    "alert",
    "alert_position",
    "price_rule",
    "usage_correction",
    "sufficiency_rule",
    "account_list",
    *ERASED_BEFORE_0008,
)

# The tenant's own row, and the hashes that an earlier export can still be verified against.
KEPT = ("tenant", "chain_head", "checkpoint")

# Tables without a tenant that are under row-level security.
PLATFORM = ("platform_endpoint_rule", "spool_position")

_ERASE = """
CREATE OR REPLACE FUNCTION conduit.erase_rows(tenant uuid, table_name text, batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    erased bigint;
BEGIN
    PERFORM FROM conduit.tenant WHERE tenant_id = $1 AND state = 'deleting' FOR SHARE;
    IF NOT FOUND OR conduit.purpose() IS DISTINCT FROM 'deletion' OR $2 <> ALL (ARRAY[{tables}]) THEN
        RAISE EXCEPTION 'these rows may not be erased' USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format(
        'WITH gone AS (DELETE FROM conduit.%I WHERE (tableoid, ctid) IN'
        ' (SELECT tableoid, ctid FROM conduit.%I WHERE tenant_id = $1 LIMIT $2) RETURNING 1)'
        ' SELECT count(*) FROM gone', $2, $2) INTO erased USING $1, $3;
    RETURN erased;
END $$
"""


def erase_function(tables: tuple[str, ...]) -> str:
    """The function by which rows of exactly these tables can be erased."""
    return _ERASE.format(tables=", ".join(f"'{table}'" for table in tables))

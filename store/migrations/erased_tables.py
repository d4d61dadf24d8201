"""In which order a tenant's rows are erased (who refers before who is referred to), and what is kept."""

ERASED = (
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

# The tenant's own row, and the hashes that an earlier export can still be verified against.
KEPT = ("tenant", "chain_head", "checkpoint")

# Tables without a tenant that are under row-level security.
PLATFORM = ("platform_endpoint_rule", "spool_position")

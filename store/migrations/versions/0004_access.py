"""Who may touch what: row-level security on every table, and the least rights of each role.

Nobody but the owner may TRUNCATE (it ignores row-level security), and nobody reads the vault's rows by a
plain SELECT: functions of migration 0005 hand out single envelopes.
"""

from alembic import op

from store.migrations.row_security import forced, platform_policy, tenant_policy

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# table: {command: purposes}, for sessions of the platform
PLATFORM: dict[str, dict[str, str]] = {
    "tenant": {
        "SELECT": "snapshot shipping rebuild sign_in reporting administration deletion",
        "INSERT": "administration",
        "UPDATE": "administration deletion",
    },
    "tenant_secret": {},
    "team": {"SELECT": "snapshot reporting"},
    "member": {"SELECT": "snapshot reporting"},
    "network": {"SELECT": "snapshot reporting administration"},
    "address_session": {"SELECT": "snapshot reporting"},
    "credential": {"SELECT": "snapshot reporting"},
    "credential_secret": {},
    "placeholder": {"SELECT": "snapshot reporting"},
    "limit_rule": {"SELECT": "snapshot reporting"},
    "endpoint_rule": {"SELECT": "snapshot reporting"},
    "endpoint_exception": {"SELECT": "snapshot reporting"},
    "endpoint_seen": {"SELECT": "shipping reporting", "INSERT": "shipping", "UPDATE": "shipping"},
    "usage": {"SELECT": "rebuild reporting shipping", "INSERT": "shipping"},
    "event": {
        "SELECT": "shipping reporting administration sign_in deletion",
        "INSERT": "shipping administration sign_in deletion",
    },
    "chain_head": {
        "SELECT": "shipping reporting administration sign_in deletion",
        "INSERT": "shipping administration sign_in deletion",
        "UPDATE": "shipping administration sign_in deletion",
    },
    "checkpoint": {"SELECT": "shipping reporting", "INSERT": "shipping", "UPDATE": "shipping"},
    "administrator": {
        "SELECT": "sign_in administration reporting",
        "INSERT": "sign_in administration",
        "UPDATE": "sign_in administration",
    },
    "console_session": {
        "SELECT": "sign_in administration",
        "INSERT": "sign_in",
        "UPDATE": "sign_in administration",
    },
    "invitation": {
        "SELECT": "sign_in administration",
        "INSERT": "administration",
        "UPDATE": "sign_in administration",
    },
    "approval": {"SELECT": "reporting administration"},
}

# Tables of the platform alone; a worker's policy and an operator's page read the rules for everybody.
SHARED = {
    "platform_endpoint_rule": {
        "SELECT": "snapshot reporting administration sign_in",
        "INSERT": "administration",
        "UPDATE": "administration",
        "DELETE": "administration",
    },
    "spool_position": {
        "SELECT": "shipping reporting",
        "INSERT": "shipping",
        "UPDATE": "shipping",
        "DELETE": "shipping",
    },
}

WRITTEN_BY_CONSOLE = (
    "team",
    "member",
    "network",
    "address_session",
    "credential",
    "placeholder",
    "limit_rule",
    "endpoint_rule",
    "endpoint_exception",
    "approval",
)
ADMINISTRATOR_SHOWN = "tenant_id, id, name, role, failed_attempts, locked_until, enabled, created_at"
INVITATION_SHOWN = "tenant_id, id, name, role, created_at, expires_at, used_at"
TENANT_SETTINGS = "time_zone, data_residency, degraded_mode"


def upgrade() -> None:
    """Force row-level security, create the policies, grant."""
    for table, commands in {**PLATFORM, **SHARED}.items():
        for statement in forced(table):
            op.execute(statement)
        if table in PLATFORM:
            op.execute(tenant_policy(table))
        for command, purposes in commands.items():
            op.execute(platform_policy(table, command, purposes))
            op.execute(f"GRANT {command} ON conduit.{table} TO conduit_platform")
    # What holds for all holds for each: a tenant's page shows it beside the tenant's own decisions.
    op.execute(
        "CREATE POLICY tenant_read ON conduit.platform_endpoint_rule FOR SELECT"
        " TO conduit_console, conduit_auditor USING ((SELECT conduit.tenant()) IS NOT NULL)"
    )
    op.execute("GRANT SELECT ON conduit.platform_endpoint_rule TO conduit_console, conduit_auditor")
    op.execute(
        "GRANT SELECT ON conduit.policy_version"
        " TO conduit_gateway, conduit_console, conduit_auditor, conduit_platform"
    )
    # Enabled, not forced: the trigger writes it as the owner, under whatever claim.
    op.execute("ALTER TABLE conduit.policy_change ENABLE ROW LEVEL SECURITY")
    op.execute(platform_policy("policy_change", "SELECT", "snapshot"))
    op.execute("GRANT SELECT ON conduit.policy_change TO conduit_platform")
    _grant_console()
    _grant_gateway()
    _grant_auditor()


def _grant_console() -> None:
    for table in WRITTEN_BY_CONSOLE:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON conduit.{table} TO conduit_console")
    op.execute(f"GRANT SELECT, UPDATE ({TENANT_SETTINGS}) ON conduit.tenant TO conduit_console")
    op.execute("GRANT SELECT ON conduit.endpoint_seen, conduit.usage TO conduit_console")
    op.execute("GRANT SELECT, INSERT ON conduit.event, conduit.checkpoint TO conduit_console")
    op.execute("GRANT SELECT, INSERT, UPDATE ON conduit.chain_head TO conduit_console")
    op.execute(f"GRANT SELECT ({ADMINISTRATOR_SHOWN}) ON conduit.administrator TO conduit_console")
    op.execute(f"GRANT SELECT ({INVITATION_SHOWN}) ON conduit.invitation TO conduit_console")
    op.execute(
        "GRANT EXECUTE ON FUNCTION conduit.prepare_usage_months"
        " TO conduit_console, conduit_gateway, conduit_platform"
    )


def _grant_gateway() -> None:
    op.execute("GRANT SELECT ON conduit.tenant TO conduit_gateway")
    op.execute("GRANT SELECT, INSERT ON conduit.usage, conduit.event, conduit.checkpoint TO conduit_gateway")
    op.execute("GRANT SELECT, INSERT, UPDATE ON conduit.chain_head, conduit.endpoint_seen TO conduit_gateway")


def _grant_auditor() -> None:
    tables = ", ".join(
        f"conduit.{table}"
        for table in (*WRITTEN_BY_CONSOLE, "tenant", "endpoint_seen", "usage", "event", "chain_head")
    )
    op.execute(f"GRANT SELECT ON {tables}, conduit.checkpoint TO conduit_auditor")
    op.execute(f"GRANT SELECT ({ADMINISTRATOR_SHOWN}) ON conduit.administrator TO conduit_auditor")

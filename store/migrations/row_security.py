"""Statements that put a table under row-level security. Migrations call these; nothing else does.

A policy for tenants compares with ``(select conduit.tenant())``: the sub-select makes PostgreSQL check the
claim once per statement instead of once per row. Policies for the platform are for the role
``conduit_platform`` alone, so that they never widen, nor slow down, a tenant's query.
"""

TENANT_ROLES = "conduit_owner, conduit_gateway, conduit_console, conduit_auditor"


def forced(table: str) -> list[str]:
    """Row-level security that even the table's owner is under."""
    return [
        f"ALTER TABLE conduit.{table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE conduit.{table} FORCE ROW LEVEL SECURITY",
    ]


def tenant_policy(table: str) -> str:
    """Each tenant session sees and writes the rows of its own tenant."""
    condition = "tenant_id = (SELECT conduit.tenant())"
    return (
        f"CREATE POLICY tenant ON conduit.{table} TO {TENANT_ROLES}"
        f" USING ({condition}) WITH CHECK ({condition})"
    )


def platform_policy(table: str, command: str, purposes: str, role: str = "conduit_platform") -> str:
    """Sessions of the named purposes (separated by blanks) may do one command to every tenant's rows."""
    listed = ", ".join(f"'{purpose}'" for purpose in purposes.split())
    condition = f"(SELECT conduit.purpose()) IN ({listed})"
    checks = {
        "SELECT": f"USING ({condition})",
        "INSERT": f"WITH CHECK ({condition})",
        "UPDATE": f"USING ({condition}) WITH CHECK ({condition})",
        "DELETE": f"USING ({condition})",
    }[command]
    name = f"platform_{command.lower()}" if role == "conduit_platform" else f"{role}_{command.lower()}"
    return f"CREATE POLICY {name} ON conduit.{table} FOR {command} TO {role} {checks}"

"""Refuse to serve with a role, or a schema, that row-level security does not hold.

``check_role`` runs before a store opens; ``conduit doctor`` prints what both checks find. Reads system
catalogues only.
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from store.errors import UnsafeRole


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that would let rows past their tenant, and how to mend it."""

    problem: str
    remedy: str


# (what is true of an unsafe role, the problem, the remedy); {role} is filled in
_ROLE_CHECKS = (
    ("r.rolsuper", "{role} is a superuser", "ALTER ROLE {role} NOSUPERUSER"),
    ("r.rolbypassrls", "{role} bypasses row-level security", "ALTER ROLE {role} NOBYPASSRLS"),
    ("r.rolcreaterole", "{role} may create roles", "ALTER ROLE {role} NOCREATEROLE"),
    ("r.rolcreatedb", "{role} may create databases", "ALTER ROLE {role} NOCREATEDB"),
    ("r.rolreplication", "{role} may replicate, which reads every row", "ALTER ROLE {role} NOREPLICATION"),
    (
        "pg_has_role(r.oid, 'conduit_owner', 'MEMBER') AND NOT r.rolsuper",
        "{role} may become the owner of the schema",
        "REVOKE conduit_owner FROM {role}",
    ),
    (
        "EXISTS (SELECT FROM pg_roles o WHERE (o.rolsuper OR o.rolbypassrls) AND o.oid <> r.oid"
        " AND pg_has_role(r.oid, o.oid, 'MEMBER')) AND NOT r.rolsuper",
        "{role} may become a role that bypasses row-level security",
        "revoke that membership from {role}",
    ),
    (
        "EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid"
        " AND c.relnamespace = 'conduit'::regnamespace)",
        "{role} owns tables of the schema",
        "ALTER TABLE … OWNER TO conduit_owner; let `conduit up` migrate with the owner's URL",
    ),
    (
        "EXISTS (SELECT FROM pg_roles o WHERE o.rolname IN ('pg_read_all_data', 'pg_write_all_data',"
        " 'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')"
        " AND pg_has_role(r.oid, o.oid, 'MEMBER')) AND NOT r.rolsuper",
        "{role} may read or write beyond its grants",
        "revoke the predefined roles (pg_read_all_data and the like) from {role}",
    ),
)

# Everything in the schema that carries tenants and is not wholly under forced policies. A partition has no
# policy of its own, which denies all; it is reached through its parent.
_UNFORCED = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'conduit'::regnamespace AND c.relkind IN ('r', 'p')
  AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'
              AND NOT a.attisdropped)
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity
    AND (c.relispartition OR EXISTS (
      SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*' AND p.polpermissive
        AND pg_get_expr(p.polqual, p.polrelid) LIKE '(tenant_id = ( SELECT conduit.tenant()%'
        AND pg_get_expr(p.polwithcheck, p.polrelid) LIKE '(tenant_id = ( SELECT conduit.tenant()%')))
ORDER BY 1
"""

# A policy for the serving roles, or for everybody, that does not ask for the claim.
_OPEN_POLICIES = """
SELECT c.relname || '.' || p.polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
WHERE c.relnamespace = 'conduit'::regnamespace
  AND (coalesce(pg_get_expr(p.polqual, p.polrelid), 'conduit.purpose()')
         NOT SIMILAR TO '%conduit.(tenant|purpose)\\(\\)%'
    OR coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'conduit.purpose()')
         NOT SIMILAR TO '%conduit.(tenant|purpose)\\(\\)%')
ORDER BY 1
"""

_TRUNCATABLE = """
SELECT DISTINCT c.relname FROM pg_class c, aclexplode(c.relacl) g
WHERE c.relnamespace = 'conduit'::regnamespace AND g.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER')
  AND g.grantee <> c.relowner ORDER BY 1
"""

_LOOSE_REFERENCES = """
SELECT con.conname FROM pg_constraint con
JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attname = 'tenant_id'
WHERE con.connamespace = 'conduit'::regnamespace AND con.contype = 'f'
  AND NOT a.attnum = ANY (con.conkey) ORDER BY 1
"""

# Two names are unique over all tenants on purpose: a tenant's, and a sign-in's (migration 0003 says why).
_LOOSE_KEYS = """
SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
WHERE c.relnamespace = 'conduit'::regnamespace AND i.indisunique AND NOT a.attnum = ANY (i.indkey)
  AND i.indexrelid::regclass::text NOT IN ('conduit.tenant_name', 'conduit.administrator_name')
ORDER BY 1
"""

_BYPASSING_VIEWS = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'conduit'::regnamespace AND (c.relkind = 'm'
  OR c.relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false)) ORDER BY 1
"""

_LOOSE_FUNCTIONS = """
SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'conduit'::regnamespace AND p.prosecdef
  AND (NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)
    OR has_function_privilege('public', p.oid, 'EXECUTE')) ORDER BY 1
"""

# What the owner could not read whole would be missing from backups, and uncounted in a tenant's erasure.
_PARTLY_SAVED = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'conduit'::regnamespace AND c.relkind IN ('r', 'p')
  AND c.relforcerowsecurity AND NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'whole') ORDER BY 1
"""

_SCHEMA_CHECKS = (
    (_UNFORCED, "table {} is not under forced row-level security with a tenant policy"),
    (_OPEN_POLICIES, "policy {} does not ask for the claim"),
    (_TRUNCATABLE, "others than the owner may truncate, reference or put triggers on table {}"),
    (_LOOSE_REFERENCES, "foreign key {} does not carry the tenant"),
    (_LOOSE_KEYS, "unique index {} does not carry the tenant"),
    (_PARTLY_SAVED, "a backup, or a tenant's erasure, would miss rows of table {}"),
    (_BYPASSING_VIEWS, "view {} runs with its owner's rights"),
    (_LOOSE_FUNCTIONS, "function {} runs as the owner with an open search_path, or for everybody"),
)


async def inspect_role(connection: AsyncConnection) -> list[Finding]:
    """What is unsafe about the role that this connection signed in with; empty when it may serve."""
    columns = ", ".join(f"({condition})" for condition, _, _ in _ROLE_CHECKS)
    query = f"SELECT r.rolname, {columns} FROM pg_roles r WHERE r.rolname = session_user"  # noqa: S608
    role, *unsafe = (await connection.execute(text(query))).one()
    return [
        Finding(problem.format(role=role), remedy.format(role=role))
        for (_, problem, remedy), found in zip(_ROLE_CHECKS, unsafe, strict=True)
        if found
    ]


async def inspect_schema(connection: AsyncConnection) -> list[Finding]:
    """Every place in the schema that tenancy does not hold; empty when the migrations stand as written."""
    remedy = "somebody changed the schema by hand: restore it, or undo the change as conduit_owner"
    findings: list[Finding] = []
    for query, problem in _SCHEMA_CHECKS:
        names = (await connection.execute(text(query))).scalars()
        findings += [Finding(problem.format(name), remedy) for name in names]
    return findings


async def check_role(connection: AsyncConnection) -> None:
    """Raise ``UnsafeRole`` unless the role is one that row-level security holds."""
    findings = await inspect_role(connection)
    if findings:
        raise UnsafeRole("; ".join(f"{found.problem} (mend: {found.remedy})" for found in findings))

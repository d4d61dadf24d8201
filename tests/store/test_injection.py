"""Whatever SQL is injected into a tenant's session, it neither reads nor changes another tenant's row."""

import time
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policy.identifiers import TenantId
from store import credentials, custody, members, placeholders
from store.canary_rows import furnish, state_of
from store.claim import Purpose, purpose_claim, tenant_claim
from store.door import Store
from store.migrations.row_security import TENANT_ROLES
from store.roles import RoleSecrets
from tests.store.conftest import a_tenant, broken

# Asked of the database, so that no table and no function that a migration adds is left out.
TABLES = """
SELECT c.relname::text FROM pg_class c
WHERE c.relnamespace = 'conduit'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') ORDER BY 1
"""
FUNCTIONS = """
SELECT p.proname::text, ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes::oid[]) AS t)
FROM pg_proc p WHERE p.pronamespace = 'conduit'::regnamespace AND p.prorettype <> 'trigger'::regtype
ORDER BY p.proname, p.oid::text
"""
# With what the victim is furnished; other tests use other numbers.
NUMBER = 99
ROLES = [
    "conduit_owner",
    "conduit_console",
    "conduit_gateway",
    "conduit_auditor",
    "conduit_platform",
    "postgres",
]


@dataclass(frozen=True)
class Victim:
    """A tenant whose rows hold ``marker``, or the canary's names; its ids, any attack may know."""

    tenant_id: TenantId
    marker: str
    member_id: UUID
    credential_id: UUID


@dataclass(frozen=True)
class Scene:
    victim: Victim
    attacker: TenantId
    stolen_claim: str
    secrets: RoleSecrets
    tables: list[str]
    calls: list[str]


@pytest.fixture
async def scene(store: Store, role_secrets: RoleSecrets, postgres_url: str) -> Scene:
    victim_id, attacker, marker = await a_tenant(store), await a_tenant(store), uuid4().hex
    async with store.tenant(victim_id) as session:
        member = await members.create(session, name=marker)
        key = await credentials.create(session, provider="openai", name=marker, hosts=[f"{marker}.test"])
        sealed = marker.encode()
        await custody.write_data_key(session, tenant_id=victim_id, version=1, data_key=sealed)
        await custody.write_envelope(session, credential_id=key.id, version=1, envelope=sealed)
        binding = placeholders.Binding(member.id, key.id)
        await placeholders.create(session, digest=sealed[:32], binding=binding)
        await furnish(session, victim_id, number=NUMBER)
    async with store.tenant(attacker) as session:
        await members.create(session, name="attacker")
    stolen = tenant_claim(
        role_secrets.claim_key, victim_id, expires_at=int(time.time()) + 500, backend=2**31 - 1
    )
    victim = Victim(victim_id, marker, member.id, key.id)
    with psycopg.connect(postgres_url) as owner:
        tables = [name for (name,) in owner.execute(TABLES)]
        calls = [called(name, kinds, victim) for name, kinds in owner.execute(FUNCTIONS)]
    return Scene(victim, attacker, stolen, role_secrets, tables, calls)


def called(function: str, kinds: list[str], victim: Victim) -> str:
    """A call of a function of the schema with what it takes, and the victim's id wherever it takes one."""
    values = {"uuid": f"'{victim.tenant_id}'", "text": "'member'", "bytea": "'x'", "boolean": "true"}
    arguments = [values.get(kind, "'1'") + f"::{kind}" for kind in kinds]
    return f"SELECT * FROM conduit.{function}({', '.join(arguments)})"


def attacks(scene: Scene) -> st.SearchStrategy[str]:
    """Statements that an injected string could hold, with the victim's ids and a claim stolen elsewhere."""
    victim, member, credential = scene.victim.tenant_id, scene.victim.member_id, scene.victim.credential_id
    tables, roles = st.sampled_from(scene.tables), st.sampled_from(ROLES)
    claims = st.sampled_from(
        ["", str(victim), scene.stolen_claim, f"v1.t.{victim}.9999999999.0.{'a' * 64}", "v1.p.snapshot.0.0.0"]
    )
    local = st.sampled_from(["true", "false"])
    reads = tables.flatmap(
        lambda t: st.sampled_from(
            [
                f"SELECT * FROM conduit.{t}",
                f"SELECT * FROM conduit.{t} WHERE tenant_id = '{victim}' OR true",
                f"SELECT t::text FROM conduit.{t} t",
                f"COPY conduit.{t} TO STDOUT",
                f"COPY (SELECT * FROM conduit.{t}) TO STDOUT",
                f"SELECT query_to_xml('SELECT * FROM conduit.{t}', true, true, '')",
                f"SELECT table_to_xml('conduit.{t}', true, true, '')",
                f"SELECT * FROM conduit.{t} FOR UPDATE",
                f"PREPARE p{t} AS SELECT * FROM conduit.{t}",
                f"EXECUTE p{t}",
                f"DECLARE c{t} CURSOR WITH HOLD FOR SELECT * FROM conduit.{t}",
                f"FETCH ALL FROM c{t}",
                f"CREATE TEMP TABLE mine_{t} AS SELECT * FROM conduit.{t}",
                f"TABLE mine_{t}",
                f"CREATE TEMP VIEW view_{t} AS SELECT * FROM conduit.{t}",
                f"SELECT * FROM pg_temp.view_{t}",
                f"SELECT * FROM pg_stats WHERE tablename = '{t}'",
                f"DO $$ BEGIN RAISE '%', (SELECT string_agg(t::text, '') FROM conduit.{t} t); END $$",
                f"SELECT 1 / (CASE WHEN t::text LIKE '%' THEN 0 ELSE 1 END) FROM conduit.{t} t",
                f"SELECT count(*) OVER (), * FROM conduit.{t} TABLESAMPLE SYSTEM (100)",
                f"EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM conduit.{t}",
            ]
        )
    )
    writes = tables.flatmap(
        lambda t: st.sampled_from(
            [
                f"DELETE FROM conduit.{t}",
                f"DELETE FROM conduit.{t} WHERE tenant_id = '{victim}' RETURNING *",
                f"TRUNCATE conduit.{t} CASCADE",
                f"UPDATE conduit.{t} SET tenant_id = '{scene.attacker}'",
                f"UPDATE conduit.{t} SET tenant_id = '{victim}' RETURNING *",
                f"INSERT INTO conduit.{t} (tenant_id) VALUES ('{victim}')",
                f"COPY conduit.{t} FROM STDIN",
                f"ALTER TABLE conduit.{t} DISABLE ROW LEVEL SECURITY",
                f"ALTER TABLE conduit.{t} OWNER TO conduit_gateway",
                f"CREATE POLICY gift ON conduit.{t} USING (true)",
                f"GRANT ALL ON conduit.{t} TO PUBLIC",
                f"DROP TABLE conduit.{t} CASCADE",
                f"LOCK TABLE conduit.{t} IN ACCESS EXCLUSIVE MODE NOWAIT",
            ]
        )
    )
    settings_ = st.one_of(
        st.builds("SET conduit.claim = '{}'".format, claims),
        st.builds("SET LOCAL conduit.claim = '{}'".format, claims),
        st.builds("SELECT set_config('conduit.claim', '{}', {})".format, claims, local),
        st.builds(
            "SELECT set_config('conduit.claim', replace(current_setting('conduit.claim'),"
            f" '{scene.attacker}', '{victim}'), {{}})".format,
            local,
        ),
        st.builds("SELECT set_config('conduit.claim', current_setting('conduit.claim'), {})".format, local),
        st.builds("SET ROLE {}".format, roles),
        st.builds("SELECT set_config('role', '{}', {})".format, roles, local),
        st.builds("SET SESSION AUTHORIZATION {}".format, roles),
        st.builds("SET row_security = {}".format, st.sampled_from(["on", "off"])),
        st.builds("SET search_path = {}".format, st.sampled_from(["pg_temp, conduit", "conduit", "pg_temp"])),
        st.builds("SET session_replication_role = {}".format, st.sampled_from(["replica", "origin"])),
        st.builds(
            "SET {} = {}".format,
            st.sampled_from(["debug_parallel_query", "plan_cache_mode"]),
            st.sampled_from(["on", "off", "force_generic_plan"]),
        ),
        st.sampled_from(["RESET ALL", "RESET conduit.claim", "RESET ROLE", "DISCARD PLANS", "DISCARD TEMP"]),
        st.sampled_from(
            ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ROLLBACK TO s", "SHOW conduit.claim"]
        ),
    )
    functions = st.sampled_from(
        [
            f"SELECT * FROM conduit.read_envelope('{credential}')",
            f"SELECT conduit.write_envelope('{credential}', 9, 'x')",
            f"SELECT conduit.destroy_envelope('{credential}')",
            "SELECT * FROM conduit.read_data_key()",
            "SELECT conduit.destroy_data_key()",
            f"SELECT conduit.write_data_key('{victim}', 9, 'x')",
            "SELECT * FROM conduit.read_all_envelopes()",
            "SELECT * FROM conduit.read_all_data_keys()",
            "SELECT conduit.claimed('t'), conduit.claimed('p')",
            "SELECT * FROM conduit_private.claim_key",
            "SELECT * FROM conduit_private.root",
            f"CREATE FUNCTION pg_temp.tenant() RETURNS uuid LANGUAGE sql AS $$ SELECT '{victim}'::uuid $$",
            "CREATE OR REPLACE FUNCTION conduit.tenant() RETURNS uuid LANGUAGE sql AS"
            f" $$ SELECT '{victim}'::uuid $$",
            "CREATE FUNCTION pg_temp.pg_backend_pid() RETURNS integer LANGUAGE sql AS"
            " $$ SELECT 2147483647 $$",
            "CREATE FUNCTION pg_temp.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$",
            "CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 LEAKPROOF AS"
            " $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$",
            "CREATE FUNCTION pg_temp.peek(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS"
            " $$ BEGIN RAISE EXCEPTION '%', $1; END $$",
            "SELECT * FROM conduit.member WHERE pg_temp.peek(name)",
            "SELECT schema_to_xml('conduit', true, true, '')",
            "SELECT * FROM pg_stat_activity",
            "SELECT * FROM pg_prepared_statements",
            "SELECT pg_read_file('postgresql.conf')",
            "SELECT lo_import('/etc/passwd')",
            "SELECT pg_advisory_lock(1), pg_advisory_unlock_all()",
            f"INSERT INTO conduit.placeholder (tenant_id, id, member_id, credential_id, digest) VALUES"
            f" ('{scene.attacker}', gen_random_uuid(), '{member}', '{credential}', sha256('x'))",
            f"INSERT INTO conduit.member (tenant_id, id, name) VALUES ('{victim}', '{member}', 'x')"
            " ON CONFLICT (tenant_id, id) DO UPDATE SET name = 'x' RETURNING *",
            f"MERGE INTO conduit.member m USING (SELECT '{member}'::uuid AS id) s ON m.id = s.id"
            " WHEN MATCHED THEN UPDATE SET name = 'x'",
        ]
    )
    return st.one_of(reads, writes, settings_, functions, st.sampled_from(scene.calls))


def answer_to(connection: psycopg.Connection, statement: str) -> str:
    """All that the statement gives back: rows, copied data, notices, or the error in full."""
    notices: list[str] = []
    connection.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
    try:
        with connection.cursor() as cursor:
            if statement.startswith("COPY") and statement.endswith("STDOUT"):
                with cursor.copy(statement) as copy:
                    return b"".join(bytes(part) for part in copy).decode()
            if statement.startswith("COPY"):
                with cursor.copy(statement):
                    return ""
            cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
            return readable(rows) + "".join(notices)
    except psycopg.Error as error:
        diagnosis = error.diag
        return f"{error} {diagnosis.message_detail} {diagnosis.context} {''.join(notices)}"


def readable(rows: list[tuple[object, ...]]) -> str:
    return " ".join(
        value.decode("utf-8", "replace") + value.hex() if isinstance(value, bytes) else str(value)
        for row in rows
        for value in row
    )


def run(scene: Scene, dsn: str, statements: list[str], claim: str) -> str:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT set_config('conduit.claim', %s, true)", [claim])
        seen = "".join(answer_to(connection, statement) for statement in statements)
        if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            seen += answer_to(connection, "COMMIT")
        return seen


def own_claim(scene: Scene) -> str:
    return tenant_claim(scene.secrets.claim_key, scene.attacker, expires_at=int(time.time()) + 300, backend=0)


def leaks(scene: Scene, seen: str) -> bool:
    marks = [scene.victim.marker, f"canary {NUMBER}", f"canary-{NUMBER}.invalid", f"canary envelope {NUMBER}"]
    return marked(seen, marks)


def marked(seen: str, marks: list[str]) -> bool:
    return any(mark in seen or mark.encode().hex() in seen for mark in marks)


async def victim_state(store: Store, scene: Scene) -> tuple[object, ...]:
    async with store.tenant(scene.victim.tenant_id) as session:
        return await state_of(session)


@pytest.mark.parametrize("role", ["gateway_dsn", "console_dsn", "auditor_dsn"])
async def test_injected_statements_stay_with_their_tenant(store: Store, scene: Scene, role: str) -> None:
    dsn = getattr(scene.secrets, role)
    before = await victim_state(store, scene)

    @settings(max_examples=120, suppress_health_check=list(HealthCheck))
    @given(program=st.lists(attacks(scene), min_size=1, max_size=8))
    def attack(program: list[str]) -> None:
        assert not leaks(scene, run(scene, dsn, program, own_claim(scene)))

    attack()
    assert await victim_state(store, scene) == before


@pytest.mark.parametrize("purpose", [Purpose.SIGN_IN, Purpose.DELETION])
async def test_a_narrow_platform_session_reads_no_tenants_keys(
    store: Store, scene: Scene, purpose: Purpose
) -> None:
    claim = purpose_claim(scene.secrets.claim_key, purpose, expires_at=int(time.time()) + 300, backend=0)

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(program=st.lists(attacks(scene), min_size=1, max_size=6))
    def attack(program: list[str]) -> None:
        # Not the furnished rows: a deletion may look for holds, and a sign-in at tenants.
        seen = run(scene, scene.secrets.console_dsn, ["SET ROLE conduit_platform", *program], claim)
        assert not marked(seen, [scene.victim.marker])

    before = await victim_state(store, scene)
    attack()
    assert await victim_state(store, scene) == before


def test_the_victims_own_claim_shows_its_rows(scene: Scene) -> None:
    """The twin that makes the tests above mean something: the marker is there to be seen."""
    claim = tenant_claim(
        scene.secrets.claim_key, scene.victim.tenant_id, expires_at=int(time.time()) + 300, backend=0
    )
    assert leaks(scene, run(scene, scene.secrets.console_dsn, ["SELECT * FROM conduit.member"], claim))


@pytest.mark.parametrize(
    "hole",
    [
        "CREATE POLICY gift ON conduit.member FOR SELECT TO conduit_console USING (true)",
        "CREATE POLICY gift ON conduit.member FOR SELECT TO conduit_console"
        " USING (tenant_id::text = split_part(current_setting('conduit.claim'), '.', 3))",
    ],
    ids=["an open policy", "a claim that nobody checks"],
)
def test_an_opened_table_leaks(scene: Scene, postgres_url: str, hole: str) -> None:
    program = [f"SET conduit.claim = 'v1.t.{scene.victim.tenant_id}.1.0.x'", "SELECT * FROM conduit.member"]
    dsn = scene.secrets.console_dsn
    mending = f"DROP POLICY gift ON conduit.member;ALTER POLICY tenant ON conduit.member TO {TENANT_ROLES}"
    without_check = f"{hole}; ALTER POLICY tenant ON conduit.member TO conduit_owner"
    with broken(postgres_url, without_check, mending):
        assert leaks(scene, run(scene, dsn, program, own_claim(scene)))
    assert not leaks(scene, run(scene, dsn, program, own_claim(scene)))

"""Only the holder of the key can say for whom a session acts; everything else that SQL can set is refused."""

import time
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policy.identifiers import TenantId
from store.claim import LIFETIME_MAX_S, Purpose, pads, purpose_claim, tenant_claim
from store.roles import RoleSecrets

TENANT = UUID("0198c0de-0000-7000-8000-000000000001")


@pytest.fixture
def console(role_secrets: RoleSecrets) -> psycopg.Connection:
    with psycopg.connect(role_secrets.console_dsn, autocommit=True) as connection:
        yield connection


def claimed(connection: psycopg.Connection, claim: str, ask: str = "conduit.tenant()") -> object:
    connection.execute("SELECT set_config('conduit.claim', %s, false)", [claim])
    return connection.execute(f"SELECT {ask}").fetchone()[0]


def a_claim(connection: psycopg.Connection, key: bytes, **changed: object) -> str:
    facts = {"expires_at": int(time.time()) + 60, "backend": connection.info.backend_pid, **changed}
    return tenant_claim(key, TENANT, **facts)


def test_a_signed_claim_names_its_tenant(console: psycopg.Connection, role_secrets: RoleSecrets) -> None:
    assert claimed(console, a_claim(console, role_secrets.claim_key)) == TENANT


def test_a_claim_for_any_backend_is_good_behind_a_pooler(
    console: psycopg.Connection, role_secrets: RoleSecrets
) -> None:
    assert claimed(console, a_claim(console, role_secrets.claim_key, backend=0)) == TENANT


@pytest.mark.parametrize(
    "claim", ["", str(TENANT), f"v1.t.{TENANT}.9999999999.0.{'0' * 64}", "v1.t.....", "\t"]
)
def test_what_is_not_signed_is_refused(console: psycopg.Connection, claim: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no valid claim"):
        claimed(console, claim)


def test_a_session_without_a_claim_is_refused(console: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no valid claim"):
        console.execute("SELECT count(*) FROM conduit.member")


@pytest.mark.parametrize(
    "changed",
    [
        {"expires_at": int(time.time()) - 1},
        {"expires_at": int(time.time()) + 10 * LIFETIME_MAX_S},
        {"backend": 1},
    ],
)
def test_a_claim_of_another_time_or_backend_is_refused(
    console: psycopg.Connection, role_secrets: RoleSecrets, changed: dict[str, int]
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no valid claim"):
        claimed(console, a_claim(console, role_secrets.claim_key, **changed))


def test_a_claim_under_another_key_is_refused(console: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no valid claim"):
        claimed(console, a_claim(console, b"k" * 32))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(min_value=0), character=st.sampled_from("0123456789abcdeftp.v- _"))
def test_a_claim_altered_anywhere_is_refused(
    console: psycopg.Connection, role_secrets: RoleSecrets, place: int, character: str
) -> None:
    claim = a_claim(console, role_secrets.claim_key)
    place %= len(claim)
    altered = claim[:place] + character + claim[place + 1 :]
    if altered == claim:
        assert claimed(console, altered) == TENANT
        return
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no valid claim"):
        claimed(console, altered)


def test_a_platform_claim_names_no_tenant(console: psycopg.Connection, role_secrets: RoleSecrets) -> None:
    claim = purpose_claim(
        role_secrets.claim_key, Purpose.REPORTING, expires_at=int(time.time()) + 60, backend=0
    )
    assert claimed(console, claim) is None
    assert claimed(console, claim, "conduit.purpose()") == "reporting"
    assert console.execute("SELECT count(*) FROM conduit.member").fetchone() == (0,)


def test_a_tenant_claim_names_no_purpose(console: psycopg.Connection, role_secrets: RoleSecrets) -> None:
    assert claimed(console, a_claim(console, role_secrets.claim_key), "conduit.purpose()") is None


ALLOWED = {
    "gateway_dsn": {Purpose.SNAPSHOT, Purpose.SHIPPING},
    "console_dsn": {Purpose.SIGN_IN, Purpose.REPORTING, Purpose.ADMINISTRATION, Purpose.DELETION},
    "auditor_dsn": {Purpose.REPORTING},
}


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("role", ALLOWED)
def test_a_role_has_its_own_purposes_alone(role_secrets: RoleSecrets, role: str, purpose: Purpose) -> None:
    claim = purpose_claim(role_secrets.claim_key, purpose, expires_at=int(time.time()) + 60, backend=0)
    with psycopg.connect(getattr(role_secrets, role), autocommit=True) as connection:
        if purpose in ALLOWED[role]:
            assert claimed(connection, claim, "conduit.purpose()") == purpose
            return
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no valid claim"):
            claimed(connection, claim, "conduit.purpose()")


@pytest.mark.parametrize("role", ALLOWED)
def test_no_serving_role_can_read_the_key(role_secrets: RoleSecrets, role: str) -> None:
    with psycopg.connect(getattr(role_secrets, role), autocommit=True) as connection:
        for table in ("claim_key", "root"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT * FROM conduit_private.{table}")


def test_secrets_do_not_show(role_secrets: RoleSecrets) -> None:
    assert repr(role_secrets) == "RoleSecrets()"
    assert repr(pads(role_secrets.claim_key)) == "Pads()"


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        pads(b"short")


def test_an_unknown_tenant_sees_nothing(
    console: psycopg.Connection, role_secrets: RoleSecrets, tenant: TenantId
) -> None:
    claimed(console, a_claim(console, role_secrets.claim_key))
    assert console.execute("SELECT count(*) FROM conduit.tenant").fetchone() == (0,)

"""The isolation canary is quiet while tenants are kept apart, and sings when any guard is taken out."""

import inspect
from datetime import UTC, datetime
from types import ModuleType

import pytest

from store import (
    accounts,
    address_sessions,
    administrators,
    alerts,
    approvals,
    branding,
    console_sessions,
    content,
    credentials,
    custody,
    endpoints,
    events,
    inventory,
    limits,
    members,
    networks,
    pinned,
    placeholders,
    retention,
    teams,
    tenants,
    usage,
)
from store.canary import Canary, CanaryResult
from store.canary_probes import PROBES
from store.door import Store
from tests.store.conftest import broken

REPOSITORIES = (
    branding,
    accounts,
    address_sessions,
    administrators,
    alerts,
    approvals,
    console_sessions,
    content,
    credentials,
    custody,
    endpoints,
    events,
    inventory,
    limits,
    members,
    networks,
    pinned,
    placeholders,
    retention,
    teams,
    tenants,
    usage,
)


async def test_nothing_is_breached(store: Store) -> None:
    canary = Canary(store)
    result = await canary.run_once()
    assert result.breaches == ()
    assert result.probes == 2 * len(PROBES)
    assert canary.last is result
    assert (await canary.run_once()).held


@pytest.mark.parametrize(
    ("statement", "mending", "function"),
    [
        (
            "ALTER TABLE conduit.member DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE conduit.member ENABLE ROW LEVEL SECURITY",
            "members.every",
        ),
        (
            "CREATE POLICY gift ON conduit.placeholder FOR SELECT TO conduit_console USING (true)",
            "DROP POLICY gift ON conduit.placeholder",
            "placeholders.every",
        ),
        (
            "CREATE POLICY gift ON conduit.credential_secret FOR SELECT TO conduit_owner USING (true);"
            "CREATE OR REPLACE FUNCTION conduit.read_envelope(credential uuid)"
            " RETURNS TABLE (version integer, envelope bytea) LANGUAGE sql STABLE SECURITY DEFINER"
            " SET search_path = pg_catalog, pg_temp AS"
            " 'SELECT version, envelope FROM conduit.credential_secret WHERE credential_id = $1'",
            "DROP POLICY gift ON conduit.credential_secret;"
            "CREATE OR REPLACE FUNCTION conduit.read_envelope(credential uuid)"
            " RETURNS TABLE (version integer, envelope bytea) LANGUAGE sql STABLE SECURITY DEFINER"
            " SET search_path = pg_catalog, pg_temp AS"
            " 'SELECT version, envelope FROM conduit.credential_secret"
            " WHERE tenant_id = conduit.tenant() AND credential_id = $1'",
            "custody.read_envelope",
        ),
        (
            "CREATE UNIQUE INDEX loose ON conduit.endpoint_rule (host) WHERE host LIKE 'canary-_.invalid' AND"
            " tenant_id < '00000000-0000-0000-0000-00000000000f'",
            "DROP INDEX conduit.loose",
            "endpoints.set_rule",
        ),
    ],
)
async def test_a_missing_guard_is_a_breach(
    store: Store, postgres_url: str, statement: str, mending: str, function: str
) -> None:
    canary = Canary(store)
    await canary.run_once()
    with broken(postgres_url, statement, mending):
        result = await canary.run_once()
    assert not result.held
    assert function in {breach.function for breach in result.breaches}
    assert (await canary.run_once()).breaches == ()


def test_a_run_that_tried_nothing_proves_nothing() -> None:
    assert not CanaryResult(at=datetime.now(UTC), probes=0, breaches=()).held


@pytest.mark.parametrize("module", REPOSITORIES, ids=lambda module: module.__name__)
def test_every_repository_function_is_probed(module: ModuleType) -> None:
    probed = {probe.function for probe in PROBES}
    missing = [
        name
        for name, function in inspect.getmembers(module, inspect.iscoroutinefunction)
        if function.__module__ == module.__name__ and not name.startswith("_") and function not in probed
    ]
    assert missing == []

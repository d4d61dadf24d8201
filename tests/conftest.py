"""Real engines for all tests: started once for each test process, out of the wheels, and stopped with it.

``CONDUIT_TEST_DATABASE_URL`` (of an owner role) and ``CONDUIT_TEST_REDIS_URL`` name others to test against;
with ``CONDUIT_TEST_POOLER=1`` every store works through a PgBouncer of the tests' own.
"""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings

from conduit.data_folder import DataFolder
from conduit.embedded_postgres import OWNER, SUPERUSER, EmbeddedPostgres
from conduit.embedded_valkey import EmbeddedValkey
from conduit.settings import PREFIX, TEST_PREFIX
from store.door import Store
from store.migrate import upgrade
from store.roles import RoleSecrets
from tests.standins.pooler import PgBouncer

pytest_plugins = ["tests.standins.fixtures"]

# A busy machine is no counter-example: how fast things are is measured in bench/.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

for _name in [name for name in os.environ if name.startswith(PREFIX) and not name.startswith(TEST_PREFIX)]:
    del os.environ[_name]  # what a developer runs at the side must not change what a test sees


@pytest.fixture(scope="session")
def engine_folder() -> Iterator[DataFolder]:
    """A data folder for the engines of this test process; its path is short enough for Unix sockets."""
    path = Path(tempfile.mkdtemp(prefix="conduit-test-"))
    yield DataFolder(path)
    shutil.rmtree(path)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """An empty folder whose path leaves room for Unix sockets; ``tmp_path`` often does not."""
    path = Path(tempfile.mkdtemp(prefix="conduit-test-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def postgres_url(engine_folder: DataFolder) -> Iterator[str]:
    """A libpq URL of the owner role of a real PostgreSQL, not yet migrated."""
    if url := os.environ.get("CONDUIT_TEST_DATABASE_URL"):
        yield url
        return
    server = EmbeddedPostgres(engine_folder)
    server.start()
    password = (engine_folder.path / "postgres" / "superuser.password").read_text()
    with psycopg.connect(server.owner_url, user=SUPERUSER, password=password, dbname="postgres") as superuser:
        superuser.execute(f"ALTER ROLE {OWNER} CREATEDB")  # some tests need a database of their own
    yield server.owner_url
    server.stop()


@pytest.fixture(scope="session")
def valkey_url(engine_folder: DataFolder) -> Iterator[str]:
    """A URL for ``redis.from_url`` of a real Valkey, shared by all tests: each takes its own tenant."""
    if url := os.environ.get("CONDUIT_TEST_REDIS_URL"):
        yield url
        return
    server = EmbeddedValkey(engine_folder)
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def role_secrets(postgres_url: str) -> RoleSecrets:
    """How the serving roles sign in to a migrated database."""
    return upgrade(postgres_url)


@pytest.fixture(scope="session", autouse=True)
def _pooled(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where it is asked for, a transaction pooler before the server, for every store that a test opens."""
    if not os.environ.get("CONDUIT_TEST_POOLER"):
        yield
        return
    folder, secrets = request.getfixturevalue("engine_folder"), request.getfixturevalue("role_secrets")
    plainly: Any = Store.open.__func__  # type: ignore[attr-defined]
    with PgBouncer(folder.folder("pooler"), secrets) as pooler, pytest.MonkeyPatch.context() as patch:

        async def through_it(kind: type[Store], dsn: str, claim_key: bytes, **options: Any) -> Store:
            if dsn in (secrets.gateway_dsn, secrets.console_dsn, secrets.auditor_dsn):  # of this server
                options = {"pooler": pooler.address, **options}
            opened: Store = await plainly(kind, dsn, claim_key, **options)
            return opened

        patch.setattr(Store, "open", classmethod(through_it))
        yield


@pytest.fixture
async def store(role_secrets: RoleSecrets) -> AsyncIterator[Store]:
    """The console's store: it may write policy. Each test makes tenants of its own."""
    opened = await Store.open(role_secrets.console_dsn, role_secrets.claim_key)
    yield opened
    await opened.close()

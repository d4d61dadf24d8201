"""A backup restored into a new instance serves as the old one did, and holds no key that opens anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from conduit.data_folder import DataFolder
from conduit.embedded_postgres import EmbeddedPostgres, programs
from policy.identifiers import TenantId
from store.backup import backup, restore
from store.canary_rows import furnish, state_of
from store.door import Store
from store.errors import BackupFailed
from store.guard import inspect_schema
from store.roles import RoleSecrets
from store.snapshot import SnapshotSource
from tests.store.conftest import broken

BINARIES = programs()


@pytest.fixture
def new_instance(short_path: Path) -> Iterator[str]:
    server = EmbeddedPostgres(DataFolder(short_path))
    server.start()
    yield server.owner_url
    server.stop()


async def test_a_restored_instance_serves_the_same_rows(
    store: Store, tenant: TenantId, postgres_url: str, new_instance: str, tmp_path: Path
) -> None:
    async with store.tenant(tenant) as session:
        await furnish(session, tenant, number=31)
        expected = await state_of(session)
    archive = tmp_path / "conduit.backup"
    backup(postgres_url, archive, binaries=BINARIES)
    assert archive.stat().st_mode & 0o777 == 0o600
    secrets = restore(new_instance, archive, binaries=BINARIES)
    restored = await Store.open(secrets.console_dsn, secrets.claim_key)
    async with restored.tenant(tenant) as session:
        assert await state_of(session) == expected
    async with restored.engine.connect() as connection:
        assert await inspect_schema(connection) == []
    await restored.close()
    gateway = await Store.open(secrets.gateway_dsn, secrets.claim_key)
    assert tenant in (await SnapshotSource(gateway).load()).tenants
    await gateway.close()
    with pytest.raises(BackupFailed, match="holds tenants already"):
        restore(new_instance, archive, binaries=BINARIES)


def test_the_archive_holds_no_secret_of_the_roles(
    postgres_url: str, role_secrets: RoleSecrets, tmp_path: Path
) -> None:
    archive = tmp_path / "conduit.backup"
    backup(postgres_url, archive, binaries=BINARIES)
    text = archive.read_bytes()
    assert b"conduit_private" not in text.replace(b"conduit_private.claim_key;", b"")
    assert role_secrets.claim_key not in text


def test_a_failed_backup_leaves_no_file(postgres_url: str, role_secrets: RoleSecrets, tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="pg_dump cannot be run"):
        backup(postgres_url, tmp_path / "conduit.backup", binaries=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_would_be_left_out_is_refused(
    postgres_url: str, role_secrets: RoleSecrets, tmp_path: Path
) -> None:
    hole = (
        "CREATE TABLE conduit.note (tenant_id uuid);"
        "ALTER TABLE conduit.note ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    )
    with broken(postgres_url, hole, "DROP TABLE conduit.note"), pytest.raises(BackupFailed, match="note"):
        backup(postgres_url, tmp_path / "conduit.backup", binaries=BINARIES)


def test_what_is_no_archive_is_refused(new_instance: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    for path in (tmp_path / "text", tmp_path / "nowhere"):
        with pytest.raises(BackupFailed):
            restore(new_instance, path, binaries=BINARIES)

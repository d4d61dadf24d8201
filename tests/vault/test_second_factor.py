"""An administrator's secret of one-time codes, wrapped for its owner alone."""

from uuid import UUID

import pytest

from policy.identifiers import TenantId
from vault.errors import Sealed, Unopenable
from vault.kek import KeyDocument, LocalKeys
from vault.secret import Secret
from vault.vault import Vault

TENANT = TenantId(UUID(int=7))
SECRET = "JBSWY3DPEHPK3PXP"


def test_a_second_factor_opens_for_its_owner() -> None:
    vault = Vault(LocalKeys(KeyDocument.fresh()))
    sealed = vault.seal_second_factor(Secret(SECRET), tenant_id=TENANT, name="ada")
    assert SECRET.encode() not in sealed
    assert vault.open_second_factor(sealed, tenant_id=TENANT, name="ada").matches(SECRET)


@pytest.mark.parametrize("moved", [{"name": "eve"}, {"tenant_id": TenantId(UUID(int=8))}])
def test_a_second_factor_moved_to_another_row_does_not_open(moved: dict[str, object]) -> None:
    vault = Vault(LocalKeys(KeyDocument.fresh()))
    sealed = vault.seal_second_factor(Secret(SECRET), tenant_id=TENANT, name="ada")
    with pytest.raises(Unopenable):
        vault.open_second_factor(sealed, **{"tenant_id": TENANT, "name": "ada", **moved})  # type: ignore[arg-type]


def test_a_sealed_vault_opens_no_second_factor() -> None:
    with pytest.raises(Sealed):
        Vault(None).seal_second_factor(Secret(SECRET), tenant_id=TENANT, name="ada")
    with pytest.raises(Sealed):
        Vault(None).open_second_factor(b"", tenant_id=TENANT, name="ada")

"""The canary at the vault is quiet while envelopes are bound, and sings when a binding is taken out."""

from dataclasses import replace
from typing import Any

import pytest

from store.canary import Canary, CannotTry
from store.canary_probes import PROBES
from store.door import Store
from store.vault_canary import VaultCanary
from tests.builders import some_rows
from vault.envelope import Binding
from vault.kek import KeyDocument, LocalKeys
from vault.vault import Vault


@pytest.fixture
def vault() -> Vault:
    return Vault(LocalKeys(KeyDocument.fresh()))


async def test_nothing_opens_in_a_wrong_way(vault: Vault) -> None:
    canary = VaultCanary(vault)
    for own, target in ((1, 2), (2, 1)):
        attempt = await canary.attack(some_rows(own), some_rows(target))
        assert (attempt.probes, attempt.breaches) == (10, ())


async def test_what_a_further_way_finds_counts(store: Store, vault: Vault) -> None:
    with_vault = await Canary(store, [VaultCanary(vault).attack]).run_once()
    assert with_vault.probes == 2 * (len(PROBES) + 10)
    assert with_vault.held


async def test_a_sealed_vault_proves_nothing() -> None:
    with pytest.raises(CannotTry, match="closed"):
        await VaultCanary(Vault(None)).attack(some_rows(1), some_rows(2))


@pytest.mark.parametrize("field", [{"hosts": ("any.invalid",)}, {"version": 1}], ids=["hosts", "version"])
async def test_an_envelope_that_is_not_bound_is_a_breach(
    vault: Vault, field: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = Binding.encoded
    monkeypatch.setattr(Binding, "encoded", lambda self: bound(replace(self, **field)))
    attempt = await VaultCanary(vault).attack(some_rows(1), some_rows(2))
    assert {breach.function for breach in attempt.breaches} == {"vault"}

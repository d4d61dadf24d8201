"""A signed catalogue reaches a running instance without a restart; a worse one changes nothing."""

import json
import time
from pathlib import Path

import httpx

from conduit.instance import CATALOGUE_FOLDER
from store.checkpoint import SigningKey
from tests.standins.authority import Authority
from tests.standins.office import settle, upstream_settings
from tests.standins.product import Product
from tests.standins.provider import StandIn

HOST = "brand-new.test"
FACT = "acme,trains,opt-in,https://acme.example/terms,2026-11-20"
CHAT = {"model": "house-7b", "messages": [{"role": "user", "content": "Hello there, how are you?"}]}


def test_a_loaded_catalogue_is_in_force_in_a_running_worker(tmp_path: Path) -> None:
    key, secret = SigningKey.generate(), tmp_path / "publisher.key"
    secret.write_text(key.to_text())
    shipped = (CATALOGUE_FOLDER / "ai_endpoints.csv").read_text()
    entry = f"{HOST},acme,Acme,chat,web,unknown,no,test,2026-11-24,"
    newer, older = tmp_path / "newer.csv", tmp_path / "older.csv"
    newer.write_text(f"{shipped}{entry}\n".replace("\n", f"\n{FACT}\n", 1))
    older.write_text(shipped)
    authority = Authority(tmp_path / "authority")
    with StandIn(authority) as provider:
        chosen = upstream_settings(provider, authority) | {"workers": "1"}
        chosen["upstream.resolve"] |= provider.resolve(HOST)
        chosen["catalogue.public_keys"] = json.dumps([str(key.verifier)])
        with (
            Product(tmp_path, chosen) as product,
            httpx.Client(proxy=product.url("proxy"), trust_env=False, timeout=20) as client,
        ):
            office = settle(product, provider, authority)
            product.cli("network", "add", "--tenant", office.tenant, "127.0.0.1/32")
            office.in_force()

            def state() -> str:
                answer = client.post(f"http://{HOST}/v1/chat/completions", json=CHAT)
                return answer.headers.get("x-conduit-reason", "passed")

            assert state() == "passed"  # found by its traffic, and monitored
            assert product.shell("catalogue", "load", str(newer)).returncode == 1  # not signed
            for file in (newer, older):
                product.cli("catalogue", "sign", str(file), "--key", str(secret))
            loaded = product.cli("catalogue", "load", str(newer))
            began = time.monotonic()
            while state() == "passed":
                assert time.monotonic() < began + 10
            assert state() == "shadow_endpoint"  # catalogued, and blocked by default
            assert product.shell("catalogue", "load", str(older)).returncode == 1  # not newer
            shown = product.cli("catalogue", "show")
            assert (shown["version"], shown["origin"]) == (loaded["version"], "loaded")
            assert state() == "shadow_endpoint"
            words = ("discovery", "show", HOST, "--tenant", office.tenant)
            while (told := product.shell(*words)).returncode:  # until its calls are in the record
                assert time.monotonic() < began + 30
            assert "opt-in  (https://acme.example/terms, 2026-11-20)" in told.stdout

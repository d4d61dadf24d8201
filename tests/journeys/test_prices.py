"""Prices from the outside: a model without a price under a budget, mended by an override, less a discount."""

import csv
import io
from datetime import UTC, datetime

import httpx

from tests.standins.office import Place


def ask(place: Place, placeholder: str, model: str) -> httpx.Response:
    return httpx.post(
        f"{place.office.product.url('gateway')}/openai/v1/chat/completions",
        json={"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 50},
        headers={"authorization": f"Bearer {placeholder}"},
        trust_env=False,
        timeout=20,
    )


def test_an_unpriced_model_is_refused_mended_discounted_and_invoiced(gateway_place: Place) -> None:
    office = gateway_place.office
    cli, model, tenant = office.product.cli, "in-house-model", ("--tenant", office.tenant)
    user = office.hire("prices-reader")
    _, placeholder = office.issue("openai", user=user)
    cli("limit", "set", *tenant, "--user", user, "--budget-usd", "100", "--window", "month")
    office.in_force()
    assert ask(gateway_place, placeholder, model).headers["x-conduit-reason"] == "unpriced_model"

    price = ("--input-usd-per-million", "1000", "--output-usd-per-million", "2000")
    cli("price", "set", *tenant, "--provider", "openai", "--model", "in-house-*", *price)
    discount = cli("price", "discount", *tenant, "--percent", "12.5", "--model", model)
    office.in_force()
    assert ask(gateway_place, placeholder, model).status_code == 200
    event = office.event(user=user, outcome="finished")
    listed = 1000 * event["input_tokens"] + 2000 * event["output_tokens"]
    assert event["list_micro_dollars"] == listed
    assert event["cost_micro_dollars"] == -(-listed * 7 // 8)
    assert (event["price_source"], event["discount_basis_points"]) == ("tenant", 1_250)

    used = cli("usage", *tenant, "--user", user, "--by", "model")
    assert used["micro_dollars"] == event["cost_micro_dollars"]
    assert used["price_data"]["date"]
    cli("price", "remove", discount["id"], *tenant)
    shown = cli("usage", "reprice", *tenant, "--since", "1d")
    assert (shown["applied"], shown["difference_micro_dollars"]) == (False, listed - -(-listed * 7 // 8))
    month = datetime.now(UTC).strftime("%Y-%m")
    text = office.product.shell("invoice", *tenant, "--month", month, "--format", "csv").stdout
    lines = [line for line in csv.DictReader(io.StringIO(text)) if line["user"] == user]
    assert [int(line["cost_micro_dollars"]) for line in lines] == [event["cost_micro_dollars"]]

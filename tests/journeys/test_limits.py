"""Limits by the command line alone: a team's, over windows, with an alert, and ceilings of each call."""

import httpx

from tests.standins.office import Place


def ask(place: Place, placeholder: str, **changed: object) -> httpx.Response:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 20}
    return httpx.post(
        place.url("openai", "/v1/chat/completions"),
        json=body | changed,
        headers={"authorization": f"Bearer {placeholder}"},
        trust_env=False,
        timeout=20,
    )


def test_a_teams_tokens_alert_and_outlive_a_change_of_the_window(gateway_place: Place) -> None:
    office = gateway_place.office
    of_tenant = ("--tenant", office.tenant)
    office.product.cli("user", "create", *of_tenant, "counted", "--team", "Counting")
    _, placeholder = office.issue("openai", user="counted")
    of_team = ("limit", "set", *of_tenant, "--team", "Counting")
    office.product.cli(*of_team, "--tokens", "2000", "--window", "week", "--alert-at", "1")
    office.in_force()
    assert ask(gateway_place, placeholder).status_code == 200
    assert office.event(action="limit.threshold")["detail"]["percent"] == 1
    used = office.event(user="counted", outcome="finished")
    spent = used["input_tokens"] + used["output_tokens"]
    office.product.cli(*of_team, "--tokens", str(spent), "--window", "rolling", "--rolling-hours", "24")
    office.product.cli(*of_team, "--max-output-tokens", "50")
    office.in_force()
    refused = ask(gateway_place, placeholder)
    assert (refused.status_code, refused.headers["x-conduit-reason"]) == (429, "tokens_limited")
    assert 23 * 3600 < int(refused.headers["retry-after"]) <= 25 * 3600
    over = ask(gateway_place, placeholder, max_tokens=51)
    assert (over.status_code, over.headers["x-should-retry"]) == (429, "false")
    assert "50 output tokens" in over.text

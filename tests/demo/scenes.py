"""What happens in the demo: calls let through, swapped, limited, blocked; and the books afterwards."""

from typing import Any

from tests.demo.story import NotAsTold, Story, require
from tests.standins.answers import Answer
from tests.standins.office import HOSTS, ORDINARY_HOST, PROBE, SDKS, SHADOW_HOST, Office, Place

WHOLE = {"openai": "openai-chat", "anthropic": "anthropic-messages", "google": "google-generate"}
SECOND_REQUEST = ("--requests-per-minute", "1")
TINY_BUDGET = ("--budget-usd", "0.01", "--window", "month")


def _short(secret: str) -> str:
    """Enough of a secret to recognise it, too little to use it."""
    return f"{secret[:11]}…{secret[-4:]}"


def introduce(story: Story, office: Office) -> None:
    """Who is there, and what each of them holds."""
    story.say(f"  Company {office.tenant!r}, employee {office.user!r}. The vault holds the real keys:")
    for provider in SDKS:
        key, held = office.keys[provider], office.placeholders[provider]
        story.say(f"    {provider:<10} real key {_short(key):<18} {office.user} holds {_short(held)}")
    story.say(f"  No contract with {SHADOW_HOST}. {ORDINARY_HOST} has nothing to do with AI.")


def play(story: Story, place: Place) -> None:
    """The scenes of one mode."""
    for provider in SDKS:
        story.step(
            f"{provider} SDK, answer in one piece: allowed, key swapped",
            _allowed,
            place,
            provider,
            WHOLE[provider],
        )
        story.step(
            f"{provider} SDK, streaming: allowed, arrives while it is written",
            _streamed,
            place,
            provider,
            f"{WHOLE[provider]}-stream",
        )
    story.step("Beyond 1 request a minute: limited", _limited, place)
    story.step("Budget spent: limited", _out_of_budget, place)
    story.step("A revoked placeholder: refused", _revoked, place)
    story.step("A placeholder taken to another provider: refused", _misused, place)
    story.step("A private key that the vault never issued: refused", _unvaulted, place)
    if place.mode != "gateway":
        story.step(f"{ORDINARY_HOST}: passed on, never decrypted", _ordinary, place)
    if place.mode == "transparent":
        story.step(f"{SHADOW_HOST}, sanctioned by nobody: blocked", _shadow, place)


def _call(place: Place, provider: str, key: str | None = None, **details: Any) -> dict[str, Any]:
    place.office.provider.forget()
    asked = {"recording": WHOLE[provider], "stream": False, "asynchronous": False, **details}
    return place.machine.call(provider, key=key, **asked)


def _swapped(place: Place, provider: str) -> str:
    """What the stand-in saw; ``NotAsTold`` unless it is the real key and no trace of the placeholder."""
    (seen,) = place.office.provider.seen
    real, held = place.office.keys[provider], place.office.placeholders[provider]
    require(seen.keys == (real,), f"{seen.host} did not see the real key")
    require(held.encode() not in seen.everything, f"{seen.host} saw the placeholder")
    return f"sent {_short(held)}; {seen.host} received {_short(real)}"


def _allowed(place: Place, provider: str, name: str) -> str:
    done = _call(place, provider, recording=name)
    require("error" not in done, f"the SDK raised {done.get('error')}: {done.get('message')}")
    return _swapped(place, provider)


def _streamed(place: Place, provider: str, name: str) -> str:
    answer = Answer.of(name).held(before=1)
    if answer.gate is None:
        raise NotAsTold("no gate")
    place.office.provider.forget()
    place.office.provider.play(HOSTS[provider], answer)
    pending = place.machine.begin(provider, recording=name, stream=True, asynchronous=True)
    try:
        first = answer.gate.reached.wait(20) and pending.chunk()
    finally:
        answer.gate.open()
    done = pending.finish()
    require("error" not in done, f"the SDK raised {done.get('error')}: {done.get('message')}")
    require(bool(first), "nothing arrived while the provider held its stream")
    return f"{len(done['result'])} chunks, the first while the provider still held the rest; " + _swapped(
        place, provider
    )


def _refused(place: Place, done: dict[str, Any], status: int, reason: str) -> str:
    """The SDK's own exception, the reason, and that no provider heard of it."""
    require("error" in done, "the call was let through")
    require(done["status"] == status, f"status {done['status']} instead of {status}: {done['message']}")
    require(done["reason"] in (reason, None), f"reason {done['reason']} instead of {reason}")
    require(place.office.provider.seen == [], "the provider saw a request")
    return (
        f"{done['module'].split('.')[0]}.{done['error']} ({status}, {reason}): {_sentence(done['message'])}"
    )


def _sentence(message: str) -> str:
    """The gateway's sentence out of the SDK's text around it."""
    for mark in ("'message': '", "'message': \"", '"message": "'):
        if mark in message:
            message = message.split(mark, 1)[1].split(mark[-1], 1)[0]
    return message[:160]


def _limited(place: Place) -> str:
    identity, held = place.office.issue("openai")
    limit = ("limit", "set", "--tenant", place.office.tenant, "--placeholder", identity)
    place.office.product.cli(*limit, *SECOND_REQUEST)
    place.office.in_force()
    first = _call(place, "openai", held)
    require("error" not in first, f"the first request was refused: {first.get('message')}")
    return _refused(place, _call(place, "openai", held, max_retries=0), 429, "rate_limited")


def _out_of_budget(place: Place) -> str:
    user = place.office.hire(f"grace-{place.mode}")
    _, held = place.office.issue("anthropic", user=user)
    place.office.product.cli("limit", "set", "--tenant", place.office.tenant, "--user", user, *TINY_BUDGET)
    place.office.in_force()
    done = _call(place, "anthropic", held, max_retries=0)
    return _refused(place, done, 429, "budget_exhausted")


def _revoked(place: Place) -> str:
    identity, held = place.office.issue("openai")
    place.office.product.cli("placeholder", "revoke", "--tenant", place.office.tenant, identity)
    place.office.in_force()
    return _refused(place, _call(place, "openai", held), 401, "placeholder_revoked")


def _misused(place: Place) -> str:
    done = _call(place, "anthropic", place.office.placeholders["openai"])
    return _refused(place, done, 403, "placeholder_misused")


def _unvaulted(place: Place) -> str:
    done = _call(place, "openai", "sk-proj-" + "Zq9" * 16)
    return _refused(place, done, 403, "unvaulted_key")


def _ordinary(place: Place) -> str:
    place.office.provider.forget()
    done = place.machine.call("certificate", host=ORDINARY_HOST, port=443)
    require("error" not in done, f"{done.get('error')}: {done.get('message')}")
    own = place.office.authority.fingerprint(ORDINARY_HOST)
    require(done["result"]["sha256"] == own, "the certificate shown is not the server's own")
    return f"the machine saw the server's own certificate, SHA-256 {own[:16]}…"


def _shadow(place: Place) -> str:
    place.office.provider.forget()
    url = f"https://{SHADOW_HOST}/chat/completions"
    done = place.machine.call("raw", method="POST", url=url, headers={}, body="e30=")
    result = done.get("result") or {}
    reason = dict(result.get("headers", ())).get("x-conduit-reason")
    require((result.get("status"), reason) == (403, "shadow_endpoint"), f"{result or done}")
    require(place.office.provider.seen == [], "the provider saw a request")
    return "403, shadow_endpoint; nothing left the company"


def account(story: Story, office: Office) -> None:
    """The books: usage, refusals by reason, endpoints seen, and that the record is whole."""
    story.step("Every call is in the record, with its cost", _usage, office)
    story.step("Every refusal is in the record, with its reason", _refusals, office)
    story.step("The AI endpoints seen are listed", _endpoints, office)
    story.step("Nobody has altered the record", _verified, office)
    story.step("No real key lies in the data folder, the log or the record", _no_leak, office)


def _usage(office: Office) -> str:
    office.event(outcome="finished")
    used = office.product.cli("usage", "--tenant", office.tenant)
    rows = [row for row in used["users"] if row["user"] != PROBE]
    require(any(row["micro_dollars"] for row in rows), "nothing cost anything")
    return "\n".join(
        "{user}: {requests} calls, {tokens} tokens, {micro_dollars} micro-dollars".format_map(row)
        for row in rows
    )


def _refusals(office: Office) -> str:
    counted: dict[str, int] = {}
    for event in office.events("--limit", "1000"):
        if event.get("decision") == "deny":
            counted[event["reason"]] = counted.get(event["reason"], 0) + 1
    require({"rate_limited", "budget_exhausted", "placeholder_revoked"} <= counted.keys(), str(counted))
    return ", ".join(f"{count} × {reason}" for reason, count in sorted(counted.items()))


def _endpoints(office: Office) -> str:
    seen = office.product.cli("discovery", "list", "--tenant", office.tenant)
    require({HOSTS["openai"], HOSTS["anthropic"]} <= {row["host"] for row in seen}, str(seen))
    return ", ".join(f"{row['host']} ({row['state']})" for row in seen)


def _verified(office: Office) -> str:
    done = office.product.shell("audit", "verify")
    require(done.returncode == 0, done.stderr)
    return "conduit audit verify: every chain whole, every checkpoint signed"


def _no_leak(office: Office) -> str:
    files = [path for path in office.product.data.rglob("*") if path.is_file()]
    for path in (*files, office.product.log):
        content = path.read_bytes()
        for provider, key in office.keys.items():
            require(key.encode() not in content, f"the {provider} key stands in {path}")
    return f"{len(files)} files searched for {len(office.keys)} keys"

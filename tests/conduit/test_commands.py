"""The real program on a real database: each command does what it says, or says in one line why not."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from conduit.command import Invocation
from tests.conduit.instances import Program, running_store
from vault.placeholder import is_placeholder

KEY = "sk-the-real-key-nobody-may-see"


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    path = Path(tempfile.mkdtemp(prefix="conduit-test-"))
    with running_store(path / "var") as started:
        yield started
    shutil.rmtree(path)


@pytest.fixture
def tenant(program: Program) -> str:
    """The name of a new tenant that no other test knows."""
    name = f"tenant-{uuid4()}"
    program.json("tenant", "create", name)
    return name


def with_credential(program: Program, tenant: str, *more: str) -> str:
    """A user ``alice``, a credential ``main``, and a placeholder; its id."""
    program.json("user", "create", "--tenant", tenant, "alice")
    add = ("credential", "add", "--tenant", tenant, "--provider", "openai", "--name", "main")
    program.json(*add, stdin=f"{KEY}\n")
    issue = ("placeholder", "issue", "--tenant", tenant, "--user", "alice", "--credential", "main")
    return str(program.json(*issue, *more)["id"])


def test_a_placeholder_is_printed_once_and_kept_nowhere(program: Program, tenant: str) -> None:
    program.json("user", "create", "--tenant", tenant, "alice")
    add = ("credential", "add", "--tenant", tenant, "--provider", "openai", "--name", "main")
    added = program.json(*add, stdin=f"{KEY}\n")
    assert added["hosts"] == ["api.openai.com"]

    issued = program(
        *("placeholder", "issue", "--tenant", tenant, "--user", "alice", "--credential", "main"),
        *("--expires", "90d", "--models", "gpt-5, gpt-5-mini", "--cidr", "10.0.0.0/8"),
    ).document
    assert set(issued) == {"id", "placeholder"}
    assert is_placeholder(issued["placeholder"])

    (listed,) = program.json("placeholder", "list", "--tenant", tenant)
    assert listed["id"] == issued["id"]
    assert listed["models"] == ["gpt-5", "gpt-5-mini"]
    assert listed["networks"] == ["10.0.0.0/8"]
    for command in ("placeholder", "credential"):
        shown = program(command, "list", "--tenant", tenant)
        assert issued["placeholder"] not in shown.out + shown.err
        assert KEY not in shown.out + shown.err


def test_a_placeholder_is_revoked_by_its_id_and_only_once(program: Program, tenant: str) -> None:
    identity = with_credential(program, tenant)
    assert program.json("placeholder", "revoke", "--tenant", tenant, identity)["revoked"]
    again = program("placeholder", "revoke", "--tenant", tenant, identity)
    assert again.code == 1
    assert again.err.count("\n") == 1


def test_another_tenants_placeholder_is_not_found(program: Program, tenant: str) -> None:
    identity = with_credential(program, tenant)
    other = f"other-{uuid4()}"
    program.json("tenant", "create", other)
    refused = program("placeholder", "revoke", "--tenant", other, identity)
    assert refused.code == 1
    assert program.json("placeholder", "list", "--tenant", tenant)[0]["revoked"] is False


@pytest.mark.parametrize("stdin", ["", "\n", "  \n"])
def test_an_empty_secret_is_refused(program: Program, tenant: str, stdin: str) -> None:
    add = ("credential", "add", "--tenant", tenant, "--provider", "openai", "--name", "main")
    refused = program(*add, stdin=stdin)
    assert refused.code == 1
    assert "standard input" in refused.err
    assert program.json("credential", "list", "--tenant", tenant) == []


def test_a_provider_without_a_host_of_its_own_asks_for_one(program: Program, tenant: str) -> None:
    add = ("credential", "add", "--tenant", tenant, "--provider", "azure", "--name", "main")
    refused = program(*add, stdin=KEY)
    assert (refused.code, "--host" in refused.err) == (1, True)
    added = program.json(*add, "--host", "Contoso.openai.azure.com", stdin=KEY)
    assert added["hosts"] == ["contoso.openai.azure.com"]


def test_a_credential_is_rotated_and_revoked(program: Program, tenant: str) -> None:
    with_credential(program, tenant)
    named = ("--tenant", tenant, "--name", "main")
    assert program.json("credential", "rotate", *named, stdin="sk-new")["version"] == 2
    assert program.json("credential", "revoke", *named)["revoked"]
    assert program("credential", "rotate", *named, stdin="sk-newer").code == 1


def test_a_tenant_says_which_sources_are_enough(program: Program, tenant: str) -> None:
    of_tenant = ("--tenant", tenant)
    made = program.json("identity", "set", "*", *of_tenant, "--sources", "token, placeholder")
    assert (made["host"], made["sources"]) == ("*", ["placeholder", "token"])
    assert program.json("identity", "list", *of_tenant) == [made]
    refused = program("identity", "set", "*", *of_tenant, "--sources", "hearsay")
    assert (refused.code, "proxy_credentials" in refused.err) == (1, True)
    program.json("identity", "clear", "*", *of_tenant)
    assert program.json("identity", "list", *of_tenant) == []


def test_who_held_an_address_is_asked_for_by_tenant_and_time(program: Program, tenant: str) -> None:
    ask = ("identity", "holder", "--tenant", tenant)
    assert program.json(*ask, "10.0.0.7", "--at", "2026-11-03T10:00:00Z") == []
    for wrong in (("nowhere",), ("10.0.0.7", "--at", "yesterday")):
        assert program(*ask, *wrong).code == 1


def test_limits_are_set_together_and_replaced(program: Program, tenant: str) -> None:
    set_limit = ("limit", "set", "--tenant", tenant)
    budget = ("--budget-usd", "12.50", "--window", "month")
    rules = program.json(*set_limit, "--requests-per-minute", "60", *budget)
    assert {(rule["kind"], rule["amount"]) for rule in rules} == {
        ("requests_per_minute", 60),
        ("budget_micro_dollars", 12_500_000),
    }
    program.json(*set_limit, "--requests-per-minute", "5")
    listed = program.json("limit", "list", "--tenant", tenant)
    assert {rule["kind"]: rule["amount"] for rule in listed}["requests_per_minute"] == 5
    (removed,) = [rule["id"] for rule in listed if rule["kind"] == "requests_per_minute"]
    program.json("limit", "remove", "--tenant", tenant, removed)
    assert len(program.json("limit", "list", "--tenant", tenant)) == 1


def test_limits_of_a_user_and_of_a_placeholder(program: Program, tenant: str) -> None:
    identity = with_credential(program, tenant)
    set_limit = ("limit", "set", "--tenant", tenant, "--concurrent", "2")
    (of_user,) = program.json(*set_limit, "--user", "alice")
    (of_placeholder,) = program.json(*set_limit, "--placeholder", identity)
    assert (of_user["scope"], of_placeholder["scope"]) == ("user", "placeholder")
    assert of_placeholder["subject"] == identity


def test_every_kind_of_limit_is_set_and_listed_as_it_was(program: Program, tenant: str) -> None:
    program.json("user", "create", "--tenant", tenant, "alice", "--team", "Analytics")
    set_limit = ("limit", "set", "--tenant", tenant)
    for arguments, expected in (
        (("--team", "Analytics", "--tokens-per-minute", "9", "--burst", "3"), {"scope": "team", "burst": 3}),
        (("--model", "GPT-4*", "--concurrent", "1"), {"model": "gpt-4*", "alert_at": None}),
        (("--tokens", "5", "--window", "week"), {"window": "week", "alert_at": [50, 80, 100]}),
        (
            (*("--tokens", "5", "--window", "rolling", "--rolling-hours", "24"), "--alert-at", "90"),
            {"window": "rolling", "rolling_hours": 24, "alert_at": [90]},
        ),
        (("--budget-usd", "1", "--window", "day", "--alert-at", "none"), {"alert_at": []}),
        (("--max-input-tokens", "7"), {"kind": "input_tokens_per_call", "amount": 7}),
        (("--max-output-tokens", "8"), {"kind": "output_tokens_per_call", "amount": 8}),
        (("--max-usd-per-call", "0.25"), {"kind": "micro_dollars_per_call", "amount": 250_000}),
    ):
        (made,) = program.json(*set_limit, *arguments)
        assert made.items() >= expected.items()
        assert made in program.json("limit", "list", "--tenant", tenant)
    assert len(program.json("limit", "list", "--tenant", tenant)) == 8


def test_a_limit_for_nobody_is_refused_in_one_line(program: Program, tenant: str) -> None:
    set_limit = ("limit", "set", "--tenant", tenant, "--concurrent", "1")
    program.json("user", "create", "--tenant", tenant, "alice", "--team", "Analytics")
    refused = program(*set_limit, "--team", "nobody")
    assert (refused.code, "no team" in refused.err) == (1, True)
    assert program(*set_limit, "--team", "Analytics", "--user", "alice").code == 1
    assert program(*set_limit, "--model", "a*b").code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--budget-usd", "5"),
        ("--window", "day"),
        (),
        ("--requests-per-minute", "-1"),
        ("--requests-per-minute", "many"),
        ("--budget-usd", "5", "--window", "year"),
        ("--tokens", "5"),
        ("--tokens", "5", "--window", "rolling"),
        ("--tokens", "5", "--window", "day", "--rolling-hours", "24"),
        ("--tokens", "5", "--window", "rolling", "--rolling-hours", "8785"),
        ("--tokens", "5", "--window", "day", "--alert-at", "100,50"),
        ("--tokens", "5", "--window", "day", "--alert-at", "half"),
        ("--concurrent", "5", "--window", "day"),
        ("--concurrent", "5", "--burst", "2"),
        ("--requests-per-minute", "5", "--tokens-per-minute", "5", "--burst", "2"),
        ("--requests-per-minute", "5", "--burst", "0"),
        ("--max-usd-per-call", "5", "--window", "day"),
    ],
)
def test_limits_that_make_no_sense_are_wrong_usage(
    program: Program, tenant: str, arguments: tuple[str, ...]
) -> None:
    assert program("limit", "set", "--tenant", tenant, *arguments).code == 2


def test_networks_belong_to_one_tenant(program: Program, tenant: str) -> None:
    other = f"other-{uuid4()}"
    program.json("tenant", "create", other)
    cidr = f"10.{uuid4().int % 200}.{uuid4().int % 250}.0/24"
    assert program.json("network", "add", "--tenant", tenant, cidr)["network"] == cidr
    refused = program("network", "add", "--tenant", other, cidr)
    assert (refused.code, tenant in refused.err) == (1, False)
    assert [item["network"] for item in program.json("network", "list", "--tenant", tenant)] == [cidr]
    program.json("network", "remove", "--tenant", tenant, cidr)
    program.json("network", "add", "--tenant", other, cidr)


@pytest.mark.parametrize("cidr", ["10.0.0.1/24", "0.0.0.0/0", "::/0", "10.0.0.0/4", "office"])
def test_what_is_no_network_of_a_tenant_is_refused(program: Program, tenant: str, cidr: str) -> None:
    refused = program("network", "add", "--tenant", tenant, cidr)
    assert (refused.code, refused.err.count("\n")) == (1, 1)


def test_endpoints_are_decided_for_all_and_for_one(program: Program, tenant: str) -> None:
    host = f"{uuid4()}.example"
    program.json("endpoint", "set", host.upper(), "--state", "coached")
    program.json("endpoint", "set", host, "--state", "sanctioned", "--tenant", tenant, "--note", "pilot")
    states = {
        (rule["tenant"], rule["state"]) for rule in program.json("endpoint", "list") if rule["host"] == host
    }
    assert states == {(None, "coached"), (tenant, "sanctioned")}
    assert program("endpoint", "set", host, "--state", "open").code == 2
    assert program("endpoint", "set", "not a host", "--state", "blocked").code == 1


def test_names_are_taken_once(program: Program, tenant: str) -> None:
    again = program("tenant", "create", tenant.upper())
    assert (again.code, "exists already" in again.err) == (1, True)


def test_an_unknown_tenant_is_one_line(program: Program) -> None:
    refused = program("user", "create", "--tenant", "nobody", "alice")
    assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)


def test_every_act_is_in_the_record_with_its_actor(program: Program, tenant: str) -> None:
    identity = with_credential(program, tenant)
    events = program.json("audit", "list", "--tenant", tenant)
    assert [event["action"] for event in events] == ["placeholder.issue", "credential.add", "user.create"]
    assert events[0]["target"] == identity
    assert all(event["via"] == "command line" and event["actor"] for event in events)
    assert KEY not in json.dumps(events)


def test_the_record_verifies_live_and_exported_and_an_altered_export_does_not(
    program: Program, tenant: str, tmp_path: Path
) -> None:
    with_credential(program, tenant)
    (verified,) = program.json("audit", "verify", "--tenant", tenant)
    assert verified["events"] == 3
    export = tmp_path / "record.jsonl"
    program.json("audit", "export", "--tenant", tenant, "--out", str(export))
    assert program.json("audit", "verify", "--file", str(export))["pinned"]

    export.write_text(export.read_text().replace("alice", "mallo"))
    broken = program("audit", "verify", "--file", str(export))
    assert broken.code == 1
    assert "1" in broken.err
    assert broken.err.count("\n") == 1


def test_a_checkpoint_held_by_a_witness_convicts_an_older_export(
    program: Program, tenant: str, tmp_path: Path
) -> None:
    older, newer, kept = tmp_path / "older.jsonl", tmp_path / "newer.jsonl", tmp_path / "kept.checkpoint"
    program.json("audit", "export", "--tenant", tenant, "--out", str(older))
    with_credential(program, tenant)
    exported = program.json("audit", "export", "--tenant", tenant, "--out", str(newer))
    kept.write_text(exported["checkpoint"] + "\n")  # as an editor leaves it
    held = ("--checkpoint", str(kept))
    assert program.json("audit", "verify", "--file", str(newer), *held)["checkpoints"] == 2
    assert program.json("audit", "verify", "--tenant", tenant, *held)[0]["intact"]
    convicted = program("audit", "verify", "--file", str(older), *held)
    assert (convicted.code, "cut off" in convicted.err) == (1, True)


def test_usage_sums_nothing_before_the_first_call(program: Program, tenant: str) -> None:
    used = program.json("usage", "--tenant", tenant)
    assert (used["requests"], used["micro_dollars"], used["users"]) == (0, 0, [])
    assert program.json("discovery", "list", "--tenant", tenant) == []
    assert program.json("discovery", "tunnels", "--tenant", tenant) == []


def test_usage_of_all_tenants_needs_no_option(program: Program, tenant: str) -> None:
    assert (program("usage").code, program("usage", "--help").code) == (0, 0)
    assert program("limit").code == 2


def test_defaults_stand_in_the_help(program: Program) -> None:
    assert "[default: ./var]" in program("usage", "--help").out


def test_a_user_is_stopped_let_through_and_moved(program: Program, tenant: str) -> None:
    program.json("user", "create", "--tenant", tenant, "ada", "--cost-centre", "4711")
    set_user = ("user", "set", "--tenant", tenant, "--name", "ada")
    stopped = program.json(*set_user, "--disable", "--team", "red")
    assert (stopped["enabled"], stopped["cost_centre"]) == (False, "4711")
    moved = program.json(*set_user, "--enable", "--cost-centre", "")
    assert (moved["enabled"], moved["cost_centre"]) == (True, None)
    assert program(*set_user).code == 2
    assert program("user", "set", "--tenant", tenant, "--name", "nobody", "--disable").code == 1
    acts = program.json("audit", "list", "--tenant", tenant, "--kind", "act")
    wanted = ["user.enable", "user.assign", "user.disable", "user.assign", "user.create"]
    assert [act["action"] for act in acts if act["action"].startswith("user.")] == wanted


def test_a_decision_is_taken_back(program: Program, tenant: str) -> None:
    for whose in (("--tenant", tenant), ()):
        program.json("endpoint", "set", "chat.example", "--state", "coached", *whose)
        assert program.json("endpoint", "clear", "chat.example", *whose)["state"] == "coached"
        again = program("endpoint", "clear", "chat.example", *whose)
        assert (again.code, again.err.count("\n")) == (1, 1)


def test_the_catalogue_is_searched_by_words(program: Program) -> None:
    found = program.json("catalogue", "entries", "--search", "openai API")
    assert "api.openai.com" in {each["host"] for each in found}
    assert len(found) < program.json("catalogue", "show")["entries"]
    assert program.json("catalogue", "entries", "--search", "no such thing") == []


def test_what_is_not_there_is_said_in_peoples_words(program: Program, tenant: str) -> None:
    missing = program("endpoint", "unexcept", str(uuid4()), "--tenant", tenant)
    assert missing.err == "conduit: there is no such endpoint exception\n"


@pytest.mark.parametrize(("option", "code"), [(("--kind", "cal"), 2), (("--address", "here"), 1)])
def test_a_search_for_what_cannot_be_is_refused(program: Program, option: tuple[str, str], code: int) -> None:
    assert program("audit", "list", *option).code == code


def test_an_invoice_in_a_file_leaves_a_document_on_standard_output(
    program: Program, tenant: str, tmp_path: Path
) -> None:
    out = tmp_path / "invoice.json"
    made = program.json("invoice", "--tenant", tenant, "--month", "2026-11", "--out", str(out))
    assert (made["file"], made["lines"]) == (str(out), 0)
    assert json.loads(out.read_text())["tenant"] == tenant


def test_rotations_keep_what_is_sealed_and_shredding_ends_it(program: Program, tenant: str) -> None:
    with_credential(program, tenant)
    assert program.json("vault", "rotate-kek")["tenants"] >= 1
    assert program.json("vault", "rotate-tenant", "--tenant", tenant)["credentials"] == 1
    assert (
        program.json("credential", "rotate", "--tenant", tenant, "--name", "main", stdin="sk-2")["version"]
        == 2
    )

    unasked = program("vault", "shred-tenant", "--tenant", tenant)
    assert (unasked.code, "--yes" in unasked.err) == (1, True)
    shredded = program.json("vault", "shred-tenant", "--tenant", tenant, "--yes")
    assert (shredded["envelopes"], shredded["unopenable"]) == (1, 1)
    assert program("credential", "rotate", "--tenant", tenant, "--name", "main", stdin="sk-3").code == 1


def test_a_sealed_vault_refuses_what_needs_it_and_stores_nothing(program: Program, tenant: str) -> None:
    add = ("credential", "add", "--tenant", tenant, "--provider", "openai", "--name", "main")
    sealed = program(*add, stdin=KEY, CONDUIT_VAULT__KEK__PATH=str(program.data / "no-such-file"))
    assert sealed.code == 1
    assert program.json("credential", "list", "--tenant", tenant) == []


def test_people_get_a_table_and_names_cannot_move_their_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    Invocation(Path("var"), None, json=False).show([{"name": "\x1b[2Jred", "id": 7}])
    shown = capsys.readouterr().out
    assert "[2Jred" in shown
    assert "\x1b" not in shown


def test_options_may_stand_before_the_command(program: Program) -> None:
    assert isinstance(program("--json", "tenant", "list").document, list)


def test_no_instance_is_one_clear_line(tmp_path: Path) -> None:
    refused = Program(tmp_path / "nowhere").process("tenant", "list")
    assert (refused.code, refused.out) == (1, "")
    assert "conduit up" in refused.err
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "arguments", [("tenant",), ("tenant", "crate"), ("tenant", "create"), ("--nothing",)]
)
def test_wrong_usage_is_exit_code_two(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert Program(tmp_path)(*arguments).code == 2


def test_an_unknown_setting_is_one_line(program: Program) -> None:
    refused = program("tenant", "list", CONDUIT_LISTN__PROXY="127.0.0.1:1")
    assert (refused.code, refused.err.count("\n")) == (1, 1)


def test_evidence_is_not_part_of_this_version(tmp_path: Path) -> None:
    asked = Program(tmp_path)("evidence", "--framework", "soc2", "--out", str(tmp_path / "out"))
    assert (asked.code, "not part of this version" in asked.err) == (1, True)


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    helped = Program(tmp_path).process("--help", PYTHONPROFILEIMPORTTIME="1")
    assert helped.code == 0
    for heavy in ("sqlalchemy", "mitmproxy", "cryptography", "pydantic", "litestar"):
        assert f" {heavy}\n" not in helped.err


def test_accounts_are_stated_listed_and_cleared(program: Program, tenant: str) -> None:
    stated = program.json("accounts", "set", "chatgpt", "--tenant", tenant, "--allow", "ws-1, ws-2")
    assert stated["accounts"] == ["ws-1", "ws-2"]
    (listed,) = program.json("accounts", "list", "--tenant", tenant)
    assert listed == stated
    program.json("accounts", "clear", "chatgpt", "--tenant", tenant)
    assert program.json("accounts", "list", "--tenant", tenant) == []


def test_a_product_without_a_restriction_header_is_named(program: Program, tenant: str) -> None:
    refused = program("accounts", "set", "nothing", "--tenant", tenant, "--allow", "a")
    assert refused.code == 1
    assert "chatgpt" in refused.err


def test_a_tenants_settings_are_changed_one_by_one(program: Program, tenant: str) -> None:
    changed = program.json("tenant", "set", "--tenant", tenant, "--data-residency", "eu,us")
    assert changed["data_residency"] == ["eu", "us"]
    changed = program.json("tenant", "set", "--tenant", tenant, "--time-zone", "Asia/Tokyo", "--disable")
    assert (changed["time_zone"], changed["enabled"]) == ("Asia/Tokyo", False)
    assert changed["data_residency"] == ["eu", "us"]
    changed = program.json("tenant", "set", "--tenant", tenant, "--data-residency", "any", "--enable")
    assert (changed["data_residency"], changed["enabled"]) == ([], True)
    assert (changed["decrypt_unknown"], changed["never_decrypted"]) == (None, [])
    options = ("--decrypt-unknown", "on", "--never-decrypt", "Union.example,*.clinic.example")
    changed = program.json("tenant", "set", "--tenant", tenant, *options)
    assert changed["never_decrypted"] == ["*.clinic.example", "union.example"]
    changed = program.json("tenant", "set", "--tenant", tenant, "--never-decrypt", "none")
    assert (changed["decrypt_unknown"], changed["never_decrypted"]) == (True, [])
    changed = program.json("tenant", "set", "--tenant", tenant, "--decrypt-unknown", "default")
    assert changed["decrypt_unknown"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("--data-residency", "europe"),
        ("--data-residency", ","),
        ("--time-zone", "Berlin"),
        ("--never-decrypt", "no host"),
        ("--never-decrypt", "*"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    program: Program, tenant: str, arguments: tuple[str, ...]
) -> None:
    assert program("tenant", "set", "--tenant", tenant, *arguments).code == 1

"""A company that uses the product: tenant, user, credentials with canary keys, placeholders."""

import json
import secrets
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.standins.authority import Authority
from tests.standins.machines import Machine
from tests.standins.product import Product, in_namespace
from tests.standins.provider import StandIn
from tests.standins.recordings import Recording

HOSTS = {
    "openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "google": "generativelanguage.googleapis.com",
    "mistral": "api.mistral.ai",
}
SHADOW_HOST = "api.deepseek.com"  # an AI endpoint for which the company holds no credential
BEDROCK_HOST = "bedrock-runtime.eu-central-1.amazonaws.com"
ORDINARY_HOST = "www.example.org"  # no AI at all: never decrypted
# Names that an attacker could hold, certificate and all.
FOREIGN_HOSTS = (
    "evil.test",
    "api.openai.com.evil.test",
    "api.openai.com-evil.test",
    "evilapi.openai.com",
    "openai.com",
)
EVERY_HOST = (*HOSTS.values(), SHADOW_HOST, BEDROCK_HOST, ORDINARY_HOST, *FOREIGN_HOSTS)
PROBE = "probe"  # the user for whom `in_force` asks, so that nobody else's books change
SDKS = ("openai", "anthropic", "google")
_PREFIXES = {"openai": "sk-proj-", "anthropic": "sk-ant-api03-", "google": "AIzaSy", "mistral": ""}


def canary_key(provider: str) -> str:
    """A key of the provider's form that stands nowhere else: whoever finds it has found a leak."""
    return f"{_PREFIXES[provider]}CaNaRy{secrets.token_hex(24)}"


@dataclass(frozen=True, slots=True)
class Office:
    """One running instance with its company: ``keys`` are the real ones, people hold ``placeholders``."""

    product: Product
    provider: StandIn
    authority: Authority
    tenant: str
    user: str
    keys: Mapping[str, str]
    placeholders: Mapping[str, str]
    placeholder_ids: Mapping[str, str]
    ca_file: Path

    def issue(self, provider: str, *options: str, user: str | None = None) -> tuple[str, str]:
        """A further placeholder for a credential of the company: its id and itself."""
        made = self.product.cli(
            "placeholder",
            "issue",
            "--tenant",
            self.tenant,
            "--user",
            user or self.user,
            "--credential",
            f"{provider}-main",
            *options,
        )
        return str(made["id"]), str(made["placeholder"])

    def in_force(self) -> None:
        """Wait until every worker knows all that was commanded before; ``TimeoutError`` after 20 s.

        A placeholder issued now is younger than all of it. Connections are spread over the workers by the
        kernel, so that a dozen in a row that are served have met each of two workers (but for 1 in 2,000).
        """
        _, newest = self.issue("openai", user=PROBE)
        deadline = time.monotonic() + 20
        served = 0
        while served < 12:
            answer = in_namespace(self.product.namespace, lambda: self._models(newest))
            served = served + 1 if answer.status_code == 200 else 0
            if time.monotonic() > deadline:
                raise TimeoutError(f"not in force: {answer.status_code} {answer.text[:300]}")
        self.provider.forget()

    def _models(self, placeholder: str) -> httpx.Response:
        url = f"{self.product.url('gateway')}/openai/v1/models"
        headers = {"authorization": f"Bearer {placeholder}"}
        return httpx.get(url, headers=headers, trust_env=False, timeout=20)

    def hire(self, name: str) -> str:
        """A further user."""
        self.product.cli("user", "create", "--tenant", self.tenant, name)
        return name

    def events(self, *options: str) -> list[dict[str, Any]]:
        """``conduit audit list`` of this tenant."""
        limit = () if "--limit" in options else ("--limit", "200")
        return list(self.product.cli("audit", "list", "--tenant", self.tenant, *limit, *options))

    def event(self, **facts: object) -> dict[str, Any]:
        """The newest event with these facts, once the shipper has brought it; ``TimeoutError`` after 15 s."""
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            fitting = [each for each in self.events() if facts.items() <= each.items()]
            if fitting:
                return max(fitting, key=lambda each: str(each["at"]))
            time.sleep(0.2)
        raise TimeoutError(f"no event with {facts}")

    def inventory(self) -> dict[str, dict[str, Any]]:
        """``conduit discovery list`` of this tenant, by host."""
        listed = self.product.cli("discovery", "list", "--tenant", self.tenant)
        return {each["host"]: each for each in listed}

    def found(self, host: str) -> dict[str, Any]:
        """The inventory's line about a host, once there is one; ``TimeoutError`` after 10 s."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if (line := self.inventory().get(host)) is not None:
                return line
            time.sleep(0.05)
        raise TimeoutError(f"{host} is not listed")

    def environment(self, mode: str) -> dict[str, str]:
        """What a machine needs to know to call in this mode."""
        known = {
            "OPENAI_API_KEY": self.placeholders["openai"],
            "ANTHROPIC_API_KEY": self.placeholders["anthropic"],
            "GEMINI_API_KEY": self.placeholders["google"],
        }
        if mode == "gateway":
            gateway = self.product.url("gateway")
            return known | {
                "OPENAI_BASE_URL": f"{gateway}/openai/v1",
                "ANTHROPIC_BASE_URL": f"{gateway}/anthropic",
                "GOOGLE_GEMINI_BASE_URL": f"{gateway}/google",
            }
        trust = {"SSL_CERT_FILE": str(self.ca_file)}
        return known | trust | ({"HTTPS_PROXY": self.product.url("proxy")} if mode == "proxy" else {})


def settle(product: Product, provider: StandIn, authority: Authority, name: str = "acme") -> Office:
    """Make the company through the command line, as an operator would."""
    user = "ada"
    product.cli("tenant", "create", name)
    for each in (user, PROBE):
        product.cli("user", "create", "--tenant", name, each)
    keys = {each: canary_key(each) for each in HOSTS}
    issued = {}
    for each, key in keys.items():
        product.cli(
            "credential", "add", "--tenant", name, "--provider", each, "--name", f"{each}-main", stdin=key
        )
        issued[each] = product.cli(
            "placeholder", "issue", "--tenant", name, "--user", user, "--credential", f"{each}-main"
        )
    ca_file = product.data.parent / "gateway-ca.pem"
    product.shell("ca", "export", "--out", str(ca_file)).check_returncode()
    return Office(
        product=product,
        provider=provider,
        authority=authority,
        tenant=name,
        user=user,
        keys=keys,
        placeholders={each: str(made["placeholder"]) for each, made in issued.items()},
        placeholder_ids={each: str(made["id"]) for each, made in issued.items()},
        ca_file=ca_file,
    )


@dataclass(frozen=True, slots=True)
class Place:
    """A machine in an office, and the mode in which it reaches the providers."""

    mode: str
    office: Office
    machine: Machine

    def url(self, provider: str, path: str) -> str:
        """Where a raw request for ``path`` of ``provider`` goes in this mode."""
        if self.mode == "gateway":
            return f"{self.office.product.url('gateway')}/{provider}{path}"
        return f"https://{HOSTS[provider]}{path}"

    def raw(self, recording: Recording, key: str | None = None) -> dict[str, Any]:
        """The ``machine`` call that sends what the recording was asked."""
        held = self.office.placeholders[recording.provider] if key is None else key
        headers = key_headers(recording.provider, held) | {"content-type": "application/json"}
        if recording.provider == "anthropic":
            headers["anthropic-version"] = "2023-06-01"
        body = b64encode(json.dumps(recording.request).encode()).decode()
        url = self.url(recording.provider, recording.path)
        return {"method": recording.method, "url": url, "headers": headers, "body": body}


def key_headers(provider: str, key: str) -> dict[str, str]:
    """The header in which this provider's SDK sends its key."""
    match provider:
        case "anthropic":
            return {"x-api-key": key}
        case "google":
            return {"x-goog-api-key": key}
        case _:
            return {"authorization": f"Bearer {key}"}


def upstream_settings(provider: StandIn, authority: Authority) -> dict[str, Any]:
    """The configuration that sends every host of the stand-ins to them."""
    return {
        "upstream.resolve": provider.resolve(*EVERY_HOST),
        "upstream.ca_file": str(authority.ca_file),
        "upstream.connect_timeout_s": 5,
        "providers": {"aws": {"upstream": f"https://{BEDROCK_HOST}"}},
    }

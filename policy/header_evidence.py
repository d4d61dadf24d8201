"""What request headers say: a provider's own headers, keys in a provider's form, the client's name."""

import re
from collections.abc import Mapping

from policy.hints import NONE, Hint, best
from policy.provider_keys import has_provider_form

OWN, KEY, CLIENT, GENERATED = 40, 30, 25, 15
REALTIME = 60
# Weaker than a protocol's own name: other things are called realtime too, but name no model.
OPENED, OPENED_UNNAMED = 25, 10

_OWN_HEADERS = frozenset(
    {
        "anthropic-version",
        "anthropic-beta",
        "anthropic-dangerous-direct-browser-access",
        "openai-organization",
        "openai-project",
        "openai-beta",
        "openai-intent",
        "copilot-integration-id",
        "chatgpt-account-id",
    }
)
_GATEWAY_PREFIXES = ("cf-aig-", "helicone-", "x-portkey-", "x-litellm-", "x-amzn-bedrock-")
_MCP_HEADERS = frozenset({"mcp-protocol-version", "mcp-session-id"})
_KEY_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
# Any Google or GitHub API takes these keys, so they tell nothing about AI.
_GENERAL_KEYS = ("AIza", "ya29.", "gh", "AWS4")
_AGENTS = re.compile(
    r"(?i)^(?:async)?(?:openai/(?:python|js|java)|anthropic/(?:python|js)|azureopenai/python|groq/|together/)|"
    r"^(?:openai-go|claude-cli/|claude-code/|codex_cli_rs/|codex_exec/|geminicli/|google-genai-sdk/|"
    r"githubcopilot|cursor/|connect-es/|aider/|litellm/|ollama[-/]|langchain|llama-?index|cohere-|"
    r"mistral-client|ai-sdk/|ai/\d|roocode/|zed/|huggingface_hub/|(?:unknown/none; )?hf_hub/|replicate-|"
    r"instructor/|continue/)"
)
_REALTIME_PATHS = frozenset({"realtime", "responses"})
_REALTIME_PROTOCOLS = ("openai-insecure-api-key", "openai-beta.realtime-v1")


def header_hint(headers: Mapping[str, str]) -> Hint:
    """The best hint among request headers; names are lower case."""
    return best([_own(headers), _key(headers), _client(headers)])


def realtime_hint(headers: Mapping[str, str], path: str) -> Hint:
    """A WebSocket that offers a realtime AI protocol, or opens where one is spoken."""
    offered = headers.get("sec-websocket-protocol", "").lower()
    if any(name in offered for name in _REALTIME_PROTOCOLS):
        return Hint(REALTIME, "realtime WebSocket protocol")
    if headers.get("upgrade", "").lower() != "websocket":
        return NONE
    path, _, query = path.partition("?")
    last = path.rstrip("/").rpartition("/")[2]
    if last.endswith("BidiGenerateContent") and "Service" in path:
        return Hint(REALTIME, "WebSocket of the Gemini Live API")
    if last.lower() not in _REALTIME_PATHS:
        return NONE
    named = query.startswith("model=") or "&model=" in query
    return Hint(OPENED if named else OPENED_UNNAMED, "WebSocket to a realtime path")


def answer_header_hint(headers: Mapping[str, str]) -> Hint:
    """What an answer's headers say."""
    for name in headers:
        if name.startswith(("openai-", "anthropic-", "x-amzn-bedrock-")):
            return Hint(OWN, "answer header of an AI provider")
        if name in {"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens"}:
            return Hint(OWN, "answer header counts tokens")
    return NONE


def _own(headers: Mapping[str, str]) -> Hint:
    for name in headers:
        if name in _OWN_HEADERS or name.startswith(_GATEWAY_PREFIXES):
            return Hint(OWN, f"header {name}" if name in _OWN_HEADERS else "header of an AI gateway")
        if name in _MCP_HEADERS:
            return Hint(CLIENT, f"header {name}")
    if "google-genai-sdk" in headers.get("x-goog-api-client", ""):
        return Hint(OWN, "header x-goog-api-client of the Gemini SDK")
    if "/bedrock/aws4_request" in headers.get("authorization", ""):
        return Hint(OWN, "signature for Amazon Bedrock")
    return NONE


def _key(headers: Mapping[str, str]) -> Hint:
    for name in _KEY_HEADERS:
        value = headers.get(name)
        if value is None:
            continue
        key = value.partition(" ")[2] if value[:7].lower() == "bearer " else value
        if not key.startswith(_GENERAL_KEYS) and has_provider_form(key):
            return Hint(KEY, f"key in an AI provider's form in {name}")
    return NONE


def _client(headers: Mapping[str, str]) -> Hint:
    if _AGENTS.match(headers.get("user-agent", "")):
        return Hint(CLIENT, "client names itself an AI SDK or tool")
    if any(name.startswith("x-stainless-") for name in headers):
        return Hint(GENERATED, "headers of an SDK generator that AI vendors use")
    if "x-title" in headers and "http-referer" in headers:
        return Hint(GENERATED, "headers of an AI router")
    return NONE

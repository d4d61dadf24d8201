"""What remote calls say of AI: gRPC and Connect by method and frame, MCP and A2A by their methods."""

import re
from collections.abc import Iterator

from policy.hints import NONE, Hint
from policy.request_documents import BODY_BYTES_MAX, RPC_TYPES, Asked, Document, loads
from policy.request_families import FULL

# A server asks its client's model for an answer, or gets it.
SAMPLING = Hint(60, "MCP asks for a model's answer")
MCP_CALL = 25
# A2A's own methods with a message in parts: an agent is asked (a2a-protocol.org, "Protocol RPC Methods").
AGENT_CALL = 40
# Other protocols have tasks and messages too.
AGENT_TURN = 20

# No sets: what is compared may also be a list, which no set can be asked for.
_MCP_METHODS = (
    *("initialize", "tools/list", "tools/call", "resources/list", "resources/read"),
    *("prompts/list", "prompts/get"),
)
_A2A_METHODS = ("message/send", "message/stream", "tasks/send", "tasks/sendSubscribe", "SendMessage")
_A2A_KINDS = ("task", "message", "status-update", "artifact-update")
_RPC_SERVICE = re.compile(r"(?i)chat|generat|complet|inference|embed|llm|agent")
_RPC_METHOD = re.compile(r"(?i)chat|generate|complet|infer|embed|stream")
_FRAME_ROLES = re.compile(rb"\b(?:assistant|system prompt|user_message|claude-|gpt-|gemini-|llama)")


def rpc_hint(path: str, content_type: str, asked: Asked, body: bytes) -> Hint:
    """gRPC, gRPC-web and Connect by method and words in the frame; MCP and A2A by their methods."""
    if content_type.startswith(RPC_TYPES):
        *_, service, called = ("", *path.rsplit("/", 2))
        worded = bool(_RPC_SERVICE.search(service) and _RPC_METHOD.search(called))
        worded = worded and _FRAME_ROLES.search(body[:65536]) is not None
        return Hint(FULL, "remote call with AI words in method and frame") if worded else NONE
    if not asked.readable or b'"jsonrpc"' not in body[:BODY_BYTES_MAX]:
        return NONE
    # Programs call JSON a form where they were not told what it is.
    document = loads(body) if asked.document is None else asked.document
    if not isinstance(document, dict) or document.get("jsonrpc") != "2.0":
        return NONE
    method = document.get("method")
    if method == "sampling/createMessage" or _is_sampled(document.get("result")):
        return SAMPLING
    if method in _MCP_METHODS:
        return Hint(MCP_CALL, "MCP method")
    parameters = document.get("params")
    message = parameters.get("message") if isinstance(parameters, dict) else None
    if method in _A2A_METHODS and isinstance(message, dict) and isinstance(message.get("parts"), list):
        return Hint(AGENT_CALL, "A2A message to an agent")
    return NONE


def rpc_answer_hints(document: Document) -> Iterator[Hint]:
    """What a document of JSON-RPC says: MCP's call for a model's answer, what an agent answers by A2A."""
    result = document.get("result")
    if document.get("method") == "sampling/createMessage":
        yield SAMPLING
    if isinstance(result, dict) and result.get("kind") in _A2A_KINDS:
        yield Hint(AGENT_TURN, "A2A answer of an agent")


def _is_sampled(result: object) -> bool:
    """The client's answer to ``sampling/createMessage``: what its model said (MCP, "Sampling")."""
    return (
        isinstance(result, dict)
        and result.get("role") == "assistant"
        and isinstance(result.get("model"), str)
        and isinstance(result.get("content"), dict | list)
    )

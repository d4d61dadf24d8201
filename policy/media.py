"""An upper bound for the input tokens of a request, before any tokenizer of the provider has seen it.

A byte-level tokenizer never makes more tokens than the text has UTF-8 bytes, and the JSON around each
message is longer than the few tokens that mark its role. So the bytes of the body bound its text; images,
sound and what the provider adds by itself get fixed costs. English text takes about a quarter of this bound.

Not bounded by the request, and so assumed: what a provider-side tool fetches, and stored context.
"""

from collections.abc import Mapping

REQUEST_TOKENS = 64
# The instructions that a provider adds for tools, or for citations.
TOOLS_TOKENS = 1_024
IMAGE_TOKENS = 5_000
# gpt-4o-mini takes 2,833 tokens and 5,667 for each of up to eight tiles (OpenAI, "Images and vision").
IMAGE_TOKENS_GPT_4O_MINI = 49_000
FILE_TOKENS = 10_000
STORED_CONTEXT_TOKENS = 200_000
# 6 kbit/s is the least that speech codecs use, and 32 tokens a second the most that is charged for sound, so
# 750 bytes, or 1,000 characters of base64, make 32 tokens; half as many characters leaves room.
SOUND_CHARACTERS_PER_TOKEN = 16
SOUND_TOKENS = 1_000

_MEDIA_SIGNS = (b"image", b"audio", b"video", b"file", b'"data"', b"document", b"inline")
_STORED = (
    "previous_response_id",
    "conversation",
    "cachedContent",
    "cached_content",
    "container",
    "mcp_servers",
    "web_search_options",
)
_STORED_KEYS = ("file_id", "file_url", "fileUri", "file_uri")
# Tuples, not sets: what is compared with them may be any JSON value, hashable or not.
_CLIENT_TOOL_TYPES = (None, "function", "custom")
_IMAGE_TYPES = ("image", "input_image", "image_url")
_GEMINI_CLIENT_TOOLS = frozenset({"functionDeclarations", "function_declarations"})
# What stands under these is read by the model as text, whatever it looks like.
_TEXT_KEYS = frozenset({"tools", "functions", "args", "arguments", "parameters", "input_schema", "response"})


def input_ceiling(document: Mapping[str, object], body: bytes, model: str | None) -> int:
    """The most input tokens that a JSON request may cost; ``document`` is ``body``, parsed."""
    tokens = REQUEST_TOKENS + len(body)
    tools = document.get("tools")
    if tools or document.get("functions") or b'"citations"' in body:
        tokens += TOOLS_TOKENS
    stored = _names_stored_context(document) or _asks_provider_tools(tools)
    if any(sign in body for sign in _MEDIA_SIGNS):
        difference, names_file = _media(document, model)
        tokens += difference
        stored = stored or names_file
    return max(tokens, REQUEST_TOKENS) + (STORED_CONTEXT_TOKENS if stored else 0)


def _names_stored_context(document: Mapping[str, object]) -> bool:
    if isinstance(document.get("prompt"), dict):  # OpenAI's stored prompts
        return True
    return any(document.get(key) is not None for key in _STORED)


def _asks_provider_tools(tools: object) -> bool:
    """Whether a tool runs at the provider, which then adds what the tool found."""
    return isinstance(tools, list) and any(
        isinstance(tool, dict) and _is_provider_tool(tool) for tool in tools
    )


def _is_provider_tool(tool: Mapping[str, object]) -> bool:
    if "type" in tool or "name" in tool:
        return tool.get("type") not in _CLIENT_TOOL_TYPES
    return not _GEMINI_CLIENT_TOOLS.issuperset(tool)


def _media(document: Mapping[str, object], model: str | None) -> tuple[int, bool]:
    """What fixed costs add, less the base64 text that they stand for; and whether a stored file is named."""
    image = IMAGE_TOKENS_GPT_4O_MINI if model and model.startswith("gpt-4o-mini") else IMAGE_TOKENS
    difference, names_file = 0, False
    pending: list[object] = [document]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            difference += _cost_of(node, image)
            names_file = names_file or _names_file(node)
            if node.get("type") != "tool_use":
                pending.extend(value for key, value in node.items() if key not in _TEXT_KEYS)
        elif isinstance(node, list):
            pending.extend(value for value in node if type(value) is dict or type(value) is list)
    return difference, names_file


def _cost_of(node: Mapping[str, object], image: int) -> int:
    data, media_type = _embedded(node)
    if media_type.startswith("image/"):
        return image - len(data)
    if media_type.startswith(("audio/", "video/")):
        return len(data) // SOUND_CHARACTERS_PER_TOKEN + SOUND_TOKENS - len(data)
    if data:
        return FILE_TOKENS
    return image if _names_image(node) else 0


def _embedded(node: Mapping[str, object]) -> tuple[str, str]:
    """The base64 text in this object and its media type, in the providers' several spellings."""
    for key in ("url", "image_url", "file_data", "video_url"):
        value = node.get(key)
        if isinstance(value, str) and value[:5].lower() == "data:":
            return value, value[5:64].lower()
    data = node.get("data")
    if not isinstance(data, str):
        return "", ""
    for key in ("mimeType", "mime_type", "media_type"):
        value = node.get(key)
        if isinstance(value, str):
            return data, value.lower()
    return (data, f"audio/{node['format']}") if isinstance(node.get("format"), str) else ("", "")


def _names_image(node: Mapping[str, object]) -> bool:
    """An image by address only; where it is embedded, it stands one object deeper and is counted there."""
    if node.get("type") not in _IMAGE_TYPES:
        return False
    inner = (node.get("source"), node.get("image_url"))
    return not any(isinstance(value, dict) and _embedded(value)[0] for value in inner)


def _names_file(node: Mapping[str, object]) -> bool:
    if any(isinstance(node.get(key), str) for key in _STORED_KEYS):
        return True
    source = node.get("source")
    return node.get("type") == "document" and isinstance(source, dict) and source.get("type") == "url"

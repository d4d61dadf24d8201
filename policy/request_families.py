"""The families of AI requests, by the types and values of their fields: one recogniser a family.

From the products' own references; what any family has is in ``policy.question_evidence``.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from policy.hints import NONE, Hint, best

FULL, WRAPPED, PARTIAL, ROLES = 40, 30, 25, 25
TOOLS, KNOWN_MODEL = 15, 15

type Document = Mapping[str, object]

# No set: a role may be anything, also a list, which no set can be asked for.
_ROLES = ("system", "developer", "user", "assistant", "tool", "function", "model")
_MODELS = re.compile(
    r"(?i)(?:^|[/:.~-])(?:gpt-?[345o]|chatgpt|o[134](?:-|$)|claude|gemini|gemma|llama|codellama|mistral|mixtral|"
    r"ministral|codestral|magistral|devstral|qwen|qwq|deepseek|grok|command-[ar]|phi-?[34]|yi-|glm-|kimi|"
    r"moonshot|sonar|jamba|nova-|titan-|falcon|starcoder|text-embedding|embed-|embedding|bge-|e5-|nomic-embed|"
    r"(?:omni|text)-moderation|whisper|"
    r"tts-1|dall-e|gpt-image|imagen|veo-|flux|stable-diffusion|sdxl|minilm|jina-|voyage-|rerank|tinyllama|"
    r"openchat|vicuna|zephyr|hermes|wizardlm|granite|davinci|babbage)"
)
_ITEM_TYPES = ("message", "function_call", "function_call_output", "reasoning", "item_reference")
# Settings that nothing but text generation has.
_GENERATION_KEYS = (
    *("n_predict", "num_predict", "max_new_tokens", "num_ctx", "max_context_length", "rep_pen"),
    *("sampler_order", "mirostat", "guided_json"),
)
# Settings that nothing but the diffusion of images has.
_DIFFUSION_KEYS = ("negative_prompt", "num_inference_steps", "guidance_scale", "cfg_scale")


def family_hint(found: Document, depth: int) -> Hint:
    """The hint of one object; what lies deeper weighs less, since it may be a record of a call."""
    hint = best([Hint(points, reason) for points, reason in _families(found) if points])
    if not hint.points:
        return NONE
    if depth and hint.points >= FULL:
        hint = Hint(WRAPPED, f"{hint.reason}, wrapped")
    points, reasons = hint.points, [hint.reason]
    if _has_tools(found):
        points, reasons = points + TOOLS, [*reasons, "tools with schemas"]
    if knows_model(found):
        points, reasons = points + KNOWN_MODEL, [*reasons, "an AI model's name"]
    return Hint(points, ", ".join(reasons))


def knows_model(found: Document) -> bool:
    """Whether an object names a model that is known to be one."""
    model = found.get("model", found.get("model_id"))
    return isinstance(model, str) and _MODELS.search(model[:200]) is not None


def _families(found: Document) -> Iterator[tuple[int, str]]:
    for recognise, reason in _RECOGNISERS:
        yield recognise(found), f"body of a {reason} request"


def _chat(found: Document) -> int:
    messages = found.get("messages")
    if not isinstance(messages, list) or not messages or not all(map(_is_turn, messages[:50])):
        return 0
    named = isinstance(found.get("model"), str) and bool(found["model"])
    return FULL if named or isinstance(found.get("inferenceConfig"), dict) or _sampling(found) else ROLES


def _is_turn(message: object) -> bool:
    if not isinstance(message, dict) or message.get("role") not in _ROLES:
        return False
    content = message.get("content")
    if content is None:
        return "tool_calls" in message or "parts" in message
    return isinstance(content, str) or (
        isinstance(content, list) and all(isinstance(c, dict) for c in content)
    )


def _responses(found: Document) -> int:
    if not _named(found) or not isinstance(found.get("input"), str | list):
        return 0
    wanted: dict[str, type | tuple[type, ...]] = {
        "instructions": str,
        "reasoning": dict,
        "tools": list,
        "previous_response_id": str,
        "store": bool,
        "text": dict,
        "max_output_tokens": int,
        "encoding_format": str,
        "dimensions": int,
        "voice": str,
    }
    if any(isinstance(found.get(key), kind) for key, kind in wanted.items()):
        return FULL
    turns = found["input"]
    if isinstance(turns, list) and turns and all(map(_is_item, turns[:50])):
        return FULL
    return PARTIAL if _MODELS.search(str(found["model"])[:200]) else 0


def _is_item(item: object) -> bool:
    return _is_turn(item) or (isinstance(item, dict) and item.get("type") in _ITEM_TYPES)


def _gemini(found: Document) -> int:
    contents = found.get("contents")
    contents = contents if isinstance(contents, list) else [found["content"]] if "content" in found else []
    return FULL if contents and all(map(_has_parts, contents[:50])) else 0


def _has_parts(content: object) -> bool:
    parts = content.get("parts") if isinstance(content, dict) else None
    known = {"text", "inlineData", "inline_data", "fileData", "functionCall", "functionResponse"}
    return (
        isinstance(parts, list)
        and bool(parts)
        and all(isinstance(p, dict) and known & p.keys() for p in parts)
    )


def _invoke(found: Document) -> int:
    version = found.get("anthropic_version")
    return FULL if isinstance(version, str) and version.startswith(("bedrock-", "vertex-")) else 0


def _inference(found: Document) -> int:
    parameters = found.get("parameters")
    if not isinstance(found.get("inputs"), str | list) or not isinstance(parameters, dict):
        return 0
    return FULL if "max_new_tokens" in parameters or _sampling(parameters) else 0


def _embedding(found: Document) -> int:
    """text-embeddings-inference: texts alone, with how to cut them."""
    inputs = found.get("inputs")
    if isinstance(inputs, str):
        inputs = [inputs]
    texts = isinstance(inputs, list) and bool(inputs) and all(isinstance(text, str) for text in inputs[:50])
    cut = any(isinstance(found.get(key), bool) for key in ("truncate", "normalize"))
    return PARTIAL if texts and cut else 0


def _settings(found: Document) -> int:
    """A model that is known by name, with sampling settings, whatever holds the question."""
    known = _named(found) and _MODELS.search(str(found["model"])[:200]) is not None
    return PARTIAL if known and _sampling(found) >= 2 else 0


def _completion(found: Document) -> int:
    prompt = found.get("prompt")
    if isinstance(prompt, list) and prompt and all(isinstance(text, str) for text in prompt[:50]):
        prompt = " ".join(prompt[:2])
    if not isinstance(prompt, str) or len(prompt) < 2:
        return 0
    options = found.get("options")
    sampling = _sampling(found) + (_sampling(options) if isinstance(options, dict) else 0)
    if _named(found) and (sampling or isinstance(found.get("stream"), bool)):
        return FULL
    if sampling >= 1 and any(isinstance(found.get(key), int | float | list) for key in _GENERATION_KEYS):
        return FULL
    return PARTIAL if sampling >= 2 and " " in prompt else 0


def _image(found: Document) -> int:
    prompt = found.get("prompt")
    if not isinstance(prompt, str) or " " not in prompt:
        return 0
    signs = (
        isinstance(size := found.get("size"), str)
        and re.fullmatch(r"\d{2,4}x\d{2,4}|auto", size) is not None,
        isinstance(found.get("negative_prompt"), str),
        isinstance(found.get("steps", found.get("num_inference_steps")), int),
        isinstance(found.get("cfg_scale", found.get("guidance_scale")), int | float),
        isinstance(found.get("aspect_ratio"), str),
        isinstance(found.get("width"), int) and isinstance(found.get("height"), int),
        isinstance(found.get("quality"), str),
        isinstance(found.get("n"), int),
        _named(found),
    )
    count = sum(signs) + any(key in found for key in _DIFFUSION_KEYS)
    return FULL if count >= 2 else PARTIAL if count else 0


def _rerank(found: Document) -> int:
    texts = found.get("documents", found.get("texts"))
    if not isinstance(found.get("query"), str) or not isinstance(texts, list):
        return 0
    settings = any(
        isinstance(found.get(key), bool) for key in ("raw_scores", "return_text", "return_documents")
    )
    return FULL if isinstance(found.get("top_n"), int) or settings or _named(found) else 0


def _triton(found: Document) -> int:
    return (
        FULL if isinstance(found.get("text_input"), str) and isinstance(found.get("max_tokens"), int) else 0
    )


def _speech(found: Document) -> int:
    text = found.get("text", found.get("input"))
    if not isinstance(text, str):
        return 0
    voice = isinstance(found.get("voice"), str) or isinstance(found.get("voice_settings"), dict)
    return FULL if voice and (_named(found) or isinstance(found.get("model_id"), str)) else 0


def _transcription(found: Document) -> int:
    if not isinstance(found.get("audio_url"), str):
        return 0
    return FULL if isinstance(found.get("speaker_labels"), bool) or "language_code" in found else PARTIAL


def _product(found: Document) -> int:
    """Dify, Coze, ComfyUI, OpenAI's assistants and ChatGPT's own page."""
    if isinstance(found.get("query"), str) and found.get("response_mode") in ("streaming", "blocking"):
        return FULL
    if isinstance(found.get("bot_id"), str) and isinstance(found.get("additional_messages"), list):
        return FULL
    prompt = found.get("prompt")
    if isinstance(prompt, dict) and any(isinstance(v, dict) and "class_type" in v for v in prompt.values()):
        return FULL
    messages = found.get("messages")
    authored = isinstance(messages, list) and any(isinstance(m, dict) and _authored(m) for m in messages)
    assistant = found.get("assistant_id")
    if isinstance(assistant, str) and assistant.startswith("asst_"):
        return FULL
    return FULL if authored and _named(found) else 0


def _authored(message: Document) -> bool:
    author = message.get("author")
    return isinstance(author, dict) and author.get("role") in _ROLES


def _ollama(found: Document) -> int:
    """A bare prompt for a model that is known by name."""
    prompt = found.get("prompt")
    return PARTIAL if _named(found) and isinstance(prompt, str) and _MODELS.search(str(found["model"])) else 0


_RECOGNISERS: tuple[tuple[Callable[[Document], int], str], ...] = (
    (_chat, "chat"),
    (_responses, "responses, embeddings or speech"),
    (_gemini, "Gemini"),
    (_invoke, "hosted Claude"),
    (_inference, "text-generation-inference"),
    (_embedding, "text embedding"),
    (_completion, "completion"),
    (_image, "image generation"),
    (_rerank, "rerank"),
    (_triton, "Triton"),
    (_speech, "speech"),
    (_transcription, "transcription"),
    (_product, "chat product's"),
    (_ollama, "prompt"),
    (_settings, "known model's"),
)


def _named(found: Document) -> bool:
    return isinstance(found.get("model"), str) and bool(found["model"])


def _sampling(found: Document) -> int:
    """How many sampling settings there are, by value as well as by name."""
    temperature, top_p, stop = found.get("temperature"), found.get("top_p"), found.get("stop")
    counts = ("top_k", "n_predict", "num_predict", "max_tokens", "max_new_tokens", "num_ctx", "seed")
    return (
        sum(type(found.get(key)) is int for key in counts)
        + (isinstance(temperature, int | float) and 0 <= temperature <= 2)
        + (isinstance(top_p, int | float) and 0 <= top_p <= 1)
        + (isinstance(stop, str) or (isinstance(stop, list) and bool(stop)))
        + isinstance(found.get("repeat_penalty", found.get("repetition_penalty")), float)
    )


def _has_tools(found: Document) -> bool:
    tools = found.get("tools")
    if not isinstance(tools, list) or not tools or not isinstance(tools[0], dict):
        return False
    tool = tools[0]
    inner = tool.get("function") if isinstance(tool.get("function"), dict) else tool
    schema = inner.get("parameters", inner.get("input_schema")) if isinstance(inner, dict) else None
    return (isinstance(schema, dict) and "type" in schema) or "functionDeclarations" in tool

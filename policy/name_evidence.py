"""What a host's name alone says of AI. A name is chosen freely: it makes a host suspect, and never more.

Words are what stands between dots, hyphens and underscores. The last label says nothing: `ai` is Anguilla's.
"""

import re
from functools import lru_cache

from policy.hints import NONE, Hint

# TELLING is enough for a look where the client is a program; AGREEING names only go with other evidence.
TELLING, AGREEING = 30, 8

# Products and servers: these words mean nothing else.
_PRODUCTS = frozenset(
    ("chatgpt", "genai", "litellm", "llamacpp", "lmstudio", "ollama", "openai", "openwebui", "vllm")
)
# Of a model's server where they stand alone, as in `llm.example.com`. An LL.M. is also a master of laws, and
# GPT a partition table.
_KINDS = frozenset(("gpt", "llm", "llms"))
# Also people, places, firms and fields of study.
_COMMON = frozenset(
    ("ai", "claude", "copilot", "deepseek", "gemini", "grok", "inference", "llama", "mistral", "qwen")
)
# What kinds and common words tell of AI beside, in one label.
_ACCESS = frozenset(
    (
        *("api", "apis", "chat", "completion", "completions", "endpoint", "gateway", "gpu", "gw", "model"),
        *("models", "proxy", "relay", "router", "server"),
    )
)
_NUMBER = re.compile(r"[0-9]+$")


@lru_cache(maxsize=4096)
def name_hint(host: str) -> Hint:
    """The hint of a canonical host name; the reason quotes the words that say so, and nothing else."""
    labels = host.split(".")
    hint = NONE
    for label in labels[:-1] or labels:
        words = {_NUMBER.sub("", word) for word in re.split("[-_]", label)} - {""}
        known = words & (_PRODUCTS | _KINDS | _COMMON)
        if known and _tells(words):
            return Hint(TELLING, f"the host's name says {' '.join(sorted(known))}")
        if known:
            hint = Hint(AGREEING, "the host's name")
    return hint


def _tells(words: set[str]) -> bool:
    if words & _PRODUCTS or words <= _KINDS:
        return True
    return bool(words & _ACCESS) or len(words & (_KINDS | _COMMON)) > 1

"""The published forms of real provider keys: to notice one that leaves or is kept, never to use one.

Prefix and a minimum length, since vendors lengthen keys without notice. Patterns are those that the vendors'
documentation and the public secret scanners use.
"""

import re

_FORMS = re.compile(
    r"""(?x)
    sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,}      # OpenAI
    | sk-ant-(?:api|admin|oat|ort)\d\d-[A-Za-z0-9_-]{20,}  # Anthropic
    | sk-or-v1-[0-9a-f]{32,}                           # OpenRouter
    | sk-[A-Za-z0-9]{32,}                              # OpenAI (old), DeepSeek, Moonshot, Qwen and resellers
    | AIza[0-9A-Za-z_-]{35,}                           # Google API key
    | AQ\.[0-9A-Za-z_-]{20,}                           # Gemini API key, newer
    | ya29\.[0-9A-Za-z_-]{20,}                         # Google OAuth access token
    | xai-[A-Za-z0-9]{40,}                             # xAI
    | gsk_[A-Za-z0-9]{40,}                             # Groq
    | pplx-[A-Za-z0-9]{40,}                            # Perplexity
    | fw_[A-Za-z0-9]{20,}                              # Fireworks
    | csk-[A-Za-z0-9]{30,}                             # Cerebras
    | nvapi-[A-Za-z0-9_-]{40,}                         # NVIDIA
    | hf_[A-Za-z]{30,}                                 # Hugging Face
    | r8_[A-Za-z0-9]{37,}                              # Replicate
    | ABSK[A-Za-z0-9+/]{60,}=*                         # Amazon Bedrock API key
    | gh[pousr]_[A-Za-z0-9]{36,}                       # GitHub
    """
)
_SIGV4 = re.compile(r"AWS4-HMAC-SHA256 Credential=(?:AKIA|ASIA)[0-9A-Z]{16}/")


def has_provider_form(text: str) -> bool:
    """Whether the text is, or for AWS signatures names, a key in the form of some AI provider's."""
    return _FORMS.fullmatch(text) is not None or _SIGV4.match(text) is not None


_FORMS_IN_BYTES = re.compile(
    rb"(?<![A-Za-z0-9_-])(?:" + _FORMS.pattern.removeprefix("(?x)").encode() + b")", re.X
)


def holds_provider_key(text: bytes) -> bool:
    """Whether a key in the form of some AI provider's stands anywhere in a text."""
    return _FORMS_IN_BYTES.search(text) is not None


# One of these begins every form. Looking for them first spares most texts the search, which takes ten times
# as long.
_BEGINNINGS = (
    *("sk-", "AIza", "AQ.", "ya29.", "xai-", "gsk_", "pplx-", "fw_", "csk-", "nvapi-", "hf_", "r8_", "ABSK"),
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
)
_FORMS_IN_TEXT = re.compile(r"(?<![A-Za-z0-9_-])(?:" + _FORMS.pattern.removeprefix("(?x)") + ")", re.X)


def key_within(text: str) -> str | None:
    """The first key in the form of some AI provider's that stands in a text."""
    if not any(beginning in text for beginning in _BEGINNINGS):
        return None
    found = _FORMS_IN_TEXT.search(text)
    return found.group() if found is not None else None


_ANYWHERE = re.compile(_FORMS.pattern.encode(), re.VERBOSE)


def without_keys(text: bytes) -> bytes:
    """The text with everything in the form of a provider's key as asterisks, so that lengths stay.

    One that is cut off at the end of the text is caught by its prefix and length like any other; what is too
    short by then to be told from a word opens nothing either.
    """
    return _ANYWHERE.sub(lambda match: b"*" * len(match.group()), text)

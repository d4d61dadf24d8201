"""SDKs: those of AI providers at their providers' hosts and at hosts that nobody listed; and others."""

from collections.abc import Callable
from functools import partial

from tests.standins.answers import Answer
from tests.standins.provider import Seen
from tests.traffic import sdk_operations as sdk
from tests.traffic.ai_answers import ai_answer
from tests.traffic.client import Client, Kind, Label, Station, Told

# Provider's host, the base path that its documentation names, what is called, and whose placeholder is sent.
_KNOWN: tuple[tuple[str, str, sdk.Operation, str], ...] = (
    ("api.openai.com", "/v1", sdk.openai_responses, "openai"),
    ("api.anthropic.com", "", sdk.anthropic_message, "anthropic"),
    ("generativelanguage.googleapis.com", "", sdk.google_generate, "google"),
    ("api.mistral.ai", "", sdk.mistral_chat, "mistral"),
    ("api.groq.com", "", sdk.groq_chat, ""),
    ("ollama.com", "", sdk.ollama_chat, ""),
    ("api.replicate.com", "", sdk.replicate_run, ""),
    ("huggingface.co", "", sdk.hugging_face_hub, ""),
    ("router.huggingface.co", "/v1", sdk.hugging_face_chat, ""),
    ("acme.openai.azure.com", "", sdk.openai_azure, ""),
    ("aiplatform.googleapis.com", "", sdk.google_vertex_refused, ""),
    ("api.novita.ai", "/v3/openai", sdk.openai_chat_refused, ""),
    ("api.hyperbolic.xyz", "/v1", sdk.openai_chat_refused, ""),
    ("bedrock-runtime.eu-central-1.amazonaws.com", "", sdk.bedrock_converse, ""),
    ("api.deepseek.com", "", sdk.openai_chat, ""),
    ("openrouter.ai", "/api/v1", sdk.openai_chat, ""),
    ("api.together.xyz", "/v1", sdk.openai_chat, ""),
    ("api.fireworks.ai", "/inference/v1", sdk.openai_chat, ""),
    ("api.x.ai", "/v1", sdk.openai_chat, ""),
    ("api.perplexity.ai", "", sdk.openai_chat_streamed, ""),
    ("api.cerebras.ai", "/v1", sdk.openai_chat, ""),
    ("integrate.api.nvidia.com", "/v1", sdk.openai_chat, ""),
    ("dashscope-intl.aliyuncs.com", "/compatible-mode/v1", sdk.openai_chat, ""),
    ("api.moonshot.ai", "/v1", sdk.openai_chat, ""),
    ("open.bigmodel.cn", "/api/paas/v4", sdk.openai_chat, ""),
    ("api.sambanova.ai", "/v1", sdk.openai_chat, ""),
    ("api.deepinfra.com", "/v1/openai", sdk.openai_embeddings, ""),
    ("models.github.ai", "/inference", sdk.openai_chat, ""),
)

# What of these the tenant blocks; a key of one's own to a provider whose keys are vaulted is refused too.
BLOCKED = ("api.novita.ai", "api.hyperbolic.xyz")

# Pointed at hosts of no catalogue: the base path, and what is called.
_UNKNOWN: tuple[tuple[str, sdk.Operation], ...] = (
    ("/v1", sdk.openai_chat),
    ("/v1", sdk.openai_chat_streamed),
    ("/v1", sdk.openai_chat_with_tools),
    ("/v1", sdk.openai_chat_asynchronous),
    ("", sdk.openai_azure),
    ("/v1", sdk.openai_responses),
    ("/v1", sdk.openai_responses_streamed),
    ("/v1", sdk.openai_embeddings),
    ("/v1", sdk.openai_transcription),
    ("/v1", sdk.openai_speech),
    ("/v1", sdk.openai_image),
    ("/v1", sdk.openai_completion),
    ("/v1", sdk.openai_models),
    ("/v1", sdk.openai_moderation),
    ("/v1", sdk.openai_realtime),
    ("", sdk.anthropic_message),
    ("", sdk.anthropic_message_streamed),
    ("", sdk.anthropic_count),
    ("", sdk.anthropic_asynchronous),
    ("", sdk.google_generate),
    ("", sdk.google_generate_streamed),
    ("", sdk.google_embedding),
    ("", sdk.google_count),
    ("", sdk.mistral_chat),
    ("", sdk.mistral_chat_streamed),
    ("", sdk.mistral_embedding),
    ("", sdk.mistral_fill_in),
    ("", sdk.groq_chat),
    ("", sdk.groq_transcription),
    ("", sdk.ollama_chat),
    ("", sdk.ollama_chat_streamed),
    ("", sdk.ollama_generate),
    ("", sdk.ollama_embedding),
    ("/v1", sdk.hugging_face_chat),
    ("/", sdk.hugging_face_generation),
    ("", sdk.replicate_run),
    ("", sdk.bedrock_converse),
    ("", sdk.bedrock_invoke),
)

_BUCKET = (
    b'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>reports</Name>'
    b"<Contents><Key>prompts.json</Key><Size>5</Size></Contents></ListBucketResult>"
)
_IDENTITY = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    b"<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)
_PINGBACKS = (
    b"<?xml version='1.0'?><methodResponse><params><param><value><string>none</string></value></param>"
    b"</params></methodResponse>"
)
_FEED = b"<rss version='2.0'><channel><title>News of large language models</title></channel></rss>"
_VAULT = {"data": {"data": {"password": "x"}, "metadata": {"version": 1}}, "lease_duration": 0}
_ORDERS = {"items": [{"id": 1, "model": "Golf"}], "next": None}


def _xml(body: bytes) -> Answer:
    return Answer(200, (("content-type", "text/xml"),), (body,))


# Of no AI: what is called, and what is answered.
_NOT_AI: tuple[tuple[Callable[[str], object], Answer], ...] = (
    (sdk.s3_objects, _xml(_BUCKET)),
    (sdk.sts_caller, _xml(_IDENTITY)),
    (sdk.dynamo_item, Answer.json(200, {"Item": {"id": {"S": "ada"}}})),
    (sdk.vault_secret, Answer.json(200, _VAULT)),
    (sdk.requests_rest, Answer.json(200, _ORDERS)),
    (sdk.requests_graphql, Answer.json(200, _ORDERS)),
    (sdk.urllib_feed, Answer(200, (("content-type", "application/rss+xml"),), (_FEED,))),
    (sdk.xml_rpc, _xml(_PINGBACKS)),
)


def _with_key(operation: sdk.Operation, url: str, holder: str, station: Station) -> Told:
    operation(url, station.placeholders.get(holder, sdk.KEY))
    return {}


def _plainly(operation: Callable[[str], object], url: str, _: Station) -> Told:
    operation(url)
    return {}


def _spoken(operation: Callable[..., object]) -> str:
    return operation.__name__.replace("_", " ")


def clients() -> list[Client]:
    """Every entry."""
    known = [
        Client(
            f"{_spoken(operation)} at {host}",
            Kind.SDK,
            Label.KNOWN,
            (host,),
            partial(_with_key, operation, f"https://{host}{path}", holder),
            ai_answer,
        )
        for host, path, operation, holder in _KNOWN
    ]
    unknown = [
        Client(
            _spoken(operation),
            Kind.SDK,
            Label.UNKNOWN,
            (host := f"s{number}.intern.test",),
            partial(_with_key, operation, f"https://{host}{path}", ""),
            ai_answer,
        )
        for number, (path, operation) in enumerate(_UNKNOWN)
    ]
    others = [
        Client(
            _spoken(operation),
            Kind.SDK,
            Label.NOT_AI,
            (host := f"s{number}.office.test",),
            partial(_plainly, operation, f"https://{host}"),
            partial(_always, answer),
        )
        for number, (operation, answer) in enumerate(_NOT_AI)
    ]
    return [*known, *unknown, *others]


def _always(answer: Answer, _: Seen) -> Answer:
    return answer

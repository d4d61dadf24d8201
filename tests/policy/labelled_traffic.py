"""Labelled exchanges for fitting and judging evidence: AI calls to hosts in no catalogue, and what is not AI.

Written after the public API references of the products named; hosts are reserved names.
"""

# ruff: noqa: E501 - one exchange a line reads best
import json
from dataclasses import dataclass, field

from policy.evidence import AnswerEvidence, RequestEvidence

OPENAI_SDK = {
    "user-agent": "OpenAI/Python 3.54.0",
    "x-stainless-lang": "python",
    "authorization": "Bearer local-key",
}
ANTHROPIC_SDK = {
    "user-agent": "Anthropic/Python 2.12.0",
    "x-stainless-lang": "python",
    "anthropic-version": "2023-06-01",
    "x-api-key": "local",
}
CURL = {"user-agent": "curl/8.5.0"}
PYTHON = {"user-agent": "python-requests/2.34"}
BROWSER = {"user-agent": "Mozilla/5.0", "accept": "text/html"}

TURN = {"role": "user", "content": "Summarise our plans for next year."}
CHAT = {"model": "in-house-7b", "messages": [TURN]}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
CHAT_ANSWER = {
    "object": "chat.completion",
    "model": "in-house-7b",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": USAGE,
}
VECTOR = [0.125] * 256


@dataclass(frozen=True)
class Flow:
    name: str
    path: str
    body: object = None
    headers: dict[str, str] = field(default_factory=lambda: PYTHON)
    method: str = "POST"
    host: str = "tools.example.test"
    content_type: str = "application/json"
    answer: object = None
    answer_type: str = "application/json"
    status: int = 200

    @property
    def request(self) -> RequestEvidence:
        headers = dict(self.headers)
        if self.body is not None:
            headers["content-type"] = self.content_type
        return RequestEvidence(self.method, self.host, self.path, headers, _bytes(self.body))

    @property
    def answered(self) -> AnswerEvidence:
        return AnswerEvidence(self.status, {"content-type": self.answer_type}, _bytes(self.answer))


def _bytes(content: object) -> bytes:
    if content is None:
        return b""
    if isinstance(content, bytes):
        return content
    return content.encode() if isinstance(content, str) else json.dumps(content).encode()


def form(model: str) -> bytes:
    return (
        f'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n--b\r\n'
        'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n--b--\r\n'
    ).encode()


def sse(*documents: object) -> str:
    return "".join(f"data: {json.dumps(document)}\n\n" for document in documents)


CHUNK = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "Yes"}}]}
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "Hello there"}]}]}
GEMINI_ANSWER = {
    "candidates": [{"content": {"parts": [{"text": "Hi"}]}}],
    "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 5},
}
CLAUDE = {"model": "claude-sonnet-4-5", "max_tokens": 99, "system": "Be brief.", "messages": [TURN]}
OLLAMA_LINE = json.dumps({"model": "llama3", "response": "Hi", "done": True, "eval_count": 5}) + "\n"

AI = [
    Flow("vLLM chat by the OpenAI SDK", "/v1/chat/completions", CHAT, OPENAI_SDK, answer=CHAT_ANSWER),
    Flow("vLLM chat by curl", "/v1/chat/completions", CHAT, CURL, answer=CHAT_ANSWER),
    Flow("chat behind a prefix", "/internal/llm/v1/chat/completions", CHAT, CURL, answer=CHAT_ANSWER),
    Flow("chat streamed", "/v1/chat/completions", {**CHAT, "stream": True}, CURL, answer=sse(CHUNK),
         answer_type="text/event-stream"),
    Flow("chat with tools", "/v1/chat/completions", {**CHAT, "tools": TOOLS}, CURL, answer=CHAT_ANSWER),
    Flow("chat at a renamed path", "/ask", {**CHAT, "tools": TOOLS, "temperature": 0.2},
         {"user-agent": "OpenAI/JS 5.0"}, answer=CHAT_ANSWER),
    Flow("chat at a renamed path by curl, judged with its answer", "/ask", CHAT, CURL, answer=CHAT_ANSWER),
    Flow("chat through an encoded path", "/v1/chat%2Fcompletions", CHAT, CURL, answer=CHAT_ANSWER),
    Flow("chat through dot segments", "/x/../v1//chat/./completions", CHAT, CURL, answer=CHAT_ANSWER),
    Flow("LM Studio chat", "/api/v0/chat/completions", CHAT, CURL, answer=CHAT_ANSWER),
    Flow("Azure-like deployment", "/openai/deployments/d/chat/completions", {"messages": [TURN]}, PYTHON,
         answer=CHAT_ANSWER),
    Flow("Qwen-compatible chat", "/compatible-mode/v1/chat/completions", {**CHAT, "model": "qwen-max"}, CURL,
         answer=CHAT_ANSWER),
    Flow("GLM chat", "/api/paas/v4/chat/completions", {**CHAT, "model": "glm-4.6"}, CURL, answer=CHAT_ANSWER),
    Flow("Ark chat", "/api/v3/chat/completions", CHAT, CURL, answer=CHAT_ANSWER),
    Flow("chat with an image", "/v1/chat/completions",
         {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "what is it"}]}]},
         CURL, answer=CHAT_ANSWER),
    Flow("chat with a tool result", "/v1/chat/completions",
         {"model": "m", "messages": [TURN, {"role": "assistant", "tool_calls": []},
                                     {"role": "tool", "content": "5"}]}, CURL, answer=CHAT_ANSWER),
    Flow("chat by LangChain", "/v1/chat/completions", CHAT, {"user-agent": "langchain/1.0"}, answer=CHAT_ANSWER),
    Flow("chat by aider", "/v1/chat/completions", CHAT, {"user-agent": "aider/0.80"}, answer=CHAT_ANSWER),
    Flow("chat by LiteLLM", "/chat/completions", CHAT, {"user-agent": "litellm/1.109"}, answer=CHAT_ANSWER),
    Flow("chat by the Vercel SDK", "/v1/chat/completions", CHAT, {"user-agent": "ai-sdk/openai"},
         answer=CHAT_ANSWER),
    Flow("router with a leaked key", "/api/v1/chat/completions", CHAT,
         {"authorization": "Bearer sk-or-v1-" + "0" * 64}, answer=CHAT_ANSWER),
    Flow("gateway with Portkey headers", "/v1/chat/completions", CHAT, {"x-portkey-api-key": "x"},
         answer=CHAT_ANSWER),
    Flow("chat wrapped in GraphQL", "/graphql",
         {"query": "mutation($i: I){ask(i:$i)}", "variables": {"i": {**CHAT, "model": "gpt-4o", "tools": TOOLS}}},
         {"user-agent": "OpenAI/JS 5.0"}, answer={"data": {"ask": "x"}}),
    Flow("responses by the SDK", "/v1/responses", {"model": "gpt-5", "input": "Hello"}, OPENAI_SDK,
         answer={"object": "response", "output": [], "usage": {"input_tokens": 1, "output_tokens": 2}}),
    Flow("responses by curl", "/v1/responses", {"model": "gpt-5", "input": "Hello", "store": False}, CURL,
         answer={"object": "response", "output": [], "usage": {"input_tokens": 1, "output_tokens": 2}}),
    Flow("Codex", "/v1/responses",
         {"model": "gpt-5-codex", "input": [TURN], "instructions": "You are", "tools": [], "stream": True},
         {"user-agent": "codex_cli_rs/0.169"}, answer='event: response.created\ndata: {"type":"response.created"}\n\n',
         answer_type="text/event-stream"),
    Flow("Claude-compatible by the SDK", "/v1/messages", CLAUDE, ANTHROPIC_SDK,
         answer={"type": "message", "role": "assistant", "content": [], "usage": {"input_tokens": 1, "output_tokens": 2}}),
    Flow("Claude-compatible by curl", "/v1/messages", CLAUDE, {**CURL, "anthropic-version": "2023-06-01"},
         answer={"type": "message", "role": "assistant", "content": [], "usage": {"input_tokens": 1, "output_tokens": 2}}),
    Flow("Claude-compatible without headers", "/anthropic/v1/messages", CLAUDE, CURL,
         answer={"type": "message", "role": "assistant", "content": [], "usage": {"input_tokens": 1, "output_tokens": 2}}),
    Flow("Claude Code", "/v1/messages?beta=true", {**CLAUDE, "stream": True},
         {"user-agent": "claude-cli/2.1", "anthropic-beta": "x"},
         answer='event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":1,"output_tokens":1}}}\n\n',
         answer_type="text/event-stream"),
    Flow("Claude token count", "/v1/messages/count_tokens", {"model": "claude-opus-5", "messages": [TURN]}, CURL,
         answer={"input_tokens": 5}),
    Flow("Gemini-compatible", "/v1beta/models/gemini-2.5-pro:generateContent", GEMINI, CURL, answer=GEMINI_ANSWER),
    Flow("Gemini streamed by its SDK", "/v1beta/models/g:streamGenerateContent", GEMINI,
         {"x-goog-api-client": "google-genai-sdk/3.4 gl-python/3.13"}, answer=sse(GEMINI_ANSWER),
         answer_type="text/event-stream"),
    Flow("Gemini CLI", "/v1internal:generateContent", {"model": "gemini-2.5-pro", "request": GEMINI},
         {"user-agent": "GeminiCLI/0.61"}, answer=GEMINI_ANSWER),
    Flow("Gemini embeddings", "/v1beta/models/e:embedContent", {"content": {"parts": [{"text": "a"}]}}, CURL,
         answer={"embedding": {"values": VECTOR}}),
    Flow("Vertex Claude", "/v1/projects/p/locations/l/publishers/anthropic/models/claude-sonnet-4:rawPredict",
         {"anthropic_version": "vertex-2023-10-16", "messages": [TURN], "max_tokens": 9}, CURL, answer=CHAT_ANSWER),
    Flow("Bedrock converse", "/model/m/converse",
         {"messages": [{"role": "user", "content": [{"text": "hi"}]}], "inferenceConfig": {"maxTokens": 9}}, CURL,
         answer={"output": {"message": {}}, "stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 2}}),
    Flow("Bedrock invoke", "/model/anthropic.claude/invoke",
         {"anthropic_version": "bedrock-2023-05-31", "messages": [TURN], "max_tokens": 5}, CURL, answer=CHAT_ANSWER),
    Flow("Ollama generate", "/api/generate", {"model": "llama3", "prompt": "Why is the sky blue?"}, CURL,
         answer=OLLAMA_LINE, answer_type="application/x-ndjson"),
    Flow("Ollama generate, unknown model", "/api/generate",
         {"model": "ours", "prompt": "Why is it?", "stream": False, "options": {"temperature": 0.1}}, CURL,
         answer=OLLAMA_LINE, answer_type="application/x-ndjson"),
    Flow("Ollama chat", "/api/chat", {"model": "llama3", "messages": [TURN]}, CURL, answer=OLLAMA_LINE,
         answer_type="application/x-ndjson"),
    Flow("Ollama embed", "/api/embed", {"model": "nomic-embed-text", "input": "text"}, CURL,
         answer={"model": "nomic-embed-text", "embeddings": [VECTOR]}),
    Flow("llama.cpp completion", "/completion", {"prompt": "Once upon a time", "n_predict": 64, "temperature": 0.7},
         CURL, answer={"content": "there", "tokens_predicted": 5, "generated_text": "there"}),
    Flow("llama.cpp infill", "/infill", {"prompt": "def f( x", "n_predict": 64, "top_k": 5}, CURL,
         answer={"content": "there", "tokens_predicted": 5, "generated_text": "x"}),
    Flow("TGI generate", "/generate", {"inputs": "Once upon", "parameters": {"max_new_tokens": 50}}, CURL,
         answer={"generated_text": "a time", "usage": USAGE}),
    Flow("TGI stream", "/generate_stream", {"inputs": "Once upon", "parameters": {"max_new_tokens": 50}}, CURL,
         answer=sse({"token": {"id": 1, "text": "a"}, "generated_text": "a"}), answer_type="text/event-stream"),
    Flow("Hugging Face endpoint", "/", {"inputs": "Once upon", "parameters": {"temperature": 0.7, "top_p": 0.9}},
         {"user-agent": "huggingface_hub/1.0"}, answer=[{"generated_text": "a time"}]),
    Flow("Triton LLM", "/v2/models/ensemble/generate", {"text_input": "Hello", "max_tokens": 20, "bad_words": ""},
         CURL, answer={"text_output": "x"}),
    Flow("legacy completions", "/v1/completions", {"model": "m", "prompt": "Say this", "max_tokens": 7}, CURL,
         answer={"choices": [{"text": "this"}], "usage": USAGE}),
    Flow("Mistral FIM", "/v1/fim/completions", {"model": "codestral-latest", "prompt": "def f(", "suffix": "return",
         "temperature": 0}, CURL, answer=CHAT_ANSWER),
    Flow("embeddings by the SDK", "/v1/embeddings",
         {"model": "text-embedding-3-small", "input": ["a"], "encoding_format": "base64"}, OPENAI_SDK,
         answer={"data": [{"object": "embedding", "embedding": "AAAA"}], "usage": {"prompt_tokens": 1, "total_tokens": 1}}),
    Flow("embeddings by curl", "/v1/embeddings", {"model": "bge-m3", "input": "text"}, CURL,
         answer={"data": [{"object": "embedding", "embedding": VECTOR}], "usage": {"prompt_tokens": 1, "total_tokens": 1}}),
    Flow("rerank", "/v1/rerank", {"model": "bge-reranker", "query": "q", "documents": ["a", "b"], "top_n": 1}, CURL,
         answer={"results": [{"index": 0, "relevance_score": 0.9}]}),
    Flow("speech to text", "/v1/audio/transcriptions", form("whisper-1"), CURL,
         content_type="multipart/form-data; boundary=b", answer={"text": "hello"}),
    Flow("text to speech", "/v1/audio/speech", {"model": "tts-1", "input": "Hi", "voice": "alloy"}, CURL,
         answer=b"ID3", answer_type="audio/mpeg"),
    Flow("ElevenLabs-like speech", "/v1/text-to-speech/v1",
         {"text": "Hi", "model_id": "eleven_multilingual_v2", "voice_settings": {"stability": 0.5}}, CURL,
         answer=b"ID3", answer_type="audio/mpeg"),
    Flow("images", "/v1/images/generations", {"model": "gpt-image-1", "prompt": "a red cat", "size": "1024x1024"},
         CURL, answer={"data": [{"b64_json": "x"}], "usage": {"input_tokens": 1, "output_tokens": 2}}),
    Flow("Stable Diffusion web UI", "/sdapi/v1/txt2img", {"prompt": "a red cat", "steps": 20, "cfg_scale": 7}, CURL,
         answer={"images": ["x"]}),
    Flow("fal image", "/fal-ai/flux", {"prompt": "a red cat", "num_inference_steps": 4, "aspect_ratio": "1:1"}, CURL,
         answer={"images": []}),
    Flow("Dify", "/v1/chat-messages", {"query": "Hello", "inputs": {}, "response_mode": "streaming", "user": "u"},
         CURL, answer=sse({"event": "message", "answer": "x"}), answer_type="text/event-stream"),
    Flow("Coze", "/v3/chat", {"bot_id": "1", "user_id": "2", "additional_messages": [TURN]}, CURL, answer={"code": 0}),
    Flow("ChatGPT-like page", "/backend-api/conversation",
         {"action": "next", "model": "gpt-5", "messages": [{"author": {"role": "user"}, "content": {"parts": ["x"]}}]},
         BROWSER, answer=sse({"message": {}}), answer_type="text/event-stream"),
    Flow("AssemblyAI-like transcription", "/v2/transcript", {"audio_url": "https://x.test/a", "speaker_labels": True},
         CURL, answer={"id": "1", "status": "queued"}),
    Flow("realtime WebSocket", "/v1/realtime",
         headers={"sec-websocket-protocol": "realtime, openai-insecure-api-key.x, openai-beta.realtime-v1"},
         method="GET", answer="", status=101),
    Flow("MCP sampling", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage", "params": {}}, CURL,
         answer={"jsonrpc": "2.0"}),
    Flow("coding assistant over Connect", "/aiserver.v1.ChatService/StreamUnifiedChat",
         b"\x00\x00\x00\x00\x20\x0a\x1eassistant hello claude-4", {"user-agent": "connect-es/1.6"},
         content_type="application/connect+proto", answer=b"", answer_type="application/connect+proto"),
    Flow("Copilot-like", "/chat/completions", CHAT, {"copilot-integration-id": "vscode-chat"}, answer=CHAT_ANSWER),
    Flow("Cohere chat", "/v2/chat", {"model": "command-r-plus", "messages": [TURN]}, {"user-agent": "cohere-python/5"},
         answer={"message": {}, "usage": {"tokens": {}}}),
    Flow("Replicate's model by its SDK", "/v1/models/a/b/predictions", {"input": {"prompt": "a red fox in snow"}},
         {"user-agent": "replicate-python/1.0.7", "prefer": "wait"},
         answer={"id": "p", "status": "succeeded", "output": "x", "metrics": {"predict_time": 1.5}}),
    Flow("moderation by the SDK", "/v1/moderations", {"model": "omni-moderation-latest", "input": "a text"}, OPENAI_SDK,
         answer={"id": "m", "model": "x", "results": [{"flagged": False, "category_scores": {"hate": 0.01}}]}),
    Flow("a Gemini interaction read by its SDK", "/v1beta/interactions/v1_abc", None,
         {"x-goog-api-client": "google-genai-sdk/1.0 gl-python/3.13"}, method="GET", status=400,
         answer={"error": {"code": 400, "status": "INVALID_ARGUMENT"}}),
    Flow("embeddings of an unknown model, refused", "/v1/embeddings", {"model": "our-embedding-2", "input": "text"},
         OPENAI_SDK, status=404, answer={"error": {"message": "no such model"}}),
    Flow("chat at an AI name", "/v1/talk", {**CHAT, "temperature": 0.5, "tools": TOOLS}, CURL, host="llm.example.test",
         answer=CHAT_ANSWER),
]  # fmt: skip


def _plain() -> list[Flow]:
    get = {"method": "GET"}
    page = {"method": "GET", "headers": BROWSER, "answer": "<html>", "answer_type": "text/html"}
    reads = {
        "pip index": "/simple/requests/", "pip wheel": "/packages/aa/requests-2.34-py3-none-any.whl",
        "npm metadata": "/left-pad", "npm tarball": "/left-pad/-/left-pad-1.3.0.tgz",
        "npm audit read": "/-/npm/v1/keys", "crates index": "/se/rd/serde", "crates download": "/api/v1/crates/serde/1.0/download",
        "Go proxy": "/golang.org/x/net/@v/list", "Maven": "/maven2/junit/junit/4.13/junit-4.13.pom",
        "NuGet": "/v3/index.json", "RubyGems": "/api/v1/gems/rails.json", "Docker token": "/token",
        "Docker manifest": "/v2/library/alpine/manifests/latest", "Docker blob": "/v2/library/alpine/blobs/sha256:00",
        "apt release": "/debian/dists/bookworm/InRelease", "apt package": "/debian/pool/main/c/curl/curl_8.deb",
        "conda": "/conda-forge/linux-64/repodata.json.zst", "Homebrew": "/api/formula/wget.json",
        "git refs": "/org/repo.git/info/refs?service=git-upload-pack", "GitHub repo": "/repos/o/r",
        "GitHub issues": "/repos/o/r/issues?state=open", "GitHub releases": "/repos/o/r/releases/latest",
        "GitLab pipelines": "/api/v4/projects/1/pipelines", "Jira issue": "/rest/api/3/issue/AB-1",
        "Confluence page": "/wiki/api/v2/pages/1", "calendar": "/calendar/v3/calendars/primary/events",
        "mail list": "/gmail/v1/users/me/messages", "mail message": "/gmail/v1/users/me/messages/1",
        "mail graph": "/v1.0/me/messages", "drive": "/drive/v3/files", "contacts": "/v1/people/me/connections",
        "weather": "/data/2.5/weather?q=Berlin", "maps tile": "/tiles/10/1/2.png", "geocode": "/search?q=berlin&format=json",
        "video manifest": "/hls/master.m3u8", "video segment": "/hls/seg-1.ts", "video page": "/watch?v=1",
        "oEmbed": "/embed?url=x", "player": "/embed/abc", "car models": "/v1/models?make=vw", "car model years": "/v1/models/golf",
        "server info": "/info", "print queue": "/queue", "slot list": "/slots", "health": "/healthz", "metrics": "/metrics",
        "status page": "/api/v2/status.json", "k8s pods": "/api/v1/namespaces/d/pods", "k8s watch": "/api/v1/pods?watch=1",
        "vault read": "/v1/secret/data/x", "consul": "/v1/kv/x", "etcd": "/v3/kv/range", "prometheus": "/api/v1/query?query=up",
        "grafana": "/api/dashboards/uid/x", "elastic get": "/index/_doc/1", "tags of a blog": "/api/tags",
        "batches of a brewery": "/v1/batches", "files of a backup": "/v1/files", "currency": "/v1/latest?base=USD",
        "stock quotes": "/v1/realtime/AAPL", "stock realtime": "/v1/realtime", "predictions of tides": "/v1/predictions?station=1",
        "listen to a podcast": "/v1/listen", "OIDC keys": "/.well-known/jwks.json", "OCSP": "/MFEw", "CRL": "/root.crl",
        "captive portal": "/generate_204", "avatar": "/avatar/0?s=80", "font": "/s/inter/v1/a.woff2", "favicon": "/favicon.ico",
        "time": "/api/timezone/Europe/Berlin", "forms list": "/forms/1/responses", "chat history": "/api/chat/1/messages",
        "assistants of a hospital": "/v1/staff/assistants", "completions of a course": "/courses/1/completions",
    }  # fmt: skip
    flows = [Flow(name, path, answer={"items": [], "model": "x"}, **get) for name, path in reads.items()]  # type: ignore[arg-type]
    pages = "/ /login /cart /news/2026 /search?q=llm /blog/chat-gpt-explained /docs/api/chat/completions.html /forum/t/1"
    flows += [Flow(f"page {path}", path, **page) for path in pages.split()]  # type: ignore[arg-type]
    writes: list[tuple[str, str, object]] = [
        ("Slack message", "/api/chat.postMessage", {"channel": "C1", "text": "hello team", "blocks": []}),
        (
            "Slack history",
            "/api/conversations.history",
            {"messages": [{"ts": "1", "text": "x", "channel": "C"}]},
        ),
        ("Teams message", "/v1.0/chats/1/messages", {"body": {"contentType": "html", "content": "hi"}}),
        ("Discord message", "/api/v10/channels/1/messages", {"content": "hi", "tts": False}),
        (
            "Matrix message",
            "/_matrix/client/v3/rooms/r/send/m.room.message/1",
            {"msgtype": "m.text", "body": "hi"},
        ),
        ("room chat", "/api/chat", {"room": "r", "message": "hi", "user": "u"}),
        ("live chat", "/v1/chat", {"visitor": "v", "text": "is it in stock"}),
        ("support chat", "/v2/chat", {"conversation": "1", "messages": [{"from": "customer", "text": "hi"}]}),
        (
            "ticket with roles",
            "/v1/messages",
            {"messages": [{"role": "agent", "content": "hi"}, {"role": "customer", "content": "x"}]},
        ),
        (
            "SMS",
            "/v1/messages",
            {"to": "491", "from": "492", "channel": "sms", "text": "hi", "message_type": "text"},
        ),
        (
            "mail send",
            "/v3/mail/send",
            {"personalizations": [{"to": []}], "from": {}, "content": [{"type": "text/plain", "value": "x"}]},
        ),
        ("mail batch", "/v1/messages", {"messages": [{"from": "a@x.test", "html": "<p>", "subject": "s"}]}),
        ("push", "/v1/projects/p/messages:send", {"message": {"token": "t", "notification": {"title": "x"}}}),
        (
            "WhatsApp",
            "/v20.0/1/messages",
            {"messaging_product": "whatsapp", "to": "49", "text": {"body": "hi"}},
        ),
        (
            "Intercom reply",
            "/conversations/1/reply",
            {"message_type": "comment", "type": "admin", "body": "x"},
        ),
        ("Elasticsearch search", "/index/_search", {"query": {"match": {"text": "x"}}, "size": 5}),
        (
            "Elasticsearch vector search",
            "/index/_search",
            {"knn": {"field": "embedding", "query_vector": VECTOR, "k": 5}},
        ),
        ("Elasticsearch bulk", "/_bulk", '{"index":{}}\n{"text":"a"}\n'),
        ("vector upsert", "/vectors/upsert", {"vectors": [{"id": "1", "values": VECTOR}]}),
        ("vector query", "/query", {"vector": VECTOR, "topK": 3}),
        ("Qdrant search", "/collections/c/points/search", {"vector": VECTOR, "limit": 3}),
        (
            "W&B GraphQL",
            "/graphql",
            {"query": "mutation{upsertRun{id}}", "variables": {"config": {"model": "gpt2", "loss": 0.1}}},
        ),
        (
            "W&B stream",
            "/files/e/p/r/file_stream",
            {"files": {"wandb-history.jsonl": {"content": ['{"loss":0.1,"tokens":5}']}}},
        ),
        ("MLflow metric", "/api/2.0/mlflow/runs/log-metric", {"run_id": "1", "key": "loss", "value": 0.1}),
        ("tabular model", "/invocations", {"dataframe_split": {"columns": ["a"], "data": [[1]]}}),
        ("tabular endpoint", "/endpoints/churn/invocations", {"instances": [[1, 2, 3]]}),
        (
            "image classifier",
            "/v2/models/resnet/infer",
            {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}]},
        ),
        ("Shopify GraphQL", "/admin/api/graphql.json", {"query": "{products(first:5){edges{node{id}}}}"}),
        (
            "GitHub GraphQL",
            "/graphql",
            {"query": "query($o:String!){user(login:$o){id}}", "variables": {"o": "x"}},
        ),
        (
            "issue create",
            "/repos/o/r/issues",
            {"title": "t", "body": "prompt and completion are broken", "labels": []},
        ),
        (
            "comment",
            "/rest/api/3/issue/A-1/comment",
            {"body": {"type": "doc", "content": [{"type": "paragraph"}]}},
        ),
        ("CRM contact", "/crm/v3/objects/contacts", {"properties": {"email": "a@x.test", "role": "user"}}),
        ("order", "/v1/orders", {"items": [{"sku": "1", "model": "X200", "price": 9.5}]}),
        ("car offer", "/v1/offers", {"model": "Golf", "year": 2024, "vin": "W", "messages": []}),
        ("product search", "/v1/search", {"query": "laptop", "hits": 5, "model": "T14"}),
        ("sensor", "/telemetry", {"temperature": 1.5, "model": "S1", "seed": 3, "stop": "no"}),
        ("thermostat", "/v1/devices/1/state", {"temperature": 0.5, "max_tokens": "n/a", "prompt": "eco"}),
        ("survey answers", "/forms/1/responses", {"answers": [{"field": "q1", "text": "yes"}]}),
        ("quiz responses", "/v1/responses", {"model": "quiz-7", "input": {"q1": "a"}}),
        ("course completion", "/completion", {"course": "c", "completion": 0.8, "user": "u"}),
        ("shell completions", "/v1/completions", {"prefix": "git ch", "limit": 10}),
        ("address completions", "/completions", {"query": "Unter den", "country": "DE"}),
        ("PDF", "/generate", {"html": "<p>x</p>", "format": "A4"}),
        ("QR code", "/api/generate", {"text": "https://x.test", "size": 200}),
        ("report", "/generate", {"template": "t", "inputs": {"a": 1}, "parameters": {"format": "pdf"}}),
        ("image resize", "/v1/images/edits", {"url": "https://x.test/a", "width": 5, "height": 6}),
        ("moderation queue", "/v1/moderations", {"post": 1, "action": "hide"}),
        ("payment", "/v1/payment_intents", "amount=100&currency=eur"),
        ("OAuth token", "/oauth2/token", "grant_type=client_credentials&scope=a"),
        ("analytics", "/g/collect", {"events": [{"name": "page_view", "params": {"model": "phone"}}]}),
        ("Segment", "/v1/batch", {"batch": [{"type": "track", "event": "x", "properties": {}}]}),
        ("Sentry", "/api/1/envelope/", '{"event_id":"1"}\n{"type":"event"}\n{"message":"x"}'),
        (
            "Datadog logs",
            "/api/v2/logs",
            [{"message": "user said hello", "service": "chat", "status": "info"}],
        ),
        ("OTLP", "/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": []}]}]}),
        ("Loki", "/loki/api/v1/push", {"streams": [{"stream": {"a": "b"}, "values": [["1", "line"]]}]}),
        ("Influx", "/api/v2/write", "cpu value=1"),
        ("Ethereum", "/", {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [{}, "latest"]}),
        ("Bitcoin", "/", {"jsonrpc": "1.0", "method": "getblock", "params": []}),
        (
            "Odoo",
            "/jsonrpc",
            {"jsonrpc": "2.0", "method": "call", "params": {"model": "res.partner", "args": []}},
        ),
        (
            "language server",
            "/lsp",
            {"jsonrpc": "2.0", "id": 1, "method": "textDocument/completion", "params": {}},
        ),
        (
            "k8s apply",
            "/apis/apps/v1/deployments",
            {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [{"image": "ollama"}]}}}},
        ),
        ("Terraform state", "/state/x", {"version": 4, "resources": []}),
        ("webhook", "/hooks/1", {"event": "push", "ref": "main", "commits": [{"message": "prompt"}]}),
        ("CI trigger", "/api/v4/projects/1/trigger/pipeline", {"ref": "main", "variables": {"MODEL": "x"}}),
        ("npm audit", "/-/npm/v1/security/advisories/bulk", {"left-pad": ["1.0.0"]}),
        ("git push", "/o/r.git/git-receive-pack", b"0000PACK"),
        ("upload", "/upload", b"\x89PNG\r\n"),
        ("translation", "/v2/translate", {"text": ["Hallo"], "target_lang": "EN"}),
        ("spell check", "/v2/check", "text=Helo&language=en"),
        ("feature flags", "/v1/flags", {"user": {"role": "user"}, "model": "pixel"}),
        ("A/B test", "/v1/assign", {"model": "linear", "input": "user-1"}),
        ("printer", "/prompt", {"prompt": "Load paper", "printer": "p"}),
        ("IVR", "/v1/calls", {"prompt": "Press one", "voice": "anna", "text": "Press one"}),
        ("robot", "/v1/robots/1/goal", {"model": "arm", "input": [1.0, 2.0], "seed": 4}),
        ("lottery", "/v1/draw", {"n": 6, "seed": 7, "prompt": "draw"}),
        (
            "CMS page",
            "/api/pages",
            {"title": "x", "prompt": "Sign up", "content": [{"type": "text", "text": "x"}]},
        ),
        ("CMS graph", "/api/contents", {"contents": [{"type": "hero", "parts": []}]}),
        ("playlist", "/v1/playlists", {"messages": [], "model": "party"}),
        ("users import", "/v1/users", [{"role": "user", "name": "a"}, {"role": "system", "name": "b"}]),
        ("permission check", "/v1/check", {"messages": [{"role": "admin", "content": "x"}], "model": "rbac"}),
        ("chess", "/v1/games", {"model": "standard", "stream": True, "prompt": ""}),
        ("bank transfer", "/payments", {"amount": 100, "currency": "EUR", "text": "rent"}),
        (
            "health record",
            "/fhir/Observation",
            {"resourceType": "Observation", "valueQuantity": {"value": 37.1}},
        ),
        ("file batch", "/v1/batches", {"files": ["a"], "model": "zip"}),
        ("rerank sports", "/rerank", {"teams": ["a"], "season": 2026}),
        ("embed widget", "/api/embed", {"url": "https://x.test", "width": 5}),
        ("tokenize card", "/tokenize", {"card": "4242"}),
        ("Firebase", "/identitytoolkit/v1/accounts:lookup", {"idToken": "x"}),
        ("Spanner", "/v1/projects/p/instances/i:executeSql", {"sql": "select 1"}),
        ("Vision OCR", "/v1/images:annotate", {"requests": [{"image": {"content": "x"}, "features": []}]}),
        ("S3 list", "/?list-type=2", None),
        ("SOAP", "/ws", "<soap:Envelope/>"),
        ("thread of a forum", "/v1/threads/1/runs", {"runner": "x"}),
        ("marathon runs", "/v1/threads/runs", {"athlete": 1}),
        ("transcript of grades", "/v2/transcript", {"student": 1}),
        ("tweet", "/2/tweets", {"text": "my prompt: be kind"}),
        ("todo", "/v1/tasks", {"content": "buy milk", "priority": 1}),
        ("note", "/v1/pages", {"parent": {"database_id": "x"}, "properties": {"Name": {"title": []}}}),
        ("spreadsheet", "/v4/spreadsheets/1/values/A1:append", {"values": [["model", "prompt"]]}),
        ("DNS over HTTPS", "/dns-query", b"\x00\x00\x01\x00"),
        ("license check", "/v1/licenses/validate", {"key": "0" * 40, "model": "pro"}),
        ("speech of a parliament", "/v1/speeches", {"text": "order", "voice": "yea"}),
        ("wake word upload", "/v1/audio", b"RIFF"),
        ("news feed", "/v1/feed", {"query": "ai", "documents": 5}),
        ("law search", "/v1/find", {"query": "rent", "documents": ["a"], "page": 1}),
        ("gRPC shop", "/shop.v1.Cart/AddItem", b"\x00\x00\x00\x00\x02\x08\x01"),
        ("gRPC chat", "/im.v1.ChatService/SendMessage", b"\x00\x00\x00\x00\x05\x0a\x03hey"),
    ]
    for name, path, body in writes:
        kind = "application/grpc-web+proto" if name.startswith("gRPC") else "application/json"
        if isinstance(body, str) and "=" in body and not body.startswith("{"):
            kind = "application/x-www-form-urlencoded"
        flows.append(Flow(name, path, body, content_type=kind, answer={"ok": True, "id": 1}))
    ticks = sse({"symbol": "X", "price": 1.5}, {"symbol": "Y", "price": 2})
    logs = 'event: log\ndata: building\n\nevent: log\ndata: {"step": 1, "message": "done"}\n\n'
    stainless = {
        "x-stainless-lang": "python",
        "user-agent": "Cloudflare/Python 4",
        "authorization": "Bearer x",
    }
    google = {"x-goog-api-key": "AIza" + "0" * 35}
    flows += [
        Flow("price ticker", "/v1/stream", answer=ticks, answer_type="text/event-stream", **get),  # type: ignore[arg-type]
        Flow("CI log", "/jobs/1/log", answer=logs, answer_type="text/event-stream", **get),  # type: ignore[arg-type]
        Flow("notifications", "/sse", answer=sse({"id": 1}), answer_type="text/event-stream", **get),  # type: ignore[arg-type]
        Flow(
            "DNS by a generated SDK", "/client/v4/zones", {"name": "x.test"}, stainless, answer={"result": {}}
        ),
        Flow(
            "ledger by a generated SDK",
            "/api/ledger_transactions",
            {"description": "x"},
            stainless,
            answer={"object": "x"},
        ),
        Flow("maps with a Google key", "/maps/api/geocode/json", None, google, answer={"results": []}),
        Flow("YouTube with a Google key", "/youtube/v3/search", None, google, answer={"items": []}),
        Flow(
            "GitHub with its token",
            "/user",
            None,
            {"authorization": "Bearer ghp_" + "a" * 36},
            answer={"login": "x"},
        ),
        Flow(
            "search answer with choices",
            "/v1/poll",
            {"q": 1},
            answer={"choices": ["red", "blue"], "usage": "daily"},
        ),
        Flow(
            "election",
            "/v1/election",
            {"q": 1},
            answer={"candidates": [{"name": "A"}], "usage": {"calls": 5}},
        ),
        Flow("phone plan", "/v1/plan", {"q": 1}, answer={"usage": {"minutes": 5, "data": 3}, "choices": []}),
        Flow(
            "vectors of a physics lab",
            "/v1/field",
            {"q": 1},
            answer={"embedding": [1, 2, 3], "data": [{"x": 1}]},
        ),
    ]
    return flows


NOT_AI = _plain()

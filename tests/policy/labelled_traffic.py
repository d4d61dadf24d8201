"""Labelled exchanges for fitting and judging evidence: AI calls to hosts in no catalogue.

``tests.policy.ordinary_traffic`` holds what is not AI.

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

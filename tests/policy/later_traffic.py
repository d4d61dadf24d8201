"""Labelled exchanges that were written after the weights had been fitted, in two halves by their names.

``OPEN`` may be fitted to; ``HELD_BACK`` is only ever judged. Shapes are from the products' own API references;
hosts are reserved names. The half of an exchange is fixed by the digest of its name.
"""

# ruff: noqa: E501 - one exchange a line reads best
import hashlib
import json

from tests.policy.labelled_traffic import (
    ANTHROPIC_SDK,
    BROWSER,
    CHAT,
    CHAT_ANSWER,
    CHUNK,
    CURL,
    GEMINI,
    GEMINI_ANSWER,
    OPENAI_SDK,
    PYTHON,
    TOOLS,
    TURN,
    USAGE,
    VECTOR,
    Flow,
    form,
    sse,
)

NODE = {"user-agent": "node"}
GO = {"user-agent": "Go-http-client/2.0"}
AXIOS = {"user-agent": "axios/1.7.9"}
PROMPT = "Write a short story about a lighthouse keeper."
NDJSON = "application/x-ndjson"
STREAM = "text/event-stream"
FORM = "application/x-www-form-urlencoded"
TALK = [TURN, {"role": "assistant", "content": "Which ones?"}, {"role": "user", "content": "All of them."}]
CLAUDE_ANSWER = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 5},
}


def lines(*documents: object) -> str:
    return "".join(f"{json.dumps(document)}\n" for document in documents)


def frame(text: str) -> bytes:
    """A gRPC frame with one length-delimited field."""
    payload = b"\x0a" + bytes([len(text)]) + text.encode()
    return b"\x00" + len(payload).to_bytes(4, "big") + payload


AI = [
    Flow('Ollama chat by its own client', '/api/chat', {'model': 'llama3.2', 'messages': TALK}, {'user-agent': 'ollama-python/0.4.4 (x86_64 linux)'}, answer=lines({'model': 'llama3.2', 'message': {'role': 'assistant', 'content': 'H'}, 'done': False}, {'model': 'llama3.2', 'done': True, 'eval_count': 4, 'message': {'role': 'assistant', 'content': ''}}), answer_type=NDJSON),
    Flow('Ollama generate with options, odd port', '/api/generate', {'model': 'my-model:latest', 'prompt': PROMPT, 'options': {'num_ctx': 8192}}, GO, answer=lines({'model': 'my-model:latest', 'response': 'Once', 'done': False}), answer_type=NDJSON),
    Flow('LM Studio responses', '/v1/responses', {'model': 'qwen3-8b', 'input': 'Hi there', 'stream': True}, NODE, answer='event: response.created\ndata: {"type":"response.created"}\n\n', answer_type=STREAM),
    Flow('LM Studio native chat', '/api/v1/chat', {'model': 'google/gemma-3-12b', 'input': 'Hello there', 'store': False}, CURL, answer={'model_instance_id': 'x', 'output': [{'type': 'message', 'content': 'Hi'}], 'stats': {'input_tokens': 4, 'total_output_tokens': 5}}),
    Flow('vLLM without a model name in the catalogue of models', '/v1/chat/completions', {'model': '/models/ours-v3', 'messages': TALK, 'temperature': 0.1}, AXIOS, answer=CHAT_ANSWER),
    Flow('vLLM completions with guided output', '/v1/completions', {'model': 'ours', 'prompt': PROMPT, 'max_tokens': 300, 'guided_json': {}}, PYTHON, answer={'object': 'text_completion', 'choices': [{'index': 0, 'text': '…', 'finish_reason': 'stop'}], 'usage': USAGE}),
    Flow('TGI messages API', '/v1/chat/completions', {'model': 'tgi', 'messages': TALK, 'stream': True}, PYTHON, answer=sse(CHUNK), answer_type=STREAM),
    Flow('TGI generate with best_of', '/generate', {'inputs': PROMPT, 'parameters': {'max_new_tokens': 200, 'best_of': 2}}, GO, answer={'generated_text': '…', 'details': {'finish_reason': 'length', 'generated_tokens': 200}}),
    Flow('text-generation-webui chat', '/v1/chat/completions', {'messages': TALK, 'mode': 'instruct', 'instruction_template': 'Alpaca'}, CURL, answer=CHAT_ANSWER),
    Flow('text-generation-webui internal', '/v1/internal/chat-prompt', {'messages': TALK}, CURL, answer=CHAT_ANSWER),
    Flow('KoboldCpp generate', '/api/v1/generate', {'prompt': PROMPT, 'max_context_length': 4096, 'max_length': 120, 'temperature': 0.7, 'top_p': 0.9, 'rep_pen': 1.1}, NODE, answer={'results': [{'text': '…', 'finish_reason': 'length'}]}),
    Flow('KoboldCpp streamed', '/api/extra/generate/stream', {'prompt': PROMPT, 'max_length': 120, 'temperature': 0.7, 'top_k': 40, 'sampler_order': [6, 0]}, NODE, answer='event: message\ndata: {"token": "Once", "finish_reason": null}\n\n', answer_type=STREAM),
    Flow('llama.cpp completion, streamed', '/completion', {'prompt': PROMPT, 'n_predict': 256, 'stream': True, 'cache_prompt': True}, CURL, answer='data: {"content":"O","stop":false,"tokens_predicted":1}\n\n', answer_type=STREAM),
    Flow('llama.cpp chat behind a prefix', '/models/ours/v1/chat/completions', {'messages': TALK, 'n_predict': 99}, GO, answer=CHAT_ANSWER),
    Flow('Triton generate stream', '/v2/models/llama/generate_stream', {'text_input': PROMPT, 'max_tokens': 64, 'stream': True}, PYTHON, answer='data: {"model_name":"llama","text_output":"O"}\n\n', answer_type=STREAM),
    Flow('Bedrock-like proxy', '/bedrock/model/eu.anthropic.claude-sonnet-4-20250514-v1:0/converse-stream', {'messages': [{'role': 'user', 'content': [{'text': 'hi'}]}], 'inferenceConfig': {'maxTokens': 99}}, PYTHON, answer_type='application/vnd.amazon.eventstream', answer=b'\x00\x00'),
    Flow('Anthropic through a relay on an odd path', '/relay/claude', {'model': 'claude-opus-4-1', 'max_tokens': 1024, 'messages': TALK}, ANTHROPIC_SDK, answer=CLAUDE_ANSWER),
    Flow('Anthropic streamed through a relay', '/x', {'model': 'claude-sonnet-4-5', 'max_tokens': 99, 'messages': TALK, 'stream': True}, NODE, answer='event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":3,"output_tokens":1}}}\n\n', answer_type=STREAM),
    Flow('OpenAI SDK at an odd path', '/proxy/9f3/chat/completions', {'model': 'auto', 'messages': TALK}, OPENAI_SDK, answer=CHAT_ANSWER),
    Flow('chat with reasoning effort by fetch', '/api/openai/v1/chat/completions', {'model': 'gpt-5-mini', 'messages': TALK, 'reasoning_effort': 'low'}, BROWSER, answer=CHAT_ANSWER),
    Flow('chat in an array of batch requests', '/batch', [{'custom_id': '1', 'body': {**CHAT, 'model': 'gpt-4o', 'temperature': 0.2}}], PYTHON, answer=[CHAT_ANSWER]),
    Flow('GraphQL wrapper with a JSON text', '/graphql', {'query': 'mutation Ask($p: String!) { ask(p: $p) }', 'variables': {'p': json.dumps({'model': 'gpt-4o', 'messages': TALK, 'tools': TOOLS})}}, BROWSER, answer={'data': {'ask': {'choices': [{'message': {'content': 'x'}}], 'usage': USAGE}}}),
    Flow('Vercel AI SDK data stream', '/api/chat', {'id': 'c1', 'messages': [{'id': 'm1', 'role': 'user', 'parts': [{'type': 'text', 'text': 'hello'}]}], 'trigger': 'submit-message'}, BROWSER, answer='data: {"type":"start"}\n\ndata: {"type":"text-start","id":"0"}\n\ndata: {"type":"text-delta","id":"0","delta":"Hi"}\n\ndata: [DONE]\n\n', answer_type=STREAM),
    Flow('LangServe stream', '/chain/stream', {'input': {'question': 'why'}, 'config': {}}, PYTHON, answer='event: data\ndata: {"content":"Be","type":"AIMessageChunk","response_metadata":{}}\n\n', answer_type=STREAM),
    Flow('Gemini through a relay', '/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse', GEMINI, NODE, answer=sse(GEMINI_ANSWER), answer_type=STREAM),
    Flow('Gemini at a renamed path', '/ask-g', {**GEMINI, 'generationConfig': {'temperature': 0.1}}, BROWSER, answer=GEMINI_ANSWER),
    Flow('embeddings in float at an odd path', '/vectorise/v1/embeddings', {'model': 'bge-m3', 'input': ['a text', 'another'], 'encoding_format': 'float'}, GO, answer={'object': 'list', 'data': [{'object': 'embedding', 'index': 0, 'embedding': VECTOR}], 'usage': {'prompt_tokens': 4, 'total_tokens': 4}}),
    Flow('TEI embed', '/embed', {'inputs': ['What is deep learning?'], 'truncate': True}, CURL, answer=[VECTOR]),
    Flow('Whisper server', '/v1/audio/transcriptions', form('whisper-large-v3'), CURL, content_type='multipart/form-data; boundary=b', answer={'text': 'hello', 'segments': [{'avg_logprob': -0.2, 'no_speech_prob': 0.1}]}),
    Flow('whisper.cpp inference', '/inference', b'--b\r\nContent-Disposition: form-data; name="response_format"\r\n\r\njson\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n--b--\r\n', CURL, content_type='multipart/form-data; boundary=b', answer={'text': 'hello', 'segments': [{'avg_logprob': -0.2, 'no_speech_prob': 0.1}]}),
    Flow('images with a named size', '/openai/v1/images/generations', {'model': 'gpt-image-1', 'prompt': 'a red fox in snow', 'size': '1024x1024'}, PYTHON, answer={'created': 1, 'data': [{'b64_json': 'aGk='}]}),
    Flow('InvokeAI-like txt2img', '/sdapi/v1/txt2img', {'prompt': 'a red fox in snow', 'steps': 20, 'cfg_scale': 7, 'width': 512, 'height': 512}, CURL, answer={'images': ['aGk='], 'parameters': {}}),
    Flow('completions by a coding plugin', '/v1/engines/copilot-codex/completions', {'prompt': 'def add(a, b):', 'suffix': '', 'max_tokens': 500, 'temperature': 0, 'stop': ['\n'], 'n': 3}, {'user-agent': 'GithubCopilot/1.220'}, answer='data: {}\n\n', answer_type=STREAM),
    Flow('agent over gRPC-web', '/assistant.v1.ChatService/GenerateStream', frame('assistant: gpt-4o'), BROWSER, content_type='application/grpc-web+proto', answer=frame('assistant: sure'), answer_type='application/grpc-web+proto'),
    Flow('completion over Connect JSON', '/llm.v1.InferenceService/Complete', {'model': 'gpt-4o-mini', 'messages': TALK}, {'user-agent': 'connect-es/1.6'}, content_type='application/connect+json', answer={'choices': [{'message': {'content': 'x'}}]}),
    Flow('MCP client asks for an answer', '/mcp', {'jsonrpc': '2.0', 'id': 3, 'method': 'sampling/createMessage', 'params': {'messages': [{'role': 'user', 'content': {'type': 'text', 'text': 'hi'}}], 'maxTokens': 99}}, NODE, answer={'jsonrpc': '2.0', 'id': 3, 'result': {}}),
    Flow('realtime over WebSocket', '/rt', None, {'upgrade': 'websocket', 'sec-websocket-protocol': 'realtime, openai-insecure-api-key.sk-x'}, method='GET', status=101),
    Flow('list of models by a tool', '/v1/models', None, {'user-agent': 'OpenAI/JS 5.10', 'authorization': 'Bearer local'}, method='GET', answer={'object': 'list', 'data': [{'id': 'm', 'object': 'model', 'owned_by': 'us'}]}),
    Flow('Responses with images by fetch', '/v1/responses', {'model': 'gpt-5', 'input': [{'role': 'user', 'content': [{'type': 'input_text', 'text': 'what'}, {'type': 'input_image', 'image_url': 'data:'}]}]}, BROWSER, answer={'object': 'response', 'output': [{'type': 'message'}], 'usage': {'input_tokens': 9, 'output_tokens': 2}}),
    Flow('DeepL-like writing with an AI model', '/v1/write/rephrase', {'model': 'gpt-4.1', 'prompt': 'Rephrase this text please', 'temperature': 0.3, 'max_tokens': 200}, BROWSER, answer={'choices': [{'text': 'x'}], 'usage': USAGE}),
    Flow('chat with a compressed-looking prefix', '/v1%2Fchat%2Fcompletions', {'model': 'x', 'messages': TALK}, PYTHON, answer=CHAT_ANSWER),
    Flow('chat with messages in another order of keys', '/api/v2/llm', {'stream': True, 'messages': [{'content': 'hello there', 'role': 'user'}], 'model': 'deepseek-chat', 'max_tokens': 9}, AXIOS, answer=sse(CHUNK), answer_type=STREAM),
    Flow('form with a JSON chat inside', '/ask', 'payload=' + '%7B%22model%22%3A%22gpt-4o%22%2C%22messages%22%3A%5B%7B%22role%22%3A%22user%22%2C%22content%22%3A%22hello%22%7D%5D%7D', BROWSER, content_type=FORM, answer=CHAT_ANSWER),
    Flow('Cohere v2 streamed', '/v2/chat', {'model': 'command-a-03-2025', 'messages': TALK, 'stream': True}, PYTHON, answer='event: content-delta\ndata: {"type":"content-delta","delta":{}}\n\n', answer_type=STREAM),
    Flow('Replicate prediction', '/v1/predictions', {'version': 'a1b2', 'input': {'prompt': 'an old lighthouse at night', 'num_inference_steps': 30}}, PYTHON, answer={'id': 'x', 'status': 'starting', 'input': {}, 'urls': {}}),
    Flow('OpenWebUI completion', '/api/chat/completions', {'model': 'llama3.2', 'messages': TALK, 'chat_id': 'c', 'stream': True}, BROWSER, answer=sse(CHUNK), answer_type=STREAM),
    Flow('LibreChat-like ask', '/api/ask/openAI', {'text': 'hello there', 'sender': 'User', 'conversationId': None, 'parentMessageId': '0', 'endpoint': 'openAI', 'model': 'gpt-4o', 'temperature': 1, 'top_p': 1}, BROWSER, answer='event: message\ndata: {"choices":[{"delta":{"content":"Hi"}}]}\n\n', answer_type=STREAM),
    Flow('rerank by TEI', '/rerank', {'query': 'what', 'texts': ['a', 'b'], 'raw_scores': False}, GO, answer=[{'index': 0, 'score': 0.9}, {'index': 1, 'score': 0.1}]),
]  # fmt: skip

NOT_AI = [
    Flow('Slack history', '/api/conversations.history', {'channel': 'C1', 'messages': [{'type': 'message', 'user': 'U1', 'text': 'hi', 'ts': '1.2'}]}, NODE),
    Flow('Slack AI-like thread', '/api/chat.postMessage', {'channel': 'C1', 'text': 'summary please', 'blocks': []}, NODE, answer={'ok': True, 'message': {'text': 'x'}}),
    Flow('Teams message', '/v1.0/chats/19:x/messages', {'body': {'content': 'hi'}}, NODE, answer={'id': '1', 'body': {'content': 'hi'}}),
    Flow('support chat with agent roles', '/v1/messages', {'conversation_id': 'c', 'messages': [{'role': 'agent', 'content': 'hello'}, {'role': 'customer', 'content': 'hi'}]}, BROWSER, answer={'id': '1'}),
    Flow('support chat with user role', '/v1/messages', {'conversation_id': 'c', 'message': {'role': 'user', 'content': 'where is my parcel'}}, BROWSER, answer={'id': 'm1', 'status': 'queued'}),
    Flow('Intercom-like reply', '/conversations/1/reply', {'message_type': 'comment', 'type': 'user', 'body': 'hello'}, BROWSER),
    Flow('Elasticsearch', '/logs/_search', {'query': {'match': {'message': 'error'}}, 'size': 10}, PYTHON, answer={'took': 1, 'hits': {'hits': [{'_source': {}}]}}),
    Flow('OpenSearch with vectors', '/docs/_search', {'query': {'knn': {'embedding': {'vector': VECTOR, 'k': 5}}}}, PYTHON, answer={'hits': {'hits': []}}),
    Flow('Qdrant query', '/collections/docs/points/search', {'vector': VECTOR, 'limit': 5, 'with_payload': True}, PYTHON, answer={'result': [{'id': 1, 'score': 0.9}], 'status': 'ok'}),
    Flow('Weaviate GraphQL', '/v1/graphql', {'query': '{ Get { Doc(nearVector: {vector: [0.1]}) { text } } }'}, PYTHON, answer={'data': {'Get': {'Doc': []}}}),
    Flow('Hugging Face dataset', '/datasets/squad/resolve/main/train.parquet', None, {'user-agent': 'python-requests/2.32'}, method='GET', answer=b'PAR1', answer_type='application/octet-stream'),
    Flow('Jupyter kernel', '/api/kernels/1/execute', {'code': 'model.fit()', 'silent': False}, BROWSER, answer={'status': 'ok'}),
    Flow('Jupyter contents with a prompt', '/api/contents/a.ipynb', {'type': 'notebook', 'content': {'cells': [{'cell_type': 'code', 'source': "prompt='x'"}]}}, BROWSER, method='PUT'),
    Flow('Segment analytics', '/v1/batch', {'batch': [{'type': 'track', 'event': 'prompt_submitted', 'properties': {'model': 'pro', 'temperature': 0.7}}]}, NODE, answer={'success': True}),
    Flow('PostHog events', '/e/', {'event': 'completion', 'properties': {'model': 'free', 'tokens': 12}}, BROWSER, answer={'status': 1}),
    Flow('Mixpanel import', '/import', [{'event': 'chat', 'properties': {'role': 'user', 'content': 'hi'}}], NODE),
    Flow('Sentry envelope', '/api/1/envelope/', b'{"event_id":"x"}\n{"type":"event"}\n{"message":"model failed"}\n', PYTHON, content_type='application/x-sentry-envelope'),
    Flow('Datadog logs', '/api/v2/logs', [{'message': 'generate done', 'service': 'llm'}], GO, answer={}),
    Flow('OTLP traces', '/v1/traces', {'resourceSpans': [{'scopeSpans': []}]}, GO, answer={'partialSuccess': {}}),
    Flow('npm install', '/openai/-/openai-5.0.0.tgz', None, {'user-agent': 'npm/10.8'}, method='GET', answer=b'\x1f\x8b', answer_type='application/octet-stream'),
    Flow('pip index of an AI package', '/simple/anthropic/', None, {'user-agent': 'pip/24.3'}, method='GET', answer={'meta': {'api-version': '1.1'}, 'name': 'anthropic', 'files': []}, answer_type='application/vnd.pypi.simple.v1+json'),
    Flow('cargo index', '/ll/am/llama', None, {'user-agent': 'cargo 1.83'}, method='GET', answer='{"name":"llama","vers":"0.1.0"}\n', answer_type='text/plain'),
    Flow('Docker pull of vLLM', '/v2/vllm/vllm-openai/manifests/latest', None, {'user-agent': 'docker/27'}, method='GET', answer={'schemaVersion': 2, 'layers': []}),
    Flow('apt', '/debian/dists/stable/InRelease', None, {'user-agent': 'Debian APT-HTTP/1.3'}, method='GET', answer='Origin: Debian', answer_type='text/plain'),
    Flow('Go module', '/github.com/sashabaranov/go-openai/@v/list', None, GO, method='GET', answer='v1.0.0\n', answer_type='text/plain'),
    Flow('Maven', '/maven2/com/openai/openai-java/maven-metadata.xml', None, {'user-agent': 'Apache-Maven/3.9'}, method='GET', answer='<metadata/>', answer_type='text/xml'),
    Flow('git fetch', '/openai/whisper.git/git-upload-pack', b'0011command=fetch', {'user-agent': 'git/2.47'}, content_type='application/x-git-upload-pack-request', answer=b'0008NAK\n', answer_type='application/x-git-upload-pack-result'),
    Flow('GitHub GraphQL', '/graphql', {'query': 'query($n: Int) { viewer { repositories(first: $n) { nodes { name } } } }', 'variables': {'n': 5}}, NODE, answer={'data': {'viewer': {}}}),
    Flow('shop GraphQL', '/graphql', {'query': 'mutation { cartAdd(input: {model: "x"}) { id } }', 'variables': {'input': {'model': 'GT-4', 'content': 'red'}}}, BROWSER, answer={'data': {'cartAdd': {'id': '1'}}}),
    Flow('Ethereum JSON-RPC', '/', {'jsonrpc': '2.0', 'id': 1, 'method': 'eth_call', 'params': [{'to': '0x0'}, 'latest']}, NODE, answer={'jsonrpc': '2.0', 'id': 1, 'result': '0x'}),
    Flow('language server over HTTP', '/lsp', {'jsonrpc': '2.0', 'id': 1, 'method': 'textDocument/completion', 'params': {'position': {'line': 1}}}, NODE, answer={'jsonrpc': '2.0', 'id': 1, 'result': {'items': [{'label': 'print'}]}}),
    Flow('Odoo JSON-RPC', '/jsonrpc', {'jsonrpc': '2.0', 'method': 'call', 'params': {'service': 'object', 'args': ['res.partner', 'search'], 'model': 'res.partner'}}, PYTHON, answer={'jsonrpc': '2.0', 'result': [1]}),
    Flow('aria2 JSON-RPC', '/jsonrpc', {'jsonrpc': '2.0', 'id': 'q', 'method': 'aria2.addUri', 'params': [['http://a']]}, CURL, answer={'jsonrpc': '2.0', 'result': 'g'}),
    Flow('LSP initialise over HTTP', '/lsp', {'jsonrpc': '2.0', 'id': 0, 'method': 'initialize', 'params': {'capabilities': {}, 'rootUri': 'file:///x'}}, NODE, answer={'jsonrpc': '2.0', 'id': 0, 'result': {'capabilities': {}}}),
    Flow('video manifest', '/v1/stream/master.m3u8', None, BROWSER, method='GET', answer='#EXTM3U', answer_type='application/vnd.apple.mpegurl'),
    Flow('video segment', '/hls/segment-1.ts', None, BROWSER, method='GET', answer=b'G@', answer_type='video/mp2t'),
    Flow('YouTube player', '/youtubei/v1/player', {'context': {'client': {'clientName': 'WEB'}}, 'videoId': 'x'}, BROWSER, answer={'streamingData': {}}),
    Flow('Netflix-like licence', '/msl/license', b'\x08\x01', BROWSER, content_type='application/octet-stream', answer=b'\x08', answer_type='application/octet-stream'),
    Flow('Gmail-like send', '/gmail/v1/users/me/messages/send', {'raw': 'RnJvbTogYQ=='}, BROWSER, answer={'id': '1', 'threadId': '1'}),
    Flow('webmail list', '/api/v1/messages', {'folder': 'inbox', 'messages': [{'from': 'a@b.test', 'html': '<p>hi</p>', 'thread': 't'}]}, BROWSER, answer={'messages': []}),
    Flow('JMAP', '/jmap/api/', {'using': ['urn:ietf:params:jmap:mail'], 'methodCalls': [['Email/query', {'filter': {}}, '0']]}, BROWSER, answer={'methodResponses': []}),
    Flow('mail assistant setting', '/api/settings', {'assistant': True, 'model': 'standard', 'prompt': 'compact'}, BROWSER, method='PUT', answer={'ok': True}),
    Flow('Stripe charge', '/v1/payment_intents', 'amount=2000&currency=eur&description=GPT%20course', {'user-agent': 'Stripe/v1 PythonBindings/11'}, content_type=FORM, answer={'id': 'pi_1', 'object': 'payment_intent'}),
    Flow('Twilio message', '/2010-04-01/Accounts/AC/Messages.json', 'To=%2B1&Body=hello', PYTHON, content_type=FORM, answer={'sid': 'SM1', 'body': 'hello'}),
    Flow('SendGrid', '/v3/mail/send', {'personalizations': [{'to': [{'email': 'a@b.test'}]}], 'content': [{'type': 'text/plain', 'value': 'x'}]}, NODE, status=202),
    Flow('Cloudflare API by a Stainless SDK', '/client/v4/zones', None, {'user-agent': 'Cloudflare/Python 4.0', 'x-stainless-lang': 'python'}, method='GET', answer={'result': [], 'success': True}),
    Flow('Modern Treasury by a Stainless SDK', '/api/payment_orders', {'type': 'ach', 'amount': 100, 'direction': 'credit'}, {'user-agent': 'ModernTreasury/JS 2', 'x-stainless-lang': 'js'}, answer={'id': 'po_1'}),
    Flow('weather with temperature', '/v1/forecast', {'lat': 1, 'lon': 2, 'model': 'ecmwf', 'temperature': 1.5}, PYTHON, answer={'hourly': {'temperature': [1.0]}}),
    Flow('sensor', '/api/generate', {'device': 't1', 'temperature': 0.7, 'model': 'SHT31'}, GO, answer={'ok': True}),
    Flow('report generator', '/api/generate', {'template': 'invoice', 'model': 'A4', 'data': {'total': 5}}, PYTHON, answer=b'%PDF', answer_type='application/pdf'),
    Flow('password generator', '/generate', {'length': 20, 'symbols': True}, BROWSER, answer={'password': 'x'}),
    Flow('QR generator', '/generate', {'inputs': 'https://a.test', 'parameters': {'size': 200, 'margin': 4}}, BROWSER, answer=b'\x89PNG', answer_type='image/png'),
    Flow('static site comments', '/api/chat', {'room': '1', 'message': 'hello', 'user': 'ada'}, BROWSER, answer={'id': 5}),
    Flow('game chat', '/api/chat', {'messages': [{'from': 'ada', 'text': 'gg'}], 'model': 'arena-3'}, BROWSER, answer={'ok': True}),
    Flow('car search', '/search', {'query': 'used', 'model': 'Golf', 'year': 2019, 'documents': ['a']}, BROWSER, answer={'results': []}),
    Flow('document search', '/v1/search', {'query': 'holiday policy', 'documents': ['handbook'], 'limit': 5}, BROWSER, answer={'results': [{'index': 0, 'title': 'x'}]}),
    Flow('survey with prompt', '/surveys/1/responses', {'prompt': 'How was your stay?', 'answers': [{'q': 1, 'a': 'good'}]}, BROWSER, answer={'id': 1}),
    Flow('form responses', '/v1/responses', {'form_id': 'f', 'input': 'Berlin', 'model': 'contact'}, BROWSER, answer={'id': 'r1'}),
    Flow('MLflow log', '/api/2.0/mlflow/runs/log-metric', {'run_id': 'r', 'key': 'loss', 'value': 0.1, 'step': 3}, PYTHON, answer={}),
    Flow('W&B GraphQL', '/graphql', {'query': 'mutation UpsertBucket($m: String) { upsert(m: $m) { id } }', 'variables': {'model': 'gpt2', 'config': '{"max_tokens": 5}'}}, PYTHON, answer={'data': {'upsert': {'id': '1'}}}),
    Flow('tabular model', '/invocations', {'dataframe_split': {'columns': ['a'], 'data': [[1]]}}, PYTHON, answer={'predictions': [0.5]}),
    Flow('Triton image classifier', '/v2/models/resnet/infer', {'inputs': [{'name': 'x', 'shape': [1, 3], 'datatype': 'FP32', 'data': [0.1, 0.2, 0.3]}]}, PYTHON, answer={'outputs': [{'name': 'y', 'data': [0.9]}]}),
    Flow('stock ticker stream', '/v1/stream/quotes', None, BROWSER, method='GET', answer=sse({'symbol': 'X', 'price': 1.5}, {'symbol': 'X', 'price': 1.6}), answer_type=STREAM),
    Flow('build log stream', '/builds/5/log/stream', None, BROWSER, method='GET', answer='data: {"line":"Compiling","level":"info"}\n\n', answer_type=STREAM),
    Flow('Kubernetes watch', '/api/v1/pods?watch=1', None, {'user-agent': 'kubectl/v1.31'}, method='GET', answer=lines({'type': 'ADDED', 'object': {'kind': 'Pod'}}), answer_type='application/json'),
    Flow('CouchDB changes', '/db/_changes?feed=continuous', None, NODE, method='GET', answer=lines({'seq': 1, 'id': 'a', 'changes': []}), answer_type='application/json'),
    Flow('OAuth token', '/oauth/token', 'grant_type=client_credentials&client_id=a', PYTHON, content_type=FORM, answer={'access_token': 'x', 'token_type': 'bearer', 'expires_in': 3600}),
    Flow('LDAP-like SCIM', '/scim/v2/Users', {'schemas': ['urn:ietf:params:scim:schemas:core:2.0:User'], 'userName': 'ada', 'roles': [{'value': 'user'}]}, NODE, answer={'id': '1'}),
    Flow('S3 upload', '/bucket/prompts.json', {'messages': [{'role': 'user', 'content': 'hi'}]}, {'user-agent': 'Boto3/1.35'}, method='PUT', status=200),
    Flow('CMS entry with roles', '/api/users', {'model': 'user', 'messages': ['created'], 'role': 'user', 'content': 'x'}, BROWSER, answer={'id': 1}),
    Flow('billing usage report', '/v1/usage', None, PYTHON, method='GET', answer={'usage': {'total': 3}, 'data': [{'object': 'invoice'}]}),
    Flow('transit with candidates', '/v1/geocode', {'text': 'Main Street'}, BROWSER, answer={'candidates': [{'address': 'Main Street 1', 'score': 99}]}),
    Flow('poll with choices', '/polls/1', None, BROWSER, method='GET', answer={'choices': [{'label': 'yes', 'votes': 3}], 'usage': {'votes': 3}}),
    Flow('microservice over gRPC', '/orders.v1.OrderService/StreamOrders', frame('order 5'), GO, content_type='application/grpc', answer=frame('order 5 shipped'), answer_type='application/grpc'),
    Flow('chat service over gRPC', '/chat.v1.ChatService/StreamMessages', frame('hello team'), GO, content_type='application/grpc', answer=frame('hi'), answer_type='application/grpc'),
    Flow('subtitle service', '/api/captions', {'audio_url': None, 'text': 'hello', 'voice': True}, BROWSER, answer={'ok': True}),
    Flow('text to phone call', '/v1/calls', {'text': 'Your code is 5', 'voice': 'female', 'to': '+1'}, NODE, answer={'id': 'c'}),
    Flow('CRM assistant off', '/api/notes', {'title': 'Call', 'content': 'Customer asked about GPT', 'tools': ['phone']}, BROWSER, answer={'id': 2}),
]  # fmt: skip


def is_held_back(flow: Flow) -> bool:
    """Fixed for each name, whatever is added later."""
    return hashlib.sha256(flow.name.encode()).digest()[0] % 2 == 0


OPEN_AI, HELD_BACK_AI = ([flow for flow in AI if is_held_back(flow) is held] for held in (False, True))
OPEN_NOT_AI, HELD_BACK_NOT_AI = (
    [flow for flow in NOT_AI if is_held_back(flow) is held] for held in (False, True)
)

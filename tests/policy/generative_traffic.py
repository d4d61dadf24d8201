"""Labelled exchanges written while the general rules were, to fit them: services of every kind, and look-alikes.

Shapes are from the products' own API references, from memory of them; hosts are reserved names. The look-alikes
are what ordinary services have the shape that a rule looks for.
"""

# ruff: noqa: E501 - one exchange a line reads best
import json

from tests.policy.labelled_traffic import BROWSER, CURL, PYTHON, VECTOR, Flow, sse
from tests.policy.later_traffic import FORM, GO, NDJSON, NODE, STREAM, lines

SIGNED = [(-1) ** i * 0.01 * (i % 7 + 1) for i in range(256)]
WAV = b"RIFF\x24\x08\x00\x00WAVEfmt \x10\x00\x00\x00"
ASK = "Which filters do I have to order for the pump in hall 4?"
SAY = "For the pump in hall 4 you need two F7 filters; order number 4711 fits both models."
TOKENS = ["For", " the", " pump", " in", " hall", " 4", " you", " need", " two", " F7", " filters", "."]
GROWING = [
    "For the",
    "For the pump in",
    "For the pump in hall 4 you need",
    "For the pump in hall 4 you need two filters.",
]
CODE = "def mean(values):\n    "
COMPLETED = "return sum(values) / len(values)"


def multipart(fields: dict[str, str], file: tuple[str, str, bytes] | None = None) -> bytes:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode()
        for n, v in fields.items()
    ]
    if file is not None:
        head = f'--b\r\nContent-Disposition: form-data; name="{file[0]}"; filename="{file[1]}"\r\n\r\n'
        parts.append(head.encode() + file[2] + b"\r\n")
    return b"".join(parts) + b"--b--\r\n"


MULTIPART = "multipart/form-data; boundary=b"

AI = [
    Flow("RAGFlow chat", "/api/v1/chats/8/completions", {"question": ASK, "stream": True, "session_id": "b01eed84b85611efa0e90242ac120005"}, PYTHON, answer=sse(*({"code": 0, "data": {"answer": t, "reference": {}, "session_id": "b01eed84b85611efa0e90242ac120005"}} for t in GROWING)), answer_type=STREAM),
    Flow("MaxKB chat", "/api/application/chat_message/9", {"message": "泵房四号需要订购哪些过滤器？", "re_chat": False, "stream": True}, BROWSER, answer=sse(*({"chat_id": "9", "operate": True, "content": t, "is_end": False} for t in ["四号", "泵需要", "两个", "过滤器", "，型号", "是F7", "。"])), answer_type=STREAM),
    Flow("Flowise prediction", "/api/v1/prediction/3c9e", {"question": ASK, "overrideConfig": {"sessionId": "s-3391-7"}}, NODE, answer={"text": SAY, "question": ASK, "chatId": "c1", "chatMessageId": "m1", "sessionId": "s-3391-7"}),
    Flow("PrivateGPT completion", "/v1/completions", {"prompt": ASK, "use_context": True, "include_sources": True, "stream": False}, CURL, answer={"id": "1", "object": "completion", "choices": [{"message": {"role": "assistant", "content": SAY}, "sources": []}]}),
    Flow("Onyx send message", "/api/chat/send-message", {"chat_session_id": "d7cf-11aa-22", "parent_message_id": 1, "message": ASK, "prompt_id": 0, "retrieval_options": {"run_search": "auto"}}, BROWSER, answer=lines(*({"answer_piece": t} for t in TOKENS)), answer_type="text/plain"),
    Flow("Quivr question", "/chat/12/question/stream?brain_id=4", {"question": ASK, "max_tokens": 2000}, BROWSER, answer=sse(*({"chat_id": "12", "user_message": ASK, "assistant": t} for t in TOKENS)), answer_type=STREAM),
    Flow("Perplexica search", "/api/search", {"chatModel": {"provider": "ollama", "name": "x"}, "focusMode": "webSearch", "query": ASK, "history": [["human", "Hi there, who are you?"], ["assistant", "I am here to help you."]]}, NODE, answer={"message": SAY, "sources": [{"pageContent": "x", "metadata": {"url": "https://a.test"}}]}),
    Flow("Cody completions", "/.api/completions/stream?api-version=2", {"messages": [{"speaker": "human", "text": ASK}], "maxTokensToSample": 4000, "temperature": 0.2, "topK": -1}, NODE, answer="".join(f'event: completion\ndata: {json.dumps({"completion": t, "stopReason": ""})}\n\n' for t in GROWING), answer_type=STREAM),
    Flow("Character chat", "/chat/streaming/", {"history_external_id": "h1", "character_external_id": "c1", "text": ASK, "tgt": "internal_id:1"}, BROWSER, answer=lines(*({"replies": [{"text": t, "id": 1}], "src_char": {"participant": {"name": "Ada"}}, "is_final_chunk": False} for t in GROWING)), answer_type="text/plain"),
    Flow("anonymous chat", "/duckchat/v1/chat", {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": ASK}]}, BROWSER, answer=sse(*({"message": t, "created": 1, "id": "x", "action": "success", "model": "gpt-4o-mini"} for t in TOKENS)), answer_type=STREAM),
    Flow("Poe bot server", "/", {"version": "1.0", "type": "query", "query": [{"role": "user", "content": ASK, "content_type": "text/markdown"}], "user_id": "u1", "conversation_id": "c-00000001", "message_id": "m1"}, PYTHON, answer="".join(f'event: text\ndata: {json.dumps({"text": t})}\n\n' for t in TOKENS), answer_type=STREAM),
    Flow("LangServe invoke", "/tell/invoke", {"input": {"question": ASK}, "config": {}, "kwargs": {}}, PYTHON, answer={"output": SAY, "metadata": {"run_id": "r", "feedback_tokens": []}}),
    Flow("Haystack query", "/query", {"query": ASK, "params": {"Retriever": {"top_k": 10}}}, PYTHON, answer={"query": ASK, "answers": [{"answer": SAY, "type": "generative", "context": "x"}], "documents": []}),
    Flow("watsonx generation", "/ml/v1/text/generation?version=2024-05-01", {"input": ASK, "parameters": {"decoding_method": "greedy", "max_new_tokens": 200}, "model_id": "ibm/granite-13b-chat", "project_id": "p"}, PYTHON, answer={"model_id": "ibm/granite-13b-chat", "results": [{"generated_text": SAY, "generated_token_count": 20, "input_token_count": 14, "stop_reason": "eos_token"}]}),
    Flow("SAP orchestration", "/v2/inference/deployments/d1/completion", {"orchestration_config": {"module_configurations": {"llm_module_config": {"model_name": "gpt-4o", "model_params": {"max_tokens": 300}}, "templating_module_config": {"template": [{"role": "user", "content": "Summarise {{?text}} in one sentence"}]}}}, "input_params": {"text": SAY}}, PYTHON, answer={"request_id": "r", "module_results": {"llm": {"choices": [{"message": {"role": "assistant", "content": "Two filters."}, "finish_reason": "stop"}]}}}),
    Flow("Oracle chat", "/20231130/actions/chat", {"compartmentId": "ocid1", "servingMode": {"modelId": "cohere.command-r-plus", "servingType": "ON_DEMAND"}, "chatRequest": {"message": ASK, "maxTokens": 600, "apiFormat": "COHERE"}}, PYTHON, answer={"modelId": "cohere.command-r-plus", "chatResponse": {"text": SAY, "finishReason": "COMPLETE", "chatHistory": [{"role": "USER", "message": ASK}]}}),
    Flow("Hunyuan chat", "/", {"Model": "hunyuan-lite", "Messages": [{"Role": "user", "Content": "泵房四号需要订购哪些过滤器？"}], "Stream": False}, {"x-tc-action": "ChatCompletions"}, answer={"Response": {"Choices": [{"Message": {"Role": "assistant", "Content": "四号泵需要两个过滤器。"}, "FinishReason": "stop"}], "Usage": {"PromptTokens": 9, "CompletionTokens": 8, "TotalTokens": 17}}}),
    Flow("MiniMax speech", "/v1/t2a_v2?GroupId=1", {"model": "speech-02-hd", "text": SAY, "stream": False, "voice_setting": {"voice_id": "calm", "speed": 1}, "audio_setting": {"format": "mp3"}}, PYTHON, answer={"data": {"audio": "494433" + "0" * 200, "status": 2}, "extra_info": {"audio_length": 9900}, "base_resp": {"status_code": 0}}),
    Flow("HyperCLOVA chat", "/testapp/v1/chat-completions/HCX-003", {"messages": [{"role": "user", "content": "4번 홀 펌프에 필요한 필터는 무엇인가요?"}], "topP": 0.8, "topK": 0, "maxTokens": 256, "temperature": 0.5, "repeatPenalty": 5.0}, PYTHON, answer={"status": {"code": "20000", "message": "OK"}, "result": {"message": {"role": "assistant", "content": "필터 두 개가 필요합니다."}, "inputLength": 12, "outputLength": 8, "stopReason": "stop_before"}}),
    Flow("AI21 complete", "/studio/v1/j2-ultra/complete", {"prompt": ASK, "numResults": 1, "maxTokens": 90, "temperature": 0.7}, PYTHON, answer={"id": "1", "prompt": {"text": ASK, "tokens": []}, "completions": [{"data": {"text": SAY, "tokens": []}, "finishReason": {"reason": "endoftext"}}]}),
    Flow("Aleph Alpha complete", "/complete", {"model": "luminous-base", "prompt": ASK, "maximum_tokens": 64}, PYTHON, answer={"model_version": "2024", "completions": [{"completion": SAY, "finish_reason": "maximum_tokens"}]}),
    Flow("NLP Cloud generation", "/v1/gpu/finetuned-llama-3-70b/generation", {"text": ASK, "max_length": 90}, PYTHON, answer={"generated_text": SAY, "nb_input_tokens": 14, "nb_generated_tokens": 20}),
    Flow("marketing command", "/v1/command", {"inputs": {"command": "Write a short blog post about clean pumps", "context": ""}, "options": {"outputCount": 1, "inputLanguage": "English"}}, NODE, answer={"data": [{"id": "1", "text": "Clean pumps run longer. Here is why a new filter pays off within a year, and how to plan it."}]}),
    Flow("notes app continues writing", "/api/v3/getCompletion", {"id": "1", "model": "openai-3", "spaceId": "s", "context": {"type": "continueWriting", "selectedText": "The pump in hall 4 is old and loud."}}, BROWSER, answer=lines(*({"type": "success", "completion": t} for t in [" It", " should", " be", " replaced", " before", " winter", "."])), answer_type=NDJSON),
    Flow("editor completion by lines around", "/v2/autocomplete", {"before": CODE, "after": "\n\nprint(mean([1]))", "filename": "stats.py", "max_num_results": 5}, NODE, answer={"old_prefix": "", "results": [{"new_prefix": COMPLETED, "old_suffix": "", "new_suffix": ""}]}),
    Flow("editor completion by cursor", "/backend/next_edit", {"file_path": "stats.py", "file_contents": CODE, "cursor_position": 24, "recent_changes": ""}, NODE, answer={"autocomplete_id": "1", "completion": COMPLETED}),
    Flow("image by a form", "/v2beta/stable-image/generate/core", multipart({"prompt": "A lighthouse in a storm at night", "output_format": "webp", "aspect_ratio": "1:1"}), PYTHON, content_type=MULTIPART, answer=b"RIFF\0\0\0\0WEBP", answer_type="image/webp"),
    Flow("Leonardo generation", "/api/rest/v1/generations", {"prompt": "A lighthouse in a storm at night", "modelId": "6bef9f1b", "width": 512, "height": 512, "num_images": 1}, PYTHON, answer={"sdGenerationJob": {"generationId": "45bd"}}),
    Flow("Ideogram generation", "/generate", {"image_request": {"prompt": "A lighthouse in a storm at night", "aspect_ratio": "ASPECT_10_16", "model": "V_2", "magic_prompt_option": "AUTO"}}, PYTHON, answer={"created": "x", "data": [{"prompt": "A lighthouse", "resolution": "1024x1024", "url": "https://a.test/x.png", "is_image_safe": True, "seed": 5}]}),
    Flow("image to video", "/v1/image_to_video", {"promptImage": "https://a.test/x.png", "promptText": "The waves crash against the tower", "model": "gen3a_turbo", "duration": 5, "ratio": "1280:768"}, PYTHON, answer={"id": "17f2"}),
    Flow("text to video", "/dream-machine/v1/generations", {"prompt": "Waves crash against a tower", "model": "ray-2", "resolution": "720p", "duration": "5s"}, PYTHON, answer={"id": "1", "state": "queued", "assets": None, "request": {"prompt": "Waves crash against a tower"}}),
    Flow("Fooocus text to image", "/v1/generation/text-to-image", {"prompt": "A lighthouse in a storm", "negative_prompt": "", "style_selections": ["V2"], "performance_selection": "Speed"}, CURL, answer=[{"base64": None, "url": "http://a.test/x.png", "seed": "5", "finish_reason": "SUCCESS"}]),
    Flow("Deepgram speak", "/v1/speak?model=aura-asteria-en", {"text": SAY}, PYTHON, answer=b"ID3\x04", answer_type="audio/mpeg"),
    Flow("Deepgram listen", "/v1/listen?model=nova-3&smart_format=true", WAV, PYTHON, content_type="audio/wav", answer={"metadata": {"duration": 3.1}, "results": {"channels": [{"alternatives": [{"transcript": SAY, "confidence": 0.9, "words": []}]}]}}),
    Flow("Speechmatics job", "/v2/jobs", multipart({"config": '{"type":"transcription","transcription_config":{"language":"en"}}'}, ("data_file", "a.wav", WAV)), PYTHON, content_type=MULTIPART, answer={"id": "a1b2"}),
    Flow("Azure speech to text", "/speech/recognition/conversation/cognitiveservices/v1?language=en-US", WAV, PYTHON, content_type="audio/wav", answer={"RecognitionStatus": "Success", "DisplayText": SAY, "Offset": 100, "Duration": 900}),
    Flow("XTTS server", "/tts_to_audio/", {"text": SAY, "speaker_wav": "calm_female", "language": "en"}, PYTHON, answer=WAV, answer_type="audio/wav"),
    Flow("GPT-SoVITS", "/tts", {"text": "泵需要两个新的过滤器。", "text_lang": "zh", "ref_audio_path": "a.wav", "prompt_text": "你好", "prompt_lang": "zh", "media_type": "wav", "streaming_mode": False}, PYTHON, answer=WAV, answer_type="audio/wav"),
    Flow("Fish speech", "/v1/tts", {"text": SAY, "reference_id": "r1", "format": "mp3", "chunk_length": 200, "normalize": True, "latency": "normal"}, PYTHON, answer=b"ID3\x04", answer_type="audio/mpeg"),
    Flow("Nomic embedding", "/v1/embedding/text", {"model": "nomic-embed-text-v1", "texts": [SAY], "task_type": "search_document"}, PYTHON, answer={"embeddings": [SIGNED], "usage": {"prompt_tokens": 9, "total_tokens": 9}, "model": "nomic-embed-text-v1"}),
    Flow("Cohere embed", "/v2/embed", {"texts": [SAY], "model": "embed-english-v3.0", "input_type": "search_document"}, PYTHON, answer={"id": "1", "embeddings": {"float": [SIGNED]}, "texts": [SAY], "meta": {"billed_units": {"input_tokens": 9}}}),
    Flow("sentence vectors in house", "/encode", {"sentences": [SAY, ASK]}, PYTHON, answer={"vectors": [SIGNED, SIGNED]}),
    Flow("TorchServe text", "/predictions/llm", ASK, CURL, content_type="text/plain", answer=SAY, answer_type="text/plain"),
    Flow("Open Inference LLM", "/v2/models/llm/infer", {"inputs": [{"name": "text_input", "shape": [1, 1], "datatype": "BYTES", "data": [ASK]}, {"name": "max_tokens", "shape": [1, 1], "datatype": "INT32", "data": [100]}]}, PYTHON, answer={"model_name": "llm", "outputs": [{"name": "text_output", "datatype": "BYTES", "shape": [1], "data": [SAY]}]}),
    Flow("BentoML generate", "/generate", {"prompt": ASK, "max_tokens": 1024}, CURL, answer="".join(f"data: {t}\n\n" for t in TOKENS), answer_type=STREAM),
    Flow("prompt flow", "/score", {"question": ASK, "chat_history": []}, PYTHON, answer={"answer": SAY}),
    Flow("SQL warehouse asks a model", "/api/2.0/sql/statements", {"statement": "SELECT ai_query('llama', concat('Summarise: ', body)) FROM mails", "warehouse_id": "w"}, PYTHON, answer={"status": {"state": "SUCCEEDED"}, "result": {"data_array": [[SAY]]}}),
    Flow("retrieve and generate", "/retrieveAndGenerate", {"input": {"text": ASK}, "retrieveAndGenerateConfiguration": {"type": "KNOWLEDGE_BASE", "knowledgeBaseConfiguration": {"knowledgeBaseId": "K", "modelArn": "arn:aws:bedrock:eu:x"}}}, PYTHON, answer={"output": {"text": SAY}, "citations": [], "sessionId": "s"}),
    Flow("Q business", "/applications/1/conversations?sync", {"userMessage": ASK, "clientToken": "t"}, PYTHON, answer={"conversationId": "c", "systemMessage": SAY, "systemMessageId": "m", "userMessageId": "u", "sourceAttributions": []}),
    Flow("answer of a search app", "/v1/projects/p/locations/l/engines/e/servingConfigs/s:answer", {"query": {"text": ASK}, "session": "projects/p/sessions/-", "answerGenerationSpec": {"modelSpec": {"modelVersion": "stable"}}}, PYTHON, answer={"answer": {"state": "SUCCEEDED", "answerText": SAY, "citations": [], "references": []}, "session": {}}),
    Flow("Workers AI run", "/client/v4/accounts/a/ai/run/@cf/meta/llama-3-8b-instruct", {"prompt": ASK}, CURL, answer={"result": {"response": SAY}, "success": True, "errors": [], "messages": []}),
    Flow("agent protocol step", "/ap/v1/agent/tasks/1/steps", {"input": "Write a summary of the pump manual to a file", "additional_input": {}}, PYTHON, answer={"task_id": "1", "step_id": "2", "output": "I read the manual and wrote the summary of the pump's maintenance to summary.txt.", "artifacts": [], "is_last": False}),
    Flow("Letta agent", "/v1/agents/agent-1/messages", {"messages": [{"role": "user", "content": ASK}]}, PYTHON, answer={"messages": [{"message_type": "reasoning_message", "reasoning": "x"}, {"message_type": "assistant_message", "content": SAY}], "stop_reason": {"stop_reason": "end_turn"}, "usage": {"completion_tokens": 9, "prompt_tokens": 80, "total_tokens": 89}}),
    Flow("Chainlit polling", "/ws/socket.io/?EIO=4&transport=polling&t=P", "42" + json.dumps(["client_message", {"message": {"id": "1", "type": "user_message", "output": ASK}}]), BROWSER, content_type="text/plain;charset=UTF-8", answer="\x1e".join("42" + json.dumps(["stream_token", {"id": "a", "token": t, "isSequence": False}]) for t in TOKENS), answer_type="text/plain"),
    Flow("web UI chat of old", "/api/v1/chat", {"user_input": ASK, "history": {"internal": [], "visible": []}, "mode": "instruct", "character": "Example"}, PYTHON, answer={"results": [{"history": {"internal": [[ASK, SAY]], "visible": [[ASK, SAY]]}}]}),
    Flow("moderation", "/v1/moderations", {"input": "I want to hurt the pump"}, CURL, answer={"id": "m", "model": "omni-moderation-latest", "results": [{"flagged": False, "categories": {"violence": False}, "category_scores": {"violence": 0.1}}]}),
    Flow("JetBrains-like chat", "/user/v5/llm/chat/stream/v7", {"prompt": "ij.chat.request.new-chat", "profile": "gpt-4o", "chat": {"messages": [{"type": "user_message", "content": ASK}]}}, NODE, answer=sse(*({"type": "Content", "content": t, "event_type": "data"} for t in TOKENS)), answer_type=STREAM),
    Flow("prediction fetched", "/v1/predictions/8f1c", None, PYTHON, method="GET", answer={"id": "8f1c", "version": "v", "input": {"prompt": ASK, "temperature": 0.7, "max_tokens": 99}, "output": TOKENS, "status": "succeeded", "metrics": {"predict_time": 2.1}}),
    Flow("tokens of a text", "/tokenize", {"content": ASK}, CURL, answer={"tokens": [15, 881, 23, 9, 4411, 2, 77]}),
    Flow("AnythingLLM workspace", "/api/v1/workspace/pumps/chat", {"message": ASK, "mode": "chat", "sessionId": "identifier-1"}, PYTHON, answer={"id": "1", "type": "textResponse", "close": True, "error": None, "textResponse": SAY, "sources": []}),
    Flow("summary task", "/models/bart-large-cnn", {"inputs": "The tower is 324 metres tall, about the same height as an 81-storey building, and the tallest structure in Paris. " * 4}, PYTHON, answer=[{"summary_text": "The tower is the tallest structure in Paris, and as tall as an 81-storey building."}]),
    Flow("extractive answer task", "/models/roberta-qa", {"inputs": {"question": ASK, "context": "Hall 4 has pumps that take F7 filters."}}, PYTHON, answer={"score": 0.9, "start": 21, "end": 31, "answer": "F7 filters"}),
    Flow("llama-stack chat", "/v1/inference/chat-completion", {"model_id": "m", "messages": [{"role": "user", "content": ASK}], "sampling_params": {"strategy": {"type": "greedy"}}}, PYTHON, answer={"completion_message": {"role": "assistant", "content": SAY, "stop_reason": "end_of_turn"}, "logprobs": None}),
    Flow("SGLang generate", "/generate", {"text": ASK, "sampling_params": {"max_new_tokens": 16, "temperature": 0}}, CURL, answer={"text": SAY, "meta_info": {"prompt_tokens": 12, "completion_tokens": 16, "finish_reason": {"type": "length"}}}),
    Flow("LMDeploy interactive", "/v1/chat/interactive", {"prompt": ASK, "session_id": 1, "interactive_mode": False, "request_output_len": 512}, CURL, answer={"text": SAY, "tokens": 12, "input_tokens": 9, "history_tokens": 0, "finish_reason": "stop"}),
    Flow("FastChat worker", "/worker_generate_stream", {"model": "vicuna", "prompt": ASK, "temperature": 0.7, "max_new_tokens": 512, "stop": "###"}, PYTHON, answer="\0".join(json.dumps({"text": t, "error_code": 0}) for t in GROWING), answer_type="application/octet-stream"),
    Flow("analyst over tables", "/api/v2/cortex/analyst/message", {"messages": [{"role": "user", "content": [{"type": "text", "text": ASK}]}], "semantic_model_file": "@x/y.yaml"}, PYTHON, answer={"message": {"role": "analyst", "content": [{"type": "text", "text": "We read your question about filters for the pump in hall 4 as follows."}, {"type": "sql", "statement": "select 1"}]}, "request_id": "r"}),
    Flow("inference endpoint of a search engine", "/_inference/completion/my", {"input": ASK}, PYTHON, answer={"completion": [{"result": SAY}]}),
    Flow("in-house chat, plain words", "/ask", {"text": ASK, "user_id": "mhuber"}, BROWSER, answer={"reply": SAY}),
    Flow("in-house chat by a form", "/chat", "msg=Which+filters+do+I+need+for+the+pump%3F", BROWSER, content_type=FORM, answer="For the pump you need two F7 filters, which the store in hall 2 keeps.", answer_type="text/html"),
    Flow("in-house chat streamed as text", "/api/assist", {"question": ASK, "history": [[ "Hello there, machine", "Hello, how can I help you today?"]]}, BROWSER, answer=SAY, answer_type="text/plain; charset=utf-8"),
    Flow("mail drafted by an add-in", "/v1/draft", {"instruction": "Decline the offer politely", "context": "Dear Sir, we offer pumps.", "tone": "friendly"}, BROWSER, answer={"draft": "Dear Ms Novak, thank you for your offer of pumps. We have decided not to buy any this year.", "model": "m-1"}),
    Flow("documentation bot of a vendor", "/v1/query/docs/stream", {"query": ASK, "thread_id": "9c1e-77ab-01", "project": "pumps", "integration_id": "w"}, BROWSER, answer="".join(json.dumps({"chunk": {"type": "partial_answer", "content": {"text": t}}}) + "\u241e" for t in TOKENS), answer_type="text/plain"),
    Flow("meeting notes", "/api/summarize", {"transcript": "Anna: the pump is loud. Ben: we order filters. " * 8, "language": "en"}, NODE, answer={"summary": "Anna reported a loud pump; Ben will order new filters for it this week.", "action_items": ["Ben orders filters"]}),
    Flow("text improved in a help desk", "/api/v1/ai_assistance/text_tools/3", {"input": "pump broke pls send filter fast", "ticket_id": 7}, BROWSER, answer={"output": "The pump has broken. Please send us a filter as quickly as possible.", "analytics": {}}),
    Flow("agents' SSE with typed events", "/agents/run", {"agent": "helper", "input": ASK, "session_id": "77aa-1002"}, NODE, answer="".join(f'event: token\ndata: {json.dumps({"v": t})}\n\n' for t in TOKENS), answer_type=STREAM),
    Flow("JSON patches of a page", "/rest/sse/perplexity_ask", {"params": {"last_backend_uuid": "x", "model_preference": "turbo"}, "query_str": ASK}, BROWSER, answer=sse(*({"blocks": [{"markdown_block": {"chunks": [t]}}], "final": False} for t in TOKENS)), answer_type=STREAM),
]  # fmt: skip

GET = "GET"
NOTED = "The pump in hall 4 is loud and needs two new filters before winter."

NOT_AI = [
    Flow("comment stored", "/api/comments", {"text": NOTED, "page": 7}, BROWSER, answer={"id": 9, "text": NOTED, "author": {"name": "Ada"}}),
    Flow("comment stored with markup", "/api/comments", {"text": NOTED}, BROWSER, answer={"id": 9, "content": f"<p>{NOTED}</p>", "value": f"{NOTED} (edited)"}),
    Flow("contact form", "/contact", {"name": "Ada", "email": "a@b.test", "message": ASK}, BROWSER, answer={"message": "Thank you for your question about filters. We will answer within two days."}),
    Flow("contact form in a form", "/contact", "name=Ada&email=a%40b.test&message=Which+filters+do+I+need%3F", BROWSER, content_type=FORM, answer={"status": "ok", "message": "Your message about filters was received by our team."}),
    Flow("ticket opened", "/api/tickets", {"subject": "Pump", "description": NOTED, "priority": "high"}, BROWSER, answer={"id": 5, "status": "open", "result": "Ticket created: the pump in hall 4 is loud"}),
    Flow("live chat with an automatic reply", "/chat/send", {"session_id": "c-778899-aa", "message": "where is my parcel 8812?"}, BROWSER, answer={"reply": "Thanks for reaching out! A colleague will be with you shortly."}),
    Flow("live chat acknowledged", "/v1/chat", {"conversationId": "c-778899-aa", "text": ASK}, BROWSER, answer={"delivered": True, "at": "2026-01-01", "conversationId": "c-778899-aa"}),
    Flow("Rasa by REST", "/webhooks/rest/webhook", {"sender": "u1", "message": "I want to book a table for two"}, BROWSER, answer=[{"recipient_id": "u1", "text": "For which day would you like to book a table?"}, {"recipient_id": "u1", "buttons": [{"title": "Today", "payload": "/today"}]}]),
    Flow("Dialogflow intent", "/v2/projects/p/agent/sessions/1:detectIntent", {"queryInput": {"text": {"text": "I want to book a table for two", "languageCode": "en"}}}, NODE, answer={"responseId": "r", "queryResult": {"queryText": "I want to book a table for two", "fulfillmentText": "For which day would you like to book a table?", "intent": {"displayName": "book"}, "intentDetectionConfidence": 0.9}}),
    Flow("Lex recognise text", "/bots/B/botAliases/A/botLocales/en/sessions/s/text", {"text": "I would like to book a hotel"}, PYTHON, answer={"messages": [{"content": "What city will you be staying in, and for how long is the hotel?", "contentType": "PlainText"}], "sessionState": {"intent": {"name": "BookHotel", "slots": {}}}, "sessionId": "s"}),
    Flow("Watson dialogue", "/v2/assistants/a/sessions/s/message?version=2024", {"input": {"message_type": "text", "text": "I want to book a table for two"}}, NODE, answer={"output": {"intents": [{"intent": "book", "confidence": 0.9}], "entities": [], "generic": [{"response_type": "text", "text": "For which day would you like to book a table?"}]}}),
    Flow("Voiceflow by script", "/state/user/1/interact", {"action": {"type": "text", "payload": "I want a refund for my order"}}, BROWSER, answer=[{"type": "text", "payload": {"message": "I can help with a refund of an order."}}, {"type": "choice", "payload": {"buttons": [{"name": "Yes"}]}}]),
    Flow("Alexa skill", "/skill", {"version": "1.0", "session": {"sessionId": "amzn1.echo-api.session.1"}, "request": {"type": "IntentRequest", "intent": {"name": "Weather", "slots": {}}}}, {"user-agent": "Apache-HttpClient/4.5"}, answer={"version": "1.0", "response": {"outputSpeech": {"type": "PlainText", "text": "Today it will be sunny with a high of twenty degrees."}}}),
    Flow("answers of a help centre", "/language/:query-knowledgebases?projectName=p", {"question": ASK, "top": 3}, PYTHON, answer={"answers": [{"questions": ["Which filters fit?"], "answer": "F7 filters fit all pumps in hall 4.", "confidenceScore": 0.9, "id": 1, "source": "faq"}, {"questions": ["x"], "answer": "Order filters from the store.", "confidenceScore": 0.4, "id": 2, "source": "faq"}]}),
    Flow("full-text search", "/api/search", {"query": ASK, "size": 10}, BROWSER, answer={"total": 2, "results": [{"id": 1, "title": "Filters", "content": "Order filters for the pump in hall 4 from the store."}, {"id": 2, "title": "Pump", "content": "The pump takes F7 filters."}]}),
    Flow("semantic search, no generation", "/collections/docs/search", {"query": ASK, "top_k": 5, "collection_name": "docs"}, PYTHON, answer={"results": [{"id": "1", "text": "Order filters for the pump in hall 4 from the store.", "distance": 0.1}, {"id": "2", "text": "The pump takes F7 filters.", "distance": 0.2}]}),
    Flow("retrieval of one passage", "/retrieve", {"query": ASK, "top_k": 1}, PYTHON, answer={"documents": [{"text": "Order filters for the pump in hall 4 from the store.", "score": 0.71, "metadata": {"page": 3}}]}),
    Flow("instant answer of a search engine", "/search?q=how+tall+is+the+eiffel+tower&format=json", None, BROWSER, method=GET, answer={"query": "how tall is the eiffel tower", "answers": ["330 metres"], "results": [{"url": "https://a.test", "title": "Eiffel Tower", "content": "The Eiffel Tower is 330 metres tall and stands in Paris."}]}),
    Flow("encyclopaedia summary", "/api/summary/Pump", None, BROWSER, method=GET, answer={"title": "Pump", "summary": "A pump is a device that moves fluids by mechanical action, typically converted from electrical energy.", "content": "long text follows here, with many words"}),
    Flow("translation of people's words", "/translate", {"q": ASK, "source": "en", "target": "de"}, NODE, answer={"translatedText": "Welche Filter muss ich für die Pumpe in Halle 4 bestellen?"}),
    Flow("translation in a list", "/v2/translate", {"text": [ASK], "target_lang": "DE"}, NODE, answer={"translations": [{"detected_source_language": "EN", "text": "Welche Filter muss ich für die Pumpe in Halle 4 bestellen?"}]}),
    Flow("grammar check", "/v2/check", "text=Which+filters+does+I+need+for+pump&language=en-US", BROWSER, content_type=FORM, answer={"language": {"code": "en"}, "matches": [{"message": "Use the verb do with the pronoun I, and an article before pump.", "offset": 14, "length": 4, "replacements": [{"value": "do"}]}]}),
    Flow("calculation", "/v1/result", {"input": "integrate x squared from zero to one"}, NODE, answer={"result": "1/3", "pods": 3}),
    Flow("code runner", "/api/v2/execute", {"language": "python", "version": "3.13", "files": [{"content": "print('the pump needs filters')"}], "stdin": ""}, BROWSER, answer={"language": "python", "run": {"stdout": "the pump needs filters\n", "output": "the pump needs filters\n", "code": 0}}),
    Flow("SQL over HTTP", "/api/sql", {"query": "SELECT title, body FROM notes WHERE hall = 4 ORDER BY created", "limit": 5}, PYTHON, answer={"columns": ["title", "body"], "rows": [["Pump", NOTED]]}),
    Flow("GraphQL of a CMS", "/graphql", {"query": "query Article($slug: String!) { article(slug: $slug) { title body } }", "variables": {"slug": "pumps"}}, BROWSER, answer={"data": {"article": {"content": NOTED, "text": NOTED}}}),
    Flow("roast profile", "/api/roasts", {"text": "Ethiopian beans, light roast with long development", "temperature": 1.5, "stop": ["first crack"], "model": "R2"}, BROWSER, answer={"id": 3}),
    Flow("greenhouse", "/telemetry", {"temperature": 1.2, "seed": 12, "top_p": 0.4, "message": "door open"}, GO, answer={"ok": True}),
    Flow("solver", "/v1/solve", {"model": "routing-v2", "seed": 42, "max_length": 900, "context": "depot south"}, PYTHON, answer={"status": "running", "job_id": "j1"}),
    Flow("captions word by word", "/captions/live", None, BROWSER, method=GET, answer=sse(*({"text": t, "start": i, "end": i + 1} for i, t in enumerate(TOKENS))), answer_type=STREAM),
    Flow("captions that grow", "/captions/interim", None, BROWSER, method=GET, answer=sse(*({"text": t, "final": False} for t in GROWING)), answer_type=STREAM),
    Flow("typing in a shared document", "/doc/7/ops", None, BROWSER, method=GET, answer=sse(*({"ops": [{"insert": t}], "rev": i} for i, t in enumerate(TOKENS))), answer_type=STREAM),
    Flow("typing in a shared document, plainly", "/doc/7/stream", None, BROWSER, method=GET, answer=sse(*({"insert": t, "author": "ada"} for t in TOKENS)), answer_type=STREAM),
    Flow("log tail", "/jobs/7/log", {"follow": True, "query": "level is error or warning"}, BROWSER, answer="".join(f"data: {line}\n\n" for line in ["Building the pump image", "Fetching the base layers", "Copying files to hall 4", "Starting the tests now"]), answer_type=STREAM),
    Flow("log tail in lines of JSON", "/loki/tail", {"query": "show the log of pump four"}, GO, answer=lines(*({"line": f"step {i} of the pump's start is done\n", "ts": i} for i in range(6))), answer_type=NDJSON),
    Flow("chat room by events", "/rooms/1/events", None, BROWSER, method=GET, answer=sse(*({"user": "u", "text": t} for t in ["hello team", "how is the pump?", "still loud, sadly", "ok, I order filters"])), answer_type=STREAM),
    Flow("chat room answers a post with its news", "/rooms/1/messages", {"text": "hello team, how is the pump?"}, BROWSER, answer=[{"user": "ben", "text": "the pump is still loud, sadly"}, {"user": "ada", "text": "hello team, how is the pump?"}]),
    Flow("progress in words", "/import", {"text": "all the notes of hall 4"}, BROWSER, answer=sse({"message": "Reading the notes of hall 4"}, {"message": "Writing the notes to the store"}, {"message": "All done, nothing failed"}), answer_type=STREAM),
    Flow("IVR prompt", "/v1/gather", {"prompt": "Please enter your PIN followed by the hash key", "timeout": 5, "num_digits": 4, "voice": "anna", "duration": 30}, NODE, answer={"call": "c1", "status": "queued"}),
    Flow("announcement", "/v1/calls", {"to": "+4912345", "text": "Your order is ready for pick-up today", "voice": "anna", "language": "de"}, NODE, answer={"id": "c1", "status": "queued"}),
    Flow("placeholder picture", "/placeholder", {"text": "Hello to all of hall four", "size": "300x200", "width": 300, "height": 200}, BROWSER, answer=b"\x89PNG", answer_type="image/png"),
    Flow("card with a title", "/og-image", {"title": "Why pumps need filters", "width": 1200, "height": 630}, NODE, answer=b"\x89PNG", answer_type="image/png"),
    Flow("diagram of a text", "/svg", "graph TD; pump --> filter; filter --> store;", NODE, content_type="text/plain", answer="<svg/>", answer_type="image/svg+xml"),
    Flow("photo search", "/v1/search", {"query": "old lighthouse in a storm", "size": "large", "per_page": 2}, NODE, answer={"photos": [{"url": "https://a.test/1.jpg", "alt": "A lighthouse in a storm at night"}]}),
    Flow("screenshot", "/screenshot", {"url": "https://a.test", "width": 800, "quality": 80}, NODE, answer=b"\xff\xd8\xff", answer_type="image/jpeg"),
    Flow("video render job", "/v1/render", {"timeline": {"tracks": [{"clips": [{"asset": {"type": "title", "text": "The pump of hall 4"}}]}]}, "output": {"format": "mp4", "resolution": "sd", "size": "x"}}, NODE, answer={"success": True, "response": {"id": "r", "status": "queued"}}),
    Flow("sound library", "/sounds?text=rain+on+a+tin+roof", None, BROWSER, method=GET, answer=b"ID3\x04", answer_type="audio/mpeg"),
    Flow("podcast episode", "/episodes/12.mp3", None, BROWSER, method=GET, answer=b"ID3\x04", answer_type="audio/mpeg"),
    Flow("voice mail upload", "/voicemail", multipart({"from": "+4912", "note": "urgent"}, ("file", "a.wav", WAV)), BROWSER, content_type=MULTIPART, answer={"id": 5, "message": "Your voice mail was stored in the box of hall 4"}),
    Flow("music upload", "/api/tracks", multipart({"title": "Rain", "language": "en"}, ("file", "a.mp3", b"ID3\x04")), BROWSER, content_type=MULTIPART, answer={"id": 5, "duration": 181, "status": "processing"}),
    Flow("song recognised", "/identify", WAV, NODE, content_type="audio/wav", answer={"track": {"title": "Rain", "artist": "The Pumps"}}),
    Flow("sound converted", "/convert", multipart({"format": "mp3", "bitrate": "128"}, ("file", "a.wav", WAV)), NODE, content_type=MULTIPART, answer=b"ID3\x04", answer_type="audio/mpeg"),
    Flow("daily returns", "/v1/series", {"query": "daily returns of the ACME share"}, PYTHON, answer={"series": SIGNED, "unit": "percent"}),
    Flow("weather series", "/v1/history", {"q": "temperatures of the last year in Graz"}, PYTHON, answer={"hourly": {"temperature": SIGNED}}),
    Flow("route", "/route", {"text": "from the main station to hall four"}, NODE, answer={"distance": 5.1, "geometry": {"coordinates": [[15.4, 47.1], [15.5, 47.0]] * 40}}),
    Flow("vectors stored", "/vectors/upsert", {"vectors": [{"id": "1", "values": SIGNED, "metadata": {"text": NOTED}}]}, PYTHON, answer={"upsertedCount": 1}),
    Flow("vectors fetched", "/vectors/fetch?ids=1", None, PYTHON, method=GET, answer={"vectors": {"1": {"id": "1", "values": VECTOR, "metadata": {"genre": "jazz"}}}}),
    Flow("numbered items of a collection", "/nft/owned", {"owner": "0xabc"}, BROWSER, answer={"tokens": [15, 881, 23, 9], "total": 4}),
    Flow("metering by tokens", "/v1/usage", {"customer": "c1", "event": "api"}, NODE, answer={"tokens": 12, "token_type": "bearer", "total": 12}),
    Flow("staff with roles", "/staff", None, BROWSER, method=GET, answer=[{"name": "A", "role": "assistant", "text": "Dental assistant in the city"}, {"name": "B", "role": "model", "content": "Fashion and sports"}]),
    Flow("transcript of a chat kept", "/crm/transcripts", {"contact": 4, "messages": [{"sender": "bot", "text": "Hello, how can I help?"}, {"sender": "user", "text": ASK}]}, NODE, answer={"id": 8}),
    Flow("transcript of a chat read", "/crm/transcripts/8", None, BROWSER, method=GET, answer={"messages": [{"sender": "bot", "text": "Hello, how can I help?"}, {"sender": "user", "text": ASK}]}),
    Flow("agent at a desk writes", "/v3/messages/agent", {"agent_id": "a-7", "conversation_id": "c-11223344", "text": "One moment please, I check your order of filters"}, BROWSER, answer={"event_id": "e1", "status": "sent", "message": "Message about your order delivered"}),
    Flow("name in a form", "/api/persons", {"prefix": "Dr.", "suffix": "Jr.", "name": "Ada", "language": "en"}, BROWSER, answer={"id": 4}),
    Flow("editor's language server", "/lsp/completion", {"prefix": "val", "suffix": ");", "language": "python", "position": {"line": 1}, "text": "values = [1]\nprint(val)\n"}, NODE, answer={"items": [{"label": "values", "kind": 6, "detail": "list of int", "insertText": "values"}]}),
    Flow("formatter", "/format", {"language": "python", "source": "def mean( values ):\n  return sum( values )/len( values )\n", "options": {"width": 100}}, NODE, answer={"result": "def mean(values):\n    return sum(values) / len(values)\n", "changed": True}),
    Flow("LTI tool grade", "/grades", {"user": "u", "question": "Why is the sky blue?", "answer": "Because of Rayleigh scattering in the air", "score": 0.8}, BROWSER, answer={"ok": True, "feedback": "saved"}),
    Flow("survey with branches", "/surveys/1/answer", {"question_id": 4, "answer": "I liked the quiet pump in hall 4 most"}, BROWSER, answer={"next": {"id": 5, "question": "What did you like about the pump?", "options": [{"title": "Noise"}]}}),
    Flow("quiz of an e-learning", "/quiz/next", {"session": "s-11223344", "input": "the heart pumps blood"}, BROWSER, answer={"correct": True, "content": "The heart pumps blood through the body.", "title": "Well done", "score": 3}),
    Flow("forum post", "/t/12/posts", {"raw": NOTED, "topic_id": 12}, BROWSER, answer={"id": 1, "cooked": f"<p>{NOTED}</p>", "username": "ada"}),
    Flow("order with instructions", "/v1/orders", {"items": [{"sku": "F7", "qty": 2}], "instructions": "Please leave the filters at the door of hall 4"}, BROWSER, answer={"order": 8812, "message": "Your order of two filters will be delivered on Tuesday."}),
    Flow("feature request", "/api/feedback", {"feedback": NOTED, "rating": 4, "url": "https://a.test"}, BROWSER, answer={"status": "thanks"}),
    Flow("home automation says", "/api/services/tts/speak", {"entity_id": "media_player.hall", "message": "The garage door is open", "language": "en"}, PYTHON, answer=[]),
    Flow("home automation by words", "/api/conversation/process", {"text": "turn on the light in hall four", "language": "en"}, PYTHON, answer={"response": {"speech": {"plain": {"speech": "Turned on the light", "extra_data": None}}, "response_type": "action_done", "data": {"success": []}}, "conversation_id": None}),
    Flow("chat completion as a log", "/api/public/ingest", {"batch": [{"type": "trace", "body": {"name": "x", "input": ASK}}]}, PYTHON, answer={"successes": [{"id": "1", "status": 201}], "errors": []}),
    Flow("SMS conversation", "/v2/messages", {"to": "+4911", "from": "+4912", "text": ASK}, NODE, answer={"data": {"id": "1", "text": ASK, "direction": "outbound", "parts": 1}}),
    Flow("mail draft stored", "/drafts", {"to": "a@b.test", "subject": "Pump", "body": NOTED}, BROWSER, answer={"id": 1, "draft": NOTED}),
    Flow("issue triage by rules", "/rules/evaluate", {"input": {"title": "Pump loud", "text": NOTED}}, NODE, answer={"result": True, "matched": ["noise"]}),
    Flow("policy engine", "/v1/data/authz/allow", {"input": {"user": "ada", "action": "read"}}, GO, answer={"result": True}),
    Flow("prompt library", "/prompts/12", None, BROWSER, method=GET, answer={"id": 12, "prompt": "Write a short poem about a pump in hall 4", "tags": ["fun"]}),
    Flow("prompt saved in a library", "/prompts", {"prompt": "Write a short poem about a pump in hall 4", "folder": 3}, BROWSER, answer={"id": 12, "prompt": "Write a short poem about a pump in hall 4"}),
]  # fmt: skip

"""The providers' own SDKs: at their providers' hosts, and pointed at hosts that nobody listed.

Each operation is called as its documentation says, with a base URL of one's own where there is one.
"""

import asyncio
import http.client
import io
import json
import os
import ssl
import urllib.request
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import anthropic
import boto3
import google.genai
import google.genai.errors
import groq
import httpx
import hvac
import mistralai.client
import ollama
import openai
import replicate
import requests
from huggingface_hub import HfApi, InferenceClient

KEY = "a-key-of-nobodys"
MODEL = "house-7b"
SAY = {"role": "user", "content": "Summarise our plans for next year."}
TOOL = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
SETTLE_S = 30

type Operation = Callable[[str, str], object]


@contextmanager
def _refused(kind: type[Exception], reason: str) -> Iterator[None]:
    """The call within is refused for this reason, and the SDK raises what it does then."""
    try:
        yield
    except kind as refused:
        if reason not in str(refused):
            raise
        return
    raise RuntimeError("the call was not refused")


def _openai(url: str, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=SETTLE_S)


def openai_chat(url: str, key: str = KEY) -> object:
    return _openai(url, key).chat.completions.create(model=MODEL, messages=[SAY]).choices[0]


def openai_chat_refused(url: str, key: str = KEY) -> object:
    with _refused(openai.PermissionDeniedError, "shadow_endpoint"):
        openai_chat(url, key)
    return "refused"


def openai_chat_streamed(url: str, key: str = KEY) -> object:
    return list(_openai(url, key).chat.completions.create(model=MODEL, messages=[SAY], stream=True))


def openai_chat_with_tools(url: str, key: str = KEY) -> object:
    tools = [{"type": "function", "function": TOOL}]
    return _openai(url, key).chat.completions.create(model=MODEL, messages=[SAY], tools=tools)


def openai_chat_asynchronous(url: str, key: str = KEY) -> object:
    async def ask() -> object:
        async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:
            return await client.chat.completions.create(model=MODEL, messages=[SAY])

    return asyncio.run(ask())


def openai_azure(url: str, key: str = KEY) -> object:
    client = openai.AzureOpenAI(azure_endpoint=url, api_key=key, api_version="2024-10-21", max_retries=0)
    return client.chat.completions.create(model="our-deployment", messages=[SAY])


def openai_responses(url: str, key: str = KEY) -> object:
    return _openai(url, key).responses.create(model=MODEL, input="Hello there")


def openai_responses_streamed(url: str, key: str = KEY) -> object:
    return list(_openai(url, key).responses.create(model=MODEL, input="Hello there", stream=True))


def openai_embeddings(url: str, key: str = KEY) -> object:
    made = _openai(url, key).embeddings.create(model="house-embed", input=["one", "two"])
    return made.data[0].embedding


def openai_transcription(url: str, key: str = KEY) -> object:
    heard = ("meeting.wav", io.BytesIO(b"RIFF" + bytes(400)))
    return _openai(url, key).audio.transcriptions.create(model="whisper-1", file=heard).text


def openai_speech(url: str, key: str = KEY) -> object:
    return _openai(url, key).audio.speech.create(model="tts-1", voice="alloy", input="Hello").content


def openai_image(url: str, key: str = KEY) -> object:
    return _openai(url, key).images.generate(model="gpt-image-1", prompt="a red fox in snow").data


def openai_completion(url: str, key: str = KEY) -> object:
    return _openai(url, key).completions.create(model=MODEL, prompt="Once upon a time", max_tokens=9).choices


def openai_models(url: str, key: str = KEY) -> object:
    return _openai(url, key).models.list().data[0]


def openai_moderation(url: str, key: str = KEY) -> object:
    return _openai(url, key).moderations.create(model="omni-moderation-latest", input="a text")


def openai_realtime(url: str, key: str = KEY) -> object:
    with _openai(url, key).realtime.connect(model="gpt-realtime") as session:
        session.response.create()
        return next(each for each in session if each.type == "response.done")


def _anthropic(url: str, key: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=SETTLE_S)


def anthropic_message(url: str, key: str = KEY) -> object:
    return _anthropic(url, key).messages.create(model=MODEL, max_tokens=9, messages=[SAY]).content


def anthropic_message_streamed(url: str, key: str = KEY) -> object:
    with _anthropic(url, key).messages.stream(model=MODEL, max_tokens=9, messages=[SAY]) as stream:
        return stream.get_final_text()


def anthropic_count(url: str, key: str = KEY) -> object:
    return _anthropic(url, key).messages.count_tokens(model=MODEL, messages=[SAY]).input_tokens


def anthropic_asynchronous(url: str, key: str = KEY) -> object:
    async def ask() -> object:
        async with anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0) as client:
            return await client.messages.create(model=MODEL, max_tokens=9, messages=[SAY])

    return asyncio.run(ask())


def _google(url: str, key: str) -> google.genai.Client:
    return google.genai.Client(api_key=key, http_options={"base_url": url})


def google_generate(url: str, key: str = KEY) -> object:
    with _google(url, key) as client:
        return client.models.generate_content(model="gemini-2.5-flash", contents="Hello there").text


def google_generate_streamed(url: str, key: str = KEY) -> object:
    with _google(url, key) as client:
        chunks = client.models.generate_content_stream(model="house", contents="Hello there")
        return [chunk.text for chunk in chunks]


def google_embedding(url: str, key: str = KEY) -> object:
    with _google(url, key) as client:
        return client.models.embed_content(model="house-embed", contents="Hello there").embeddings


def google_count(url: str, key: str = KEY) -> object:
    with _google(url, key) as client:
        return client.models.count_tokens(model="house", contents="Hello there").total_tokens


def google_vertex_refused(url: str, key: str = KEY) -> object:
    with google.genai.Client(vertexai=True, api_key=key, http_options={"base_url": url}) as client:
        with _refused(google.genai.errors.ClientError, "unvaulted_key"):
            client.models.generate_content(model="gemini-2.5-flash", contents="Hello there")
        return "refused"


def _mistral(url: str, key: str) -> mistralai.client.Mistral:
    return mistralai.client.Mistral(api_key=key, server_url=url, timeout_ms=1000 * SETTLE_S)


def mistral_chat(url: str, key: str = KEY) -> object:
    return _mistral(url, key).chat.complete(model=MODEL, messages=[SAY]).choices


def mistral_chat_streamed(url: str, key: str = KEY) -> object:
    return list(_mistral(url, key).chat.stream(model=MODEL, messages=[SAY]))


def mistral_embedding(url: str, key: str = KEY) -> object:
    return _mistral(url, key).embeddings.create(model="house-embed", inputs=["one"]).data[0].embedding


def mistral_fill_in(url: str, key: str = KEY) -> object:
    return (
        _mistral(url, key).fim.complete(model="codestral-latest", prompt="def f(", suffix="return a").choices
    )


def groq_chat(url: str, key: str = KEY) -> object:
    client = groq.Groq(base_url=url, api_key=key, max_retries=0)
    return client.chat.completions.create(model=MODEL, messages=[SAY]).choices


def groq_transcription(url: str, key: str = KEY) -> object:
    client = groq.Groq(base_url=url, api_key=key, max_retries=0)
    heard = ("meeting.wav", b"RIFF" + bytes(400))
    return client.audio.transcriptions.create(model="whisper-large-v3", file=heard).text


def ollama_chat(url: str, key: str = KEY) -> object:
    return ollama.Client(host=url).chat(model=MODEL, messages=[SAY]).message


def ollama_chat_streamed(url: str, key: str = KEY) -> object:
    return list(ollama.Client(host=url).chat(model=MODEL, messages=[SAY], stream=True))


def ollama_generate(url: str, key: str = KEY) -> object:
    return ollama.Client(host=url).generate(model=MODEL, prompt="Why is the sky blue?").response


def ollama_embedding(url: str, key: str = KEY) -> object:
    return ollama.Client(host=url).embed(model="house-embed", input="Hello there").embeddings


def hugging_face_chat(url: str, key: str = KEY) -> object:
    return InferenceClient(base_url=url, token=key).chat_completion(messages=[SAY], model=MODEL).choices


def hugging_face_generation(url: str, key: str = KEY) -> object:
    return InferenceClient(model=url, token=key).text_generation("Once upon a time", max_new_tokens=9)


def hugging_face_hub(url: str, key: str = KEY) -> object:
    return HfApi(endpoint=url, token=key).model_info("house/seven")


def replicate_run(url: str, key: str = KEY) -> object:
    """This SDK brings a transport of its own, which has to be told of the proxy."""
    trusted = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    way = httpx.HTTPTransport(proxy=os.environ["HTTPS_PROXY"], verify=trusted)
    client = replicate.Client(api_token=key, base_url=url, transport=way)
    return client.run("a/b", input={"prompt": "a red fox in snow"})


def _aws(service: str, url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="example",
    )


def bedrock_converse(url: str, key: str = KEY) -> object:
    turn = {"role": "user", "content": [{"text": "Hello there"}]}
    client = _aws("bedrock-runtime", url)
    return client.converse(modelId="house.seven-v1:0", messages=[turn], inferenceConfig={"maxTokens": 9})[
        "usage"
    ]


def bedrock_invoke(url: str, key: str = KEY) -> object:
    asked = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [SAY]}
    client = _aws("bedrock-runtime", url)
    return client.invoke_model(modelId="house.seven-v1:0", body=json.dumps(asked))["body"].read()


def s3_objects(url: str) -> object:
    client = _aws("s3", url)
    client.put_object(Bucket="reports", Key="prompts.json", Body=json.dumps({"messages": [SAY]}).encode())
    return client.list_objects_v2(Bucket="reports")["Contents"]


def sts_caller(url: str) -> object:
    return _aws("sts", url).get_caller_identity()["Account"]


def dynamo_item(url: str) -> object:
    return _aws("dynamodb", url).get_item(TableName="people", Key={"id": {"S": "ada"}})["Item"]


def vault_secret(url: str) -> object:
    client = hvac.Client(url=url, token="t", verify=os.environ["SSL_CERT_FILE"])
    return client.secrets.kv.v2.read_secret_version(path="database", raise_on_deleted_version=True)["data"]


def requests_rest(url: str) -> object:
    with requests.Session() as session:
        session.get(f"{url}/api/v2/orders", params={"state": "open"}, timeout=SETTLE_S).raise_for_status()
        made = session.post(f"{url}/api/v2/orders", json={"model": "Golf", "quantity": 1}, timeout=SETTLE_S)
        return made.json()["items"]


def requests_graphql(url: str) -> object:
    asked = {
        "query": "query Issues($first: Int!) { issues(first: $first) { title } }",
        "variables": {"first": 5},
    }
    return requests.post(f"{url}/graphql", json=asked, timeout=SETTLE_S).json()["items"]


def urllib_feed(url: str) -> object:
    opener = urllib.request.build_opener()  # `urlopen` keeps the first that it made, and its proxy
    with opener.open(f"{url}/feed.xml", timeout=SETTLE_S) as answer:
        return answer.read()


class _Tunnelled(xmlrpc.client.SafeTransport):
    """The standard library's transport knows no proxy; its documentation shows this one."""

    def make_connection(self, host: Any) -> http.client.HTTPSConnection:
        proxy = urlsplit(os.environ["HTTPS_PROXY"])
        context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
        made = http.client.HTTPSConnection(
            proxy.hostname or "", proxy.port, context=context, timeout=SETTLE_S
        )
        made.set_tunnel(str(host))
        return made


def xml_rpc(url: str) -> object:
    with xmlrpc.client.ServerProxy(f"{url}/RPC2", transport=_Tunnelled()) as far:
        return far.pingback.extensions.getPingbacks("https://blog.test/1")

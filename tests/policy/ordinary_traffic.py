"""Labelled exchanges for fitting and judging evidence: what is not AI, though some of it looks like AI.

Written after the public API references of the products named; hosts are reserved names.
"""

# ruff: noqa: E501 - one exchange a line reads best

from tests.policy.labelled_traffic import BROWSER, VECTOR, Flow, sse


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

"""A stand-in for the transit engine of HashiCorp Vault and OpenBao, on real HTTP.

No package here ships either server. This one keeps to the public API documentation for what we call:
paths, the token header, base64, ``vault:v1:`` ciphertexts, 400 for what does not open, 403 without a token.
https://developer.hashicorp.com/vault/api-docs/secret/transit
"""

import json
import os
import threading
from base64 import b64decode, b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class TransitEngine:
    """Listens on a free port of this machine until ``stop``."""

    def __init__(self, *, token: str, keys: tuple[str, ...]) -> None:
        self._token = token
        self._keys = {name: AESGCM(os.urandom(32)) for name in keys}
        engine = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = engine.answer(self.path, self.headers.get("X-Vault-Token"), body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, token: str | None, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The status and document for one request."""
        if token != self._token:
            return 403, {"errors": ["permission denied"]}
        _, version, mount, operation, name = path.split("/")
        key = self._keys.get(name)
        if (version, mount) != ("v1", "transit") or key is None:
            return 404, {"errors": []}
        bound = b64decode(body.get("associated_data", ""))
        if operation == "encrypt":
            nonce = os.urandom(12)
            sealed = nonce + key.encrypt(nonce, b64decode(body["plaintext"]), bound)
            return 200, {"data": {"ciphertext": f"vault:v1:{b64encode(sealed).decode()}", "key_version": 1}}
        try:
            sealed = b64decode(body["ciphertext"].removeprefix("vault:v1:"), validate=True)
            plain = key.decrypt(sealed[:12], sealed[12:], bound)
        except (InvalidTag, ValueError):
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": b64encode(plain).decode()}}

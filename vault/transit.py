"""Key-encryption keys in the transit engine of HashiCorp Vault or OpenBao. Needs the extra ``hashicorp``.

The key must be of an AEAD type (aes256-gcm96, chacha20-poly1305), whose associated data binds the context.
https://developer.hashicorp.com/vault/api-docs/secret/transit#encrypt-data
"""

from base64 import b64decode, b64encode
from importlib import import_module
from pathlib import Path
from typing import Any, final

from vault.errors import KeySourceRefused, Sealed, Unopenable
from vault.remote_keys import TIMEOUT_S, RemoteKeys


@final
class Transit(RemoteKeys):
    """A transit key, named ``mount/key``. Its versions are within the ciphertext; the newest one wraps."""

    def __init__(self, client: Any, mount: str, key: str, index_path: Path) -> None:
        super().__init__(f"{mount}/{key}", index_path)
        self._client = client
        self._mount = mount
        self._name = key
        self._exceptions: Any = import_module("hvac.exceptions")
        self._requests: Any = import_module("requests")

    def _wrap(self, plain: bytes, context: bytes) -> bytes:
        answer = self._call("encrypt_data", context, plaintext=b64encode(plain).decode())
        sealed = answer["ciphertext"]
        if not isinstance(sealed, str) or not sealed.startswith("vault:v"):
            raise Sealed("the transit engine answers something else than a ciphertext")
        return sealed.encode("ascii")

    def _unwrap(self, sealed: bytes, context: bytes) -> bytes:
        answer = self._call("decrypt_data", context, ciphertext=sealed.decode("ascii", "replace"))
        return b64decode(answer["plaintext"])

    def _call(self, operation: str, context: bytes, **parameters: str) -> Any:
        call = getattr(self._client.secrets.transit, operation)
        bound = b64encode(context).decode()
        try:
            answer = call(name=self._name, mount_point=self._mount, associated_data=bound, **parameters)
        except self._exceptions.InvalidRequest:
            # 400: the ciphertext is not of this key, was altered, or has another context.
            raise Unopenable from None
        except (self._exceptions.VaultError, self._requests.RequestException) as error:
            raise Sealed(f"the transit engine does not help: {type(error).__name__}") from None
        return answer["data"]


def connect(
    *, endpoint: str, mount: str, key: str, token_file: Path, ca_file: Path | None, index_path: Path
) -> Transit:
    """A transit engine over HTTPS (plain HTTP on this machine alone), with the token in ``token_file``.

    The file is read once; let an agent renew the token. Raises ``KeySourceRefused``.
    """
    try:
        hvac = import_module("hvac")
    except ImportError:
        raise KeySourceRefused("transit needs the extra: pip install 'apiconduit[hashicorp]'") from None
    if not endpoint.startswith(("https://", "http://127.0.0.1:", "http://[::1]:")):
        raise KeySourceRefused("vault.kek.endpoint must be https")
    try:
        token = token_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise KeySourceRefused(f"the token file {token_file} cannot be read") from None
    verify: str | bool = str(ca_file) if ca_file else True
    client = hvac.Client(url=endpoint, token=token, timeout=TIMEOUT_S, verify=verify, allow_redirects=False)
    return Transit(client, mount, key, index_path)

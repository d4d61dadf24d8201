"""Key-encryption keys in an HSM, by PKCS#11. Needs the extra ``pkcs11``.

The key is an AES-256 secret key that the token does not hand out; it wraps with AES-GCM, whose associated
data is the context (PKCS#11 v3.0 current mechanisms, 2.12.2).
"""

import os
import threading
from importlib import import_module
from pathlib import Path
from typing import Any, final

from vault.aead import KEY_BYTES, NONCE_BYTES, TAG_BYTES
from vault.errors import KeySourceRefused, Sealed, Unopenable
from vault.remote_keys import RemoteKeys


@final
class Pkcs11(RemoteKeys):
    """A key by its label on a token by its label. One session, and one operation at a time in it."""

    def __init__(self, module: Path, token: str, key: str, pin: str, index_path: Path) -> None:
        super().__init__(f"{token}/{key}", index_path)
        self._module, self._token, self._label = module, token, key
        self._pin = pin
        self._lock = threading.Lock()
        self._session: Any = None
        self._library: Any = import_module("pkcs11")
        self._failure: Any = import_module("pkcs11.exceptions")

    def _wrap(self, plain: bytes, context: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._operate("encrypt", plain, nonce, context)

    def _unwrap(self, sealed: bytes, context: bytes) -> bytes:
        if len(sealed) < NONCE_BYTES + TAG_BYTES:
            raise Unopenable
        return self._operate("decrypt", sealed[NONCE_BYTES:], sealed[:NONCE_BYTES], context)

    def _operate(self, operation: str, data: bytes, nonce: bytes, context: bytes) -> bytes:
        with self._lock:
            try:
                return self._perform(operation, data, nonce, context)
            except (self._failure.EncryptedDataInvalid, self._failure.EncryptedDataLenRange):
                raise Unopenable from None
            except self._failure.PKCS11Error as error:
                self._forget()
                if operation == "decrypt" and self._works():
                    raise Unopenable from None
                raise Sealed(f"the HSM does not help: {type(error).__name__}") from None

    def _works(self) -> bool:
        """Whether the HSM can use the key at all.

        Tokens disagree on what a wrong tag is: SoftHSM 2.6 says "general error", as of a broken device.
        """
        try:
            self._perform("encrypt", bytes(KEY_BYTES), os.urandom(NONCE_BYTES), b"")
        except self._failure.PKCS11Error:
            return False
        return True

    def _perform(self, operation: str, data: bytes, nonce: bytes, context: bytes) -> bytes:
        parameters = self._library.GCMParams(nonce, context, TAG_BYTES * 8)
        perform = getattr(self._open_key(), operation)
        mechanism = self._library.Mechanism.AES_GCM
        return bytes(perform(data, mechanism=mechanism, mechanism_param=parameters))

    def _open_key(self) -> Any:
        if self._session is None:
            token = self._library.lib(str(self._module)).get_token(token_label=self._token)
            try:
                self._session = token.open(user_pin=self._pin)
            except self._failure.UserAlreadyLoggedIn:
                # A process signs in to a token once, whatever the number of its sessions.
                self._session = token.open()
        kind = self._library.ObjectClass.SECRET_KEY
        return self._session.get_key(object_class=kind, label=self._label)

    def _forget(self) -> None:
        """Sign in anew next time: the HSM may have been restarted, or the session lost."""
        session, self._session = self._session, None
        if session is not None:
            try:
                session.close()
            except self._failure.PKCS11Error:
                return


def connect(*, module: Path, token: str, key: str, pin_file: Path, index_path: Path) -> Pkcs11:
    """A token through the vendor's library ``module``, with the PIN in ``pin_file``.

    Raises ``KeySourceRefused``.
    """
    try:
        import_module("pkcs11")
    except ImportError:
        raise KeySourceRefused("PKCS#11 needs the extra: pip install 'apiconduit[pkcs11]'") from None
    if not module.is_file():
        raise KeySourceRefused(f"there is no PKCS#11 library at {module}")
    try:
        pin = pin_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise KeySourceRefused(f"the PIN file {pin_file} cannot be read") from None
    return Pkcs11(module, token, key, pin, index_path)

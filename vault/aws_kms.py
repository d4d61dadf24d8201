"""Key-encryption keys in AWS KMS. Needs the extra ``aws``.

The context becomes KMS's encryption context, which is bound as associated data and stands in CloudTrail.
https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html
"""

import hashlib
from importlib import import_module
from pathlib import Path
from typing import Any, final

from vault.errors import KeySourceRefused, Sealed, Unopenable
from vault.remote_keys import TIMEOUT_S, RemoteKeys

# What KMS answers where the ciphertext, its key or its context is not the right one.
_NOT_OURS = frozenset({"InvalidCiphertextException", "IncorrectKeyException", "InvalidKeyUsageException"})


@final
class AwsKms(RemoteKeys):
    """A symmetric KMS key, named by its ARN. Its yearly rotation happens within KMS, unseen by us."""

    def __init__(self, client: Any, key: str, index_path: Path) -> None:
        if not key.startswith("arn:"):
            # An alias can be moved to another key by who may not touch ours.
            raise KeySourceRefused("vault.kek.key must be the ARN of a KMS key, not an alias or a bare id")
        super().__init__(key, index_path)
        self._client = client
        self._errors: Any = import_module("botocore.exceptions")

    def _wrap(self, plain: bytes, context: bytes) -> bytes:
        answer = self._call("encrypt", Plaintext=plain, EncryptionContext=_encryption_context(context))
        return bytes(answer["CiphertextBlob"])

    def _unwrap(self, sealed: bytes, context: bytes) -> bytes:
        answer = self._call("decrypt", CiphertextBlob=sealed, EncryptionContext=_encryption_context(context))
        return bytes(answer["Plaintext"])

    def _call(self, operation: str, **parameters: object) -> Any:
        try:
            return getattr(self._client, operation)(KeyId=self._key, **parameters)
        except self._errors.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _NOT_OURS:
                raise Unopenable from None
            raise Sealed(f"AWS KMS refuses: {code}") from None
        except self._errors.BotoCoreError as error:
            raise Sealed(f"AWS KMS does not answer: {type(error).__name__}") from None


def connect(*, key: str, index_path: Path, region: str | None, endpoint: str | None) -> AwsKms:
    """KMS with the credentials that the machine has (role, profile or environment), as botocore finds them.

    Raises ``KeySourceRefused`` where the extra is not installed.
    """
    try:
        boto3, configuration = import_module("boto3"), import_module("botocore.config")
    except ImportError:
        raise KeySourceRefused("AWS KMS needs the extra: pip install 'apiconduit[aws]'") from None
    limits = configuration.Config(
        connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"total_max_attempts": 1}
    )
    try:
        client = boto3.client("kms", region_name=region, endpoint_url=endpoint, config=limits)
    except Exception as error:  # botocore raises ValueError, NoRegionError and more for bad settings
        raise KeySourceRefused(f"AWS KMS cannot be set up: {type(error).__name__}") from None
    return AwsKms(client, key, index_path)


def _encryption_context(context: bytes) -> dict[str, str]:
    """Hashed, so that CloudTrail tells tenants apart without naming them."""
    return {"conduit": hashlib.sha256(context).hexdigest()}

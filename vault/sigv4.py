"""Signing requests to AWS with SigV4, by botocore's own signer. Needs the extra ``aws``.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from vault.credential_kinds import AwsAccessKey
from vault.errors import VaultError

# What a client signed with its placeholder and we sign anew.
REPLACED_HEADERS = ("authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token")

# Only what Bedrock wants signed: anything more could be changed by a hop between us and AWS.
_SIGNED = re.compile(r"content-type|accept|x-amzn?-.+")

# botocore 1.44.5, endpoints.json: bedrock, bedrock-runtime, bedrock-agent-runtime and their -fips forms all
# sign as the service "bedrock".
_HOST = re.compile(r"bedrock[a-z-]*\.([a-z]{2}(?:-[a-z]+)+-[0-9]{1,2})\.amazonaws\.com(?:\.cn)?")


class Unsignable(VaultError):
    """The host is no AWS endpoint that we sign for, or the extra is not installed."""


def sign(
    key: AwsAccessKey, *, method: str, host: str, path: str, headers: Mapping[str, str], body: bytes
) -> dict[str, str]:
    """The headers that sign this request, lower case; ``path`` is as it goes out, with its query.

    ``host`` is canonical; the region is read from it, so that a client cannot name another one. Raises
    ``Unsignable``.
    """
    found = _HOST.fullmatch(host)
    if found is None:
        raise Unsignable(f"{host} is not a Bedrock endpoint")
    auth, request_kind, credentials_kind = _botocore()
    signed = {name: value for name, value in headers.items() if _SIGNED.fullmatch(name)}
    kept = {name: value for name, value in signed.items() if name not in REPLACED_HEADERS}
    request = request_kind(method=method, url=f"https://{host}{path}", data=body, headers=kept)
    credentials = credentials_kind(key.access_key_id, key.secret_access_key, key.session_token)
    auth.SigV4Auth(credentials, "bedrock", found[1]).add_auth(request)
    made = {name.lower(): value for name, value in request.headers.items()}
    return {name: made[name] for name in REPLACED_HEADERS if name in made}


def _botocore() -> tuple[Any, Any, Any]:
    try:
        return (
            import_module("botocore.auth"),
            import_module("botocore.awsrequest").AWSRequest,
            import_module("botocore.credentials").Credentials,
        )
    except ImportError:
        raise Unsignable("signing for AWS needs the extra: pip install 'apiconduit[aws]'") from None

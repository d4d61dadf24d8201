"""What a credential is: a key to send as it is, or something from which what is sent must first be made.

A key is any text. The others are JSON objects that say what they are in ``type``, Google's own file among
them. Nothing here sends anything.
"""

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.types import StringConstraints

from vault.errors import VaultError

GOOGLE_TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address

# A GUID or a domain; it becomes a segment of a path.
_ENTRA_TENANT = r"^[0-9A-Za-z][0-9A-Za-z.-]{0,99}$"

type Line = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[!-~]+$")]


class InvalidCredential(VaultError):
    """A text that claims to be one of our kinds and is not; the message names the fields, not the values."""


@dataclass(frozen=True, slots=True)
class StaticKey:
    """A key that is sent as it is."""

    text: str = field(repr=False)


class _Kind(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AwsAccessKey(_Kind):
    """An IAM access key, with which each request is signed (SigV4)."""

    type: Literal["aws_access_key"]
    access_key_id: Line
    secret_access_key: Line = Field(repr=False)
    session_token: Line | None = Field(None, repr=False)


class EntraClient(_Kind):
    """An application of Microsoft Entra, which is given tokens for Azure AI (client credentials grant)."""

    type: Literal["entra_client"]
    tenant_id: Annotated[str, StringConstraints(pattern=_ENTRA_TENANT)]
    client_id: Line
    client_secret: Line = Field(repr=False)


class GoogleServiceAccount(_Kind):
    """A Google service account's key file, which is given tokens for Vertex AI.

    ``token_uri`` is held to Google's own, because the assertion is sent there.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    type: Literal["service_account"]
    client_email: Line
    private_key_id: Line
    private_key: Annotated[str, StringConstraints(min_length=1, max_length=16_384)] = Field(repr=False)
    token_uri: Literal["https://oauth2.googleapis.com/token"] = GOOGLE_TOKEN_URI


type Exchanged = EntraClient | GoogleServiceAccount
type CredentialKind = StaticKey | AwsAccessKey | Exchanged

_OBJECT: TypeAdapter[AwsAccessKey | EntraClient | GoogleServiceAccount] = TypeAdapter(
    Annotated[AwsAccessKey | EntraClient | GoogleServiceAccount, Field(discriminator="type")]
)


def parse(text: str) -> CredentialKind:
    """What this credential is; raises ``InvalidCredential``.

    A plain key must be printable ASCII without blanks: it stands in a header.
    """
    if text.lstrip().startswith("{"):
        try:
            return _OBJECT.validate_json(text)
        except ValidationError as error:
            wrong = sorted({".".join(map(str, problem["loc"])) or "type" for problem in error.errors()})
            raise InvalidCredential(f"the credential's JSON is wrong at: {', '.join(wrong)}") from None
    if not text.isascii() or not text.isprintable() or " " in text or not text:
        raise InvalidCredential("a key is one word of printable ASCII; this is something else")
    return StaticKey(text)

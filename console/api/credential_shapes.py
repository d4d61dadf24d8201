"""What the API takes for providers' keys. What it says of them is ``console.api.shapes.Credential``."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from console.api.shapes import Given, Name, WholeNumber
from store.credential_acts import WEIGHT_MAX
from store.credentials import Purpose

# A Google service account's key file is the largest.
Key = Annotated[SecretStr, Field(min_length=1, max_length=20_000, description="Never shown again.")]
Code = Annotated[SecretStr, Field(min_length=6, max_length=7, description="A fresh one-time code.")]
Host = Annotated[str, Field(min_length=1, max_length=253)]
Weight = Annotated[WholeNumber, Field(ge=0, le=WEIGHT_MAX)]


class NewCredential(Given):
    """Without ``hosts`` the provider's own. ``code`` is the asker's own one-time code."""

    provider: Name
    name: Name
    secret: Key
    code: Code
    hosts: Annotated[list[Host], Field(min_length=1, max_length=50)] | None = None
    pool: Name | None = None
    weight: Weight = 1
    purpose: Purpose = Purpose.CALLS
    provider_key_id: Name | None = None


class CredentialChange(Given):
    """What is left out stays; an empty ``pool`` or ``provider_key_id`` is taken away."""

    pool: Name | Literal[""] | None = None
    weight: Weight | None = None
    provider_key_id: Name | Literal[""] | None = None


class CredentialRotation(Given):
    """The new key in place of the old one. ``code`` is the asker's own one-time code."""

    secret: Key
    code: Code


class CredentialRevocation(Given):
    """``code`` is the asker's own one-time code."""

    code: Code

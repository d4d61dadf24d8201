"""The base of every HTML form: a field of a name that the form does not have is refused, not ignored."""

from pydantic import BaseModel, ConfigDict, Field


class Form(BaseModel):
    """``csrf`` is checked by Litestar before any handler runs; it is named here so that it may be there.

    By itself it is the form of an act whose path says all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    csrf: str = Field("", alias="_csrf_token", repr=False)

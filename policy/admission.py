"""May they: the rules that need no counter. Counted limits are the limiter's, asked after these."""

from policy import coaching
from policy.attribution import PresentedKey, misused, unvaulted_key
from policy.exchange import Call, Endpoint, EndpointState
from policy.operations import PAST_THE_GATEWAY, WITHOUT_MODEL
from policy.refusals import Reason, Refusal
from policy.snapshot import Placeholder


def endpoint_allowed(
    endpoint: Endpoint, keys: tuple[PresentedKey, ...], justification: str | None
) -> Refusal | None:
    """Judge the endpoint's state for this tenant, and a key of the caller's own that would leave for it.

    ``justification`` is the reason that the caller stated, which a coached endpoint asks for.
    """
    if endpoint.state is EndpointState.BLOCKED:
        return Refusal(
            Reason.SHADOW_ENDPOINT,
            f"{endpoint.host} is not sanctioned for your organisation; ask your administrator which AI is.",
            "endpoint-state",
        )
    if endpoint.state is EndpointState.COACHED and not justification:
        return Refusal(
            Reason.COACHED,
            f"{endpoint.host} may be used after you state a reason, which is recorded: send the header "
            "x-conduit-justification with one sentence. A browser states it for itself at "
            f"{endpoint.scheme}://{endpoint.host}{coaching.PATH}.",
            "endpoint-state",
        )
    if endpoint.state is EndpointState.SANCTIONED and holds_foreign_key(endpoint, keys):
        return unvaulted_key()
    return None


def holds_foreign_key(endpoint: Endpoint, keys: tuple[PresentedKey, ...]) -> bool:
    """Whether a key that the vault did not issue is among them.

    Whatever stands where a key is read is one. What a host for people is sent is their session (cookies,
    tokens of all kinds, keys of the page's own), but for a header for keys with something in the form of one.
    """
    foreign = [key for key in keys if key.digest is None]
    if not endpoint.web:
        return bool(foreign)
    return any(key.provider_form and key.place in {"authorization", "x-api-key"} for key in foreign)


def region_allowed(endpoint: Endpoint, residency: frozenset[str]) -> Refusal | None:
    """Hold a call to the regions that the tenant's data may be processed in; an empty set allows every one.

    An endpoint that is served ``global`` or from nobody knows where is in no region.
    """
    if not residency or endpoint.region in residency:
        return None
    return Refusal(
        Reason.REGION_DENIED,
        f"{endpoint.host} processes data elsewhere ({endpoint.region}) than your organisation allows"
        f" ({', '.join(sorted(residency))}); use a provider's endpoint in one of these regions.",
        "data-residency",
    )


def placeholder_allowed(
    placeholder: Placeholder,
    hosts: tuple[str, ...],
    endpoint: Endpoint,
    call: Call,
    *,
    named_later: bool = False,
) -> Refusal | None:
    """Hold a placeholder to the hosts of its credential, to verified TLS, and to its models.

    ``named_later`` is true for a session whose messages name the model; each is held to it then.
    """
    if endpoint.host not in hosts:
        return misused(
            f"This placeholder is not for {endpoint.host}; use the one that was issued for it.",
            "placeholder-host",
        )
    if call.operation in PAST_THE_GATEWAY:
        return misused(
            "This would let you call the provider past the gateway; open the session through it instead.",
            "no-ephemeral-keys",
        )
    if placeholder.models and call.model is None and call.operation not in WITHOUT_MODEL and not named_later:
        return misused(
            "This placeholder is for certain models, and this call does not say which it uses.",
            "placeholder-model",
        )
    if placeholder.models and call.model is not None and call.model not in placeholder.models:
        return misused(f"This placeholder may not be used for the model {call.model}.", "placeholder-model")
    return None

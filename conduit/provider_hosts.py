"""Where a provider's key may be sent, unless somebody names other hosts."""

from urllib.parse import urlsplit

from conduit.instance import CATALOGUE_FOLDER
from conduit.settings import Settings
from store.catalogue import load_providers
from store.errors import InvalidRecord


def provider_hosts(settings: Settings, provider: str) -> list[str]:
    """The host of the provider's API, or of the place that the operator has put instead of it.

    Raises ``InvalidRecord`` where there is none, and the hosts are to be named.
    """
    known = load_providers(CATALOGUE_FOLDER / "providers.csv").get(provider)
    replaced = settings.providers.get(provider)
    origin = known.origin if known and known.origin else (replaced.upstream if replaced else "")
    if not origin and known is None:
        raise InvalidRecord(f"{provider!r} is not a known provider; name its host (--host)")
    if not origin:
        raise InvalidRecord(f"{provider} has no host of its own; name your resource's (--host)")
    return [urlsplit(origin).hostname or ""]

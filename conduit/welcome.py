"""What ``conduit up`` tells the person who started it: where everything is, and how to sign in."""

from datetime import UTC, datetime

from conduit.addresses import Address, reachable
from conduit.authority import Authority
from conduit.settings import Settings
from console.enrolment import invite_first
from store.door import Store
from store.roles import RoleSecrets


async def first_sign_in(roles: RoleSecrets) -> str | None:
    """The token of the first administrator's one-time link; ``None`` once there is an administrator."""
    store = await Store.open(roles.console_dsn, roles.claim_key, pool_size=1)
    try:
        return await invite_first(store, now=datetime.now(UTC))
    finally:
        await store.close()


def welcome(settings: Settings, authority: Authority, token: str | None) -> str:
    """The whole text. It holds the one-time link, so it goes to the terminal and to no log."""
    listen = settings.listen
    console = _url(listen.console)
    lines = [
        "APIConduit is up.",
        "",
        f"  explicit proxy     {_url(listen.proxy)}   (HTTPS_PROXY)",
        f"  base-URL gateway   {_url(listen.gateway)}/{{provider}}/…",
        f"  transparent        {listen.transparent}   (redirected TCP)",
        f"  console            {console}",
        f"  CA certificate     {authority.certificate}",
        f"                     SHA-256 {authority.fingerprint}",
        "",
    ]
    if token is not None:
        lines += [
            "First administrator, link for one use within 24 hours:",
            f"  {console}/setup?token={token}",
            "",
        ]
    lines += ["Try it:", f"  curl -sS {console}/healthz/ready"]
    return "\n".join(lines)


def _url(address: Address) -> str:
    return f"http://{reachable(address)}"

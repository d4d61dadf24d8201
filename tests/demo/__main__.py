"""``python -m tests.demo``: starts everything, tells the story, takes it down; exit 0 only if all held."""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.demo import scenes
from tests.demo.story import Story
from tests.standins.authority import Authority
from tests.standins.machines import Machine
from tests.standins.namespaces import (
    CLIENT_NETWORK,
    CLIENT_SIDE,
    GATEWAY_ADDRESS,
    PROVIDER_ADDRESS,
    Namespaces,
    lacking,
)
from tests.standins.office import EVERY_HOST, Office, Place, settle, upstream_settings
from tests.standins.product import Product
from tests.standins.provider import StandIn

TITLES = {
    "gateway": "Base-URL mode: the SDK's base URL points at the gateway",
    "proxy": "Explicit proxy: HTTPS_PROXY, and the gateway's CA in the trust store",
    "transparent": "Transparent: nothing is set on the machine; nftables redirects its traffic",
}


def _world(stack: ExitStack, folder: Path, net: Namespaces | None) -> tuple[Office, StandIn]:
    """Stand-ins and product: between network namespaces where they can be made, else on loopback."""
    authority = Authority(folder / "authority")
    if net is None:
        provider = stack.enter_context(StandIn(authority))
        product = stack.enter_context(Product(folder, upstream_settings(provider, authority)))
        return settle(product, provider, authority), provider
    provider = stack.enter_context(
        StandIn(authority, PROVIDER_ADDRESS, namespace=net.provider, ports=(443, 80))
    )
    settings = upstream_settings(provider, authority)
    product = stack.enter_context(Product(folder, settings, namespace=net.gateway, address=GATEWAY_ADDRESS))
    net.redirect(product.shell("network-rules", "--interface", CLIENT_SIDE).stdout)
    return settle(product, provider, authority), provider


def main() -> int:
    story = Story()
    story.say("APIConduit, shown on this machine: the real program, real SDKs, stand-ins for the providers.")
    missing = lacking()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-demo-")))
        net = stack.enter_context(Namespaces(EVERY_HOST)) if missing is None else None
        story.chapter("The stage")
        with story.waiting("PostgreSQL, Valkey, gateway and console, in a throw-away folder"):
            office, _ = _world(stack, folder, net)
        scenes.introduce(story, office)
        for mode, title in TITLES.items():
            story.chapter(title)
            if mode == "transparent":
                if net is None:
                    story.skip("transparent mode", missing or "")
                    continue
                office.product.cli("network", "add", "--tenant", office.tenant, CLIENT_NETWORK)
                office.in_force()
            machine = stack.enter_context(Machine(office.environment(mode), net.client if net else None))
            scenes.play(story, Place(mode, office, machine))
        story.chapter("What is left behind")
        scenes.account(story, office)
        return story.end()


if __name__ == "__main__":
    sys.exit(main())

"""Three network namespaces in a row: the corporate machine, the gateway, the providers; and the redirect.

    client 10.203.1.2 ── 10.203.1.1 gateway 203.0.113.1 ── 203.0.113.2 providers

The providers' network is RFC 5737's, because the redirect leaves private destinations alone.
Needs root (``CAP_NET_ADMIN``, ``CAP_SYS_ADMIN``), iproute2 and nftables; ``lacking`` says what is not there.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Self
from uuid import uuid4

CLIENT_ADDRESS = "10.203.1.2"
GATEWAY_ADDRESS = "10.203.1.1"
PROVIDER_ADDRESS = "203.0.113.2"
CLIENT_NETWORK = "10.203.1.0/24"
CLIENT_SIDE = "corp0"


def run(*command: str, stdin: str | None = None) -> str:
    """Standard output of ``command``; ``RuntimeError`` with its standard error if it fails."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=30)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def lacking() -> str | None:
    """Why no network namespaces can be made here, or ``None``."""
    for program, package in (("ip", "iproute2"), ("nft", "nftables")):
        if shutil.which(program) is None:
            return f"the program {program!r} is missing (Debian package {package})"
    probe = f"conduit-probe-{uuid4().hex[:8]}"
    try:
        run("ip", "netns", "add", probe)
    except RuntimeError as problem:
        return f"no right to make network namespaces ({problem})"
    try:
        run("ip", "netns", "exec", probe, "nft", "list", "ruleset")
    except RuntimeError as problem:
        return f"no nftables in the kernel ({problem})"
    finally:
        run("ip", "netns", "delete", probe)
    return None


class Namespaces:
    """``with Namespaces(hosts) as net``: made on entry, gone on exit. ``hosts`` resolve to the provider."""

    def __init__(self, hosts: tuple[str, ...]) -> None:
        mark = uuid4().hex[:6]
        self.client, self.gateway, self.provider = (
            f"conduit-{mark}-{role}" for role in ("client", "gateway", "provider")
        )
        self._hosts = hosts

    def __enter__(self) -> Self:
        for name in self._names:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        self._join(
            self.client, f"{CLIENT_ADDRESS}/24", "eth0", self.gateway, f"{GATEWAY_ADDRESS}/24", CLIENT_SIDE
        )
        self._join(self.provider, f"{PROVIDER_ADDRESS}/24", "eth0", self.gateway, "203.0.113.1/24", "wan0")
        run("ip", "-n", self.client, "route", "add", "default", "via", GATEWAY_ADDRESS)
        run("ip", "-n", self.provider, "route", "add", "default", "via", "203.0.113.1")
        # The gateway is a router: what no rule redirects would reach the providers, as in a real network.
        run("ip", "netns", "exec", self.gateway, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        for name in self._names:
            folder = Path("/etc/netns") / name  # `ip netns exec` mounts these over /etc
            folder.mkdir(parents=True)
            lines = ["127.0.0.1 localhost", *(f"{PROVIDER_ADDRESS} {host}" for host in self._hosts)]
            (folder / "hosts").write_text("\n".join(lines) + "\n")
            (folder / "resolv.conf").write_text("")
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._names:
            subprocess.run(("ip", "netns", "delete", name), capture_output=True)
            shutil.rmtree(Path("/etc/netns") / name, ignore_errors=True)

    @property
    def _names(self) -> tuple[str, ...]:
        return self.client, self.gateway, self.provider

    def _join(self, here: str, address: str, name: str, there: str, far_address: str, far_name: str) -> None:
        """A cable between two namespaces."""
        peer = ("peer", "name", far_name, "netns", there)
        run("ip", "-n", here, "link", "add", name, "type", "veth", *peer)
        for space, device, net in ((here, name, address), (there, far_name, far_address)):
            run("ip", "-n", space, "address", "add", net, "dev", device)
            run("ip", "-n", space, "link", "set", device, "up")

    def redirect(self, ruleset: str) -> None:
        """Load an nftables ruleset into the gateway's namespace."""
        run("ip", "netns", "exec", self.gateway, "nft", "-f", "-", stdin=ruleset)


def prefix(namespace: str | None) -> tuple[str, ...]:
    """What to write before a command so that it runs in ``namespace``."""
    return () if namespace is None else ("ip", "netns", "exec", namespace)

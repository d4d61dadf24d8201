"""What a gateway machine needs so that calls come to us: nftables rules.

Nothing is applied here.
"""

import os
import re
import shutil
import subprocess
from string import Template

from conduit.addresses import Address
from conduit.errors import ConduitError

# IFNAMSIZ is 16 with the closing zero; nft quotes the name, so no quote and no control character either.
_INTERFACE = re.compile(r"[A-Za-z0-9._@-]{1,15}", re.ASCII)

# Redirected connections keep their original destination for SO_ORIGINAL_DST. QUIC is rejected, not dropped,
# so that browsers fall back to TCP at once; DNS over TLS is rejected so that names stay visible to the
# resolver. `ct status & dnat == 0` matches direct connections to the transparent port alone: it must not
# serve as an open proxy. (`ct status != dnat` would match every redirected packet too.)
_NFTABLES = Template("""\
# APIConduit: send what clients on $interface say to ports 80 and 443 through the gateway.
# Apply:   nft -f FILE        Remove:   nft delete table inet apiconduit
table inet apiconduit
delete table inet apiconduit
table inet apiconduit {
  set private4 {
    type ipv4_addr; flags interval;
    elements = { 10.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16 }
  }
  set private6 {
    type ipv6_addr; flags interval;
    elements = { ::1/128, fc00::/7, fe80::/10 }
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "$interface" ip daddr @private4 return
    iifname "$interface" ip6 daddr @private6 return
    iifname "$interface" tcp dport { 80, 443 } counter redirect to :$port
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname "$interface" udp dport 443 counter reject with icmpx type port-unreachable
    iifname "$interface" meta l4proto { tcp, udp } th dport 853 \\
      counter reject with icmpx type admin-prohibited
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname "$interface" tcp dport $port ct status & dnat == 0 counter drop
  }
}
""")


class RulesRefused(ConduitError):
    """nft does not take the ruleset."""


class UnusableInterface(ConduitError):
    """The text is not the name of a network interface."""


def nftables(interface: str, transparent: Address) -> str:
    """The ruleset for a gateway whose clients come in by ``interface``. Raises ``UnusableInterface``.

    Loading it twice is harmless. The transparent listener must not be on a loopback address: redirected
    packets arrive at the address of ``interface``.
    """
    if not _INTERFACE.fullmatch(interface):
        raise UnusableInterface(f"{interface!r} is not the name of a network interface")
    return _NFTABLES.substitute(interface=interface, port=transparent.port)


def check(rules: str) -> None:
    """Have nft itself read the ruleset, where it is installed and we are root; changes nothing.

    Raises ``RulesRefused`` with nft's first complaint.
    """
    program = shutil.which("nft", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None or os.geteuid() != 0:
        return
    outcome = subprocess.run(
        [program, "--check", "--file", "-"], input=rules, capture_output=True, text=True, check=False
    )
    complaint = outcome.stderr.strip().splitlines()
    # Without rights over the kernel's tables, as in a container, nft cannot judge; the rules may be right.
    if outcome.returncode != 0 and complaint and "Operation not permitted" not in outcome.stderr:
        raise RulesRefused(f"nft does not take the ruleset: {complaint[0]}")

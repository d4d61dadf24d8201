"""The proxy auto-configuration file: AI hosts go through the gateway, everything else goes on its own.

The language is that of FindProxyForURL (https://developer.mozilla.org/docs/Web/HTTP/Guides/Proxy_servers_and_tunneling/Proxy_Auto-Configuration_PAC_file).
For an AI host there is no second choice, or a gateway that is down would let its traffic out.
"""

import json
from string import Template

from policy.catalogue import Catalogue, is_api

MEDIA_TYPE = "application/x-ns-proxy-autoconfig"

_PAC = Template("""\
// APIConduit: AI endpoints go through the gateway, and nowhere else when it is down.
var exact = $exact;
var below = $below;
function FindProxyForURL(url, host) {
  host = host.toLowerCase().replace(/\\.$$/, "");
  var ours = exact[host] === 1;
  for (var dot = host.indexOf("."); !ours && dot >= 0; dot = host.indexOf(".", dot + 1))
    ours = below[host.substring(dot + 1)] === 1;
  return ours ? "PROXY $proxy" : "DIRECT";
}
""")


def proxy_configuration(catalogue: Catalogue, proxy: str) -> str:
    """The file for these hosts; ``proxy`` is ``host:port`` as clients reach it.

    A name that is shared with other traffic is sent to the gateway only where it is an API.
    """
    exact = sorted(name for name, entry in catalogue.exact.items() if is_api(entry) or not entry.mixed)
    below = sorted(name for name, entry in catalogue.below.items() if is_api(entry) or not entry.mixed)
    return _PAC.substitute(
        exact=json.dumps(dict.fromkeys(exact, 1)), below=json.dumps(dict.fromkeys(below, 1)), proxy=proxy
    )

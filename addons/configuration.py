"""What the operator decided that the data plane needs; built once by ``conduit.worker``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from policy.accounts import Restriction
from policy.catalogue import Provider
from policy.certificates import ClientAuthorities
from policy.decryption import Decryption
from policy.destination import Destination
from policy.endpoints import Defaults
from policy.evasion import Evasions
from policy.pinning import Settings as Pinning
from policy.sufficiency import OperatorRule
from policy.tokens import Issuer


@dataclass(frozen=True, slots=True)
class Listeners:
    """``(host, port)`` of each door."""

    proxy: tuple[str, int]
    gateway: tuple[str, int]
    transparent: tuple[str, int]


@dataclass(frozen=True, slots=True)
class Upstreams:
    """How providers are reached. ``resolve`` maps ``(host, port)`` to the ``(address, port)`` to dial.

    ``replaced`` maps a provider's public host to the origin that stands for it. Times are in seconds.
    """

    resolve: Mapping[tuple[str, int], tuple[str, int]]
    replaced: Mapping[str, Destination]
    allowed_networks: tuple[IPv4Network | IPv6Network, ...]
    connect_timeout_s: float
    first_byte_timeout_s: float
    idle_timeout_s: float
    ca_bundle: Path


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a client may send and hold: bytes, connections, seconds. Messages are those of WebSockets."""

    head_bytes_max: int
    header_count_max: int
    body_bytes_max: int
    held_bytes_max: int
    connections_max: int
    connections_per_address_max: int
    head_timeout_s: float
    body_timeout_s: float
    body_bytes_per_second_min: int
    idle_timeout_s: float
    step_timeout_s: float
    snapshot_age_max_s: float
    message_bytes_max: int
    session_idle_timeout_s: float


@dataclass(frozen=True, slots=True)
class Identity:
    """What says who is calling, besides placeholders and networks.

    ``client_ca_file`` holds the authorities of ``client_authorities``; both are set or neither.
    ``client_crl_file`` holds their revocation lists.
    """

    issuers: tuple[Issuer, ...] = ()
    client_authorities: ClientAuthorities | None = None
    client_ca_file: Path | None = None
    client_crl_file: Path | None = None
    trusted_hops: tuple[IPv4Network | IPv6Network, ...] = ()
    sufficiency: tuple[OperatorRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Configuration:
    """The whole of it.

    ``output_step_tokens`` is what is held at a time for an answer whose request sets no output ceiling.
    ``cut_revoked`` ends an answer under way when its placeholder, user or tenant is revoked.
    """

    listeners: Listeners
    upstreams: Upstreams
    bounds: Bounds
    providers: Mapping[str, Provider]
    defaults: Defaults
    decryption: Decryption
    output_step_tokens: int
    cut_revoked: bool
    authority_directory: Path
    identity: Identity = Identity()
    restrictions: tuple[Restriction, ...] = ()
    evasions: Evasions = field(default_factory=Evasions)

    @property
    def pinning(self) -> Pinning:
        """What of it says which TLS may pass unread because its client pins."""
        return Pinning(self.decryption, self.defaults, self.identity.sufficiency)

"""Assemble the data plane of one worker from settings, snapshot, vault, limiter and spool."""

from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import certifi

from addons import STEPS
from addons.account_marks import SharedMarks
from addons.accounts import Accounts
from addons.admission import Admission
from addons.attribution import Attribution
from addons.certificate_revocations import CertificateRevocations
from addons.chain import Chain, Surroundings
from addons.coaching import Coaching
from addons.configuration import Bounds, Configuration, Listeners, Upstreams
from addons.connections import Connections
from addons.content import Content
from addons.credential_health import CredentialHealth
from addons.credentials import Credentials
from addons.deadlines import Deadlines
from addons.dialling import Dialling
from addons.discovery import Discovery
from addons.engine import Engine
from addons.forgetting import Forgetting
from addons.identity_tokens import IdentityTokens
from addons.inspection import Inspection
from addons.interception import Interception
from addons.key_sets import KeySets
from addons.measurement import Measurement
from addons.metering import Metering
from addons.open_calls import OpenCalls
from addons.record import Record
from addons.redaction import Redaction
from addons.rejudgement import Rejudgement
from addons.reservations import Reservations
from addons.session_watch import SessionWatch
from addons.settlement import Settlement
from addons.slow_bodies import SlowBodies
from addons.snapshots import Snapshots
from addons.step import Step
from addons.tunnel_watch import TunnelWatch
from addons.tunnels import Tunnels
from addons.turned_away import TurnedAway
from conduit.addresses import parse_address
from conduit.errors import ConfigurationError
from conduit.identity import identity_of
from conduit.settings import Settings
from conduit.token_client import token_client
from policy.catalogue import Provider
from policy.decryption import Decryption
from policy.destination import Destination, canonical_authority
from policy.endpoints import Defaults
from policy.evasion import Evasions
from policy.exchange import Shape
from store.account_marks import AccountMarks
from store.catalogue import load_catalogue, load_exclusions, load_providers, load_restrictions
from store.limiter import Limiter
from store.spool import Spool
from vault.token_exchange import TokenExchange
from vault.vault import Vault

CONFIG = Path(__file__).resolve().parent.parent / "config"


def configuration(settings: Settings, data: Path) -> Configuration:
    """What the data plane needs of the operator's settings; reads the catalogue files."""
    providers = load_providers(CONFIG / "providers.csv")
    catalogue = load_catalogue(CONFIG / "ai_endpoints.csv")
    replaced: dict[str, Destination] = {}
    for name, chosen in settings.providers.items():
        scheme, _, authority = chosen.upstream.partition("://")
        origin = canonical_authority(authority, scheme)
        _refuse_clear_text(name, origin)
        known = providers.get(name)
        if known is None:
            providers[name] = Provider(name, chosen.upstream, Shape.OPENAI_CHAT, ("authorization",))
        elif not known.origin:
            providers[name] = replace(known, origin=chosen.upstream)
        else:
            replaced[known.origin.partition("://")[2]] = origin
    return Configuration(
        listeners=Listeners(
            *map(_pair, (settings.listen.proxy, settings.listen.gateway, settings.listen.transparent))
        ),
        upstreams=_upstreams(settings, data, replaced),
        bounds=Bounds(
            head_bytes_max=settings.limits.head_bytes_max,
            header_count_max=settings.limits.header_count_max,
            body_bytes_max=settings.limits.body_bytes_max,
            held_bytes_max=settings.limits.held_bytes_max,
            connections_max=settings.limits.connections_max,
            connections_per_address_max=settings.limits.connections_per_address_max,
            head_timeout_s=settings.limits.head_timeout_s,
            body_timeout_s=settings.limits.body_timeout_s,
            body_bytes_per_second_min=settings.limits.body_bytes_per_second_min,
            idle_timeout_s=settings.limits.idle_timeout_s,
            step_timeout_s=settings.step_timeout_s,
            snapshot_age_max_s=settings.snapshot.max_age_s,
            message_bytes_max=settings.limits.message_bytes_max,
            session_idle_timeout_s=settings.limits.session_idle_timeout_s,
        ),
        providers=providers,
        defaults=Defaults(settings.endpoints.default_catalogued, settings.endpoints.default_unknown),
        decryption=Decryption(catalogue, settings.discovery.decrypt_unknown, _exclusions(settings)),
        evasions=Evasions(
            nameless=settings.discovery.nameless_tls == "refuse",
            resolvers=settings.discovery.doh_resolvers,
            fronts=settings.discovery.ech_fronts,
        ),
        output_step_tokens=settings.limits.output_step_tokens,
        cut_revoked=settings.snapshot.cut_revoked,
        authority_directory=data / "ca",
        identity=identity_of(settings.identity),
        restrictions=load_restrictions(CONFIG / "account_restrictions.csv"),
    )


def _exclusions(settings: Settings) -> frozenset[str]:
    """The operator's list never takes the place of the shipped one: leaving it empty empties nothing."""
    shipped = load_exclusions(CONFIG / "never_decrypted.csv") if settings.discovery.shipped_exclusions else ()
    return frozenset((*shipped, *settings.discovery.exclusions))


def _refuse_clear_text(name: str, origin: Destination) -> None:
    """A key never crosses a network in the clear; within this machine there is none to cross."""
    if origin.scheme == "http" and origin.host != "localhost" and not _is_loopback(origin.host):
        raise ConfigurationError(f"providers.{name}.upstream: a key leaves over https only, but to loopback")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _upstreams(settings: Settings, data: Path, replaced: dict[str, Destination]) -> Upstreams:
    upstream = settings.upstream
    return Upstreams(
        resolve={_pair(name): _pair(address) for name, address in upstream.resolve.items()},
        replaced=replaced,
        allowed_networks=tuple(ip_network(text) for text in upstream.allowed_networks),
        connect_timeout_s=upstream.connect_timeout_s,
        first_byte_timeout_s=upstream.first_byte_timeout_s,
        idle_timeout_s=upstream.idle_timeout_s,
        ca_bundle=_ca_bundle(upstream.ca_file, data),
    )


def _ca_bundle(extra: Path | None, data: Path) -> Path:
    """The public authorities, and the operator's own beside them; mitmproxy takes one file."""
    public = Path(certifi.where())
    if extra is None:
        return public
    bundle = data / "run" / "upstream-authorities.pem"
    text = f"{public.read_text()}\n{extra.read_text()}"
    if not bundle.exists() or bundle.read_text() != text:
        partial = bundle.with_suffix(f".{id(text)}")
        partial.write_text(text)
        partial.replace(bundle)
    return bundle


def _pair(text: str) -> tuple[str, int]:
    address = parse_address(text)
    return address.host, address.port


@dataclass(frozen=True, slots=True)
class Shared:
    """What the workers share through Valkey."""

    limiter: Limiter
    marks: AccountMarks


def engine(
    configuration: Configuration,
    *,
    snapshots: Snapshots,
    vault: Vault,
    shared: Shared,
    spool: Spool,
    workers: int = 1,
) -> Engine:
    """The data plane, not yet started. Call it inside the running event loop.

    ``workers`` is how many of these share what a tenant lets pass while the limiter is away.
    """
    reservations = Reservations(shared.limiter, workers=workers)
    connections = Connections()
    step_tokens = configuration.output_step_tokens
    identity = configuration.identity
    key_sets = KeySets(identity.issuers, configuration.upstreams.ca_bundle)
    tokens = IdentityTokens(identity.issuers, key_sets)
    revocations = CertificateRevocations(identity.client_crl_file, spool)
    health = CredentialHealth(spool, snapshots)
    exchange = TokenExchange(token_client(configuration.upstreams))
    forgetting = Forgetting(vault, exchange, snapshots)
    shared_marks = SharedMarks(vault, shared.marks)
    made: dict[type[Step], Step] = {
        Interception: Interception(configuration, connections, snapshots),
        Attribution: Attribution(
            vault,
            connections,
            snapshots,
            configuration=configuration,
            tokens=tokens,
            revocations=revocations,
        ),
        Discovery: Discovery(configuration, connections),
        Coaching: Coaching(vault),
        Inspection: Inspection(configuration.bounds),
        Admission: Admission(reservations, output_step_tokens=step_tokens, sufficiency=identity.sufficiency),
        Accounts: Accounts(configuration.restrictions, spool, shared_marks),
        Credentials: Credentials(vault, exchange, health),
        CredentialHealth: health,
        Metering: Metering(
            reservations, snapshots, output_step_tokens=step_tokens, cut_revoked=configuration.cut_revoked
        ),
        Redaction: Redaction(),
        Content: Content(vault, spool),
        Record: Record(spool),
        Settlement: Settlement(reservations, spool),
        Measurement: Measurement(),
    }
    deadlines = Deadlines(configuration)
    around = _around(configuration, connections, snapshots, deadlines, spool)
    chain = Chain([made[kind] for kind in STEPS], bounds=configuration.bounds, around=around)
    open_calls = _open_calls(configuration, connections, snapshots, deadlines)
    background = [key_sets.run, revocations.run, open_calls.run, forgetting.run, shared_marks.run]
    return Engine(configuration, chain, background=background)


def _open_calls(
    configuration: Configuration, connections: Connections, snapshots: Snapshots, deadlines: Deadlines
) -> OpenCalls:
    bounds = configuration.bounds
    looks = [
        SessionWatch(connections, snapshots, deadlines, bounds).look,
        SlowBodies(deadlines, bounds).look,
    ]
    if configuration.cut_revoked:
        looks.append(Rejudgement(snapshots, deadlines).look)
    return OpenCalls(connections, looks, TunnelWatch(configuration, snapshots, deadlines).look)


def _around(
    configuration: Configuration,
    connections: Connections,
    snapshots: Snapshots,
    deadlines: Deadlines,
    spool: Spool,
) -> Surroundings:
    listeners = configuration.listeners
    own_ports = frozenset({listeners.proxy[1], listeners.gateway[1], listeners.transparent[1]})
    return Surroundings(
        connections=connections,
        deadlines=deadlines,
        dialling=Dialling(configuration.upstreams, connections, own_ports),
        snapshots=snapshots,
        tunnels=Tunnels(spool),
        turned_away=TurnedAway(spool),
    )

"""What an operator decides: one frozen model, read from a YAML file and the environment.

It opens no connection and reads no secret beyond what a setting names. Each section is a model of its own,
so that a part of the program is given its section's values and no more. ``docs/configuration.md`` is made
from the descriptions here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from conduit.addresses import Address, HostName, ListenAddress, NetworkText, Origin, Resolution
from conduit.alert_settings import Alerts
from conduit.errors import ConfigurationError
from conduit.identity_settings import Identity
from conduit.section import Section
from policy.exchange import EndpointState
from policy.used_elsewhere import Tolerance

PREFIX = "CONDUIT_"
# Read by the program itself before there are settings; everything else under the prefix must be a setting.
PROGRAM_VARIABLES = frozenset({"CONDUIT_DATA", "CONDUIT_CONFIG"})
TEST_PREFIX = "CONDUIT_TEST_"

KIB = 1024
MIB = 1024 * KIB


class Listen(Section):
    """Where the doors are, each as ``host:port`` (IPv6 in brackets)."""

    proxy: ListenAddress = Field(Address("127.0.0.1:8080"), description="Explicit HTTP proxy.")
    gateway: ListenAddress = Field(
        Address("127.0.0.1:8081"), description="Base-URL mode: `/{provider}/<path>`."
    )
    transparent: ListenAddress = Field(
        Address("127.0.0.1:8082"), description="Connections redirected by the firewall."
    )
    console: ListenAddress = Field(
        Address("127.0.0.1:8090"), description="Console, REST API, health and metrics."
    )


class Connection(Section):
    """Where a database server is. Unset means the embedded one."""

    url: str | None = Field(
        None, repr=False, description="Its URL. Unset, with `url_file` unset too: the embedded server."
    )
    url_file: Path | None = Field(
        None, description="A file that holds the URL, so that a password need not stand in the environment."
    )

    def resolved(self) -> str | None:
        """The URL from ``url`` or ``url_file``; ``None`` where the embedded server is meant.

        Raises ``ConfigurationError`` where both are set, or the file cannot be read or is empty.
        """
        if self.url_file is None:
            return self.url
        if self.url is not None:
            raise ConfigurationError("set either url or url_file of a database, not both")
        try:
            text = self.url_file.read_text().strip()
        except OSError as error:
            raise ConfigurationError(f"{self.url_file} cannot be read: {error.strerror}") from error
        if not text:
            raise ConfigurationError(f"{self.url_file} is empty; it should hold a database URL")
        return text


class Database(Connection):
    """PostgreSQL, and what may stand before it."""

    pooler: ListenAddress | None = Field(
        None,
        description="`host:port` of a transaction pooler (PgBouncer) before that server. Transactions "
        "go through it; migrations, notifications and backups go to the server itself.",
    )

    @model_validator(mode="after")
    def _before_a_server(self) -> Self:
        if self.pooler is not None and self.url is None and self.url_file is None:
            raise ValueError("a pooler stands before a server: set url or url_file too")
        return self


class Upstream(Section):
    """How providers are reached."""

    resolve: dict[Resolution, Resolution] = Field(
        {},
        description="`host:port` to `ip:port`, as curl's `--resolve`; the TLS name stays the host's.",
    )
    ca_file: Path | None = Field(
        None, description="PEM file of certificate authorities trusted besides the public ones."
    )
    connect_timeout_s: PositiveFloat = Field(
        10, description="For the TCP and TLS handshake; providers answer within one second."
    )
    first_byte_timeout_s: PositiveFloat = Field(
        600, description="From the request's end to the answer's first byte; the SDKs wait as long."
    )
    idle_timeout_s: PositiveFloat = Field(
        300, description="Longest silence within an answer; a thinking model may pause for minutes."
    )
    allowed_networks: tuple[NetworkText, ...] = Field(
        (),
        description="Private networks that a provider's name may resolve to. Others are refused, so that a "
        "name under foreign control cannot lead into the organisation. Targets of `resolve` are allowed.",
    )


class Provider(Section):
    """A provider reached at another place than its public one."""

    upstream: Origin = Field(
        description="Origin that replaces the provider's own, such as `https://llm.example:8443`."
    )


class Discovery(Section):
    """How AI endpoints outside the catalogue are looked for."""

    decrypt_unknown: bool = Field(
        False,
        description="Look inside TLS to hosts outside the catalogue, where a tenant has not said otherwise "
        "(`conduit tenant set --decrypt-unknown`). Plain HTTP is always looked at.",
    )
    nameless_tls: Literal["refuse", "tunnel"] = Field(
        "refuse",
        description="TLS that names no host (no SNI, to an address): nobody can tell where it goes.",
    )
    doh_resolvers: tuple[HostName, ...] = Field(
        (
            *("dns.google", "dns64.dns.google", "cloudflare-dns.com", "mozilla.cloudflare-dns.com"),
            *("chrome.cloudflare-dns.com", "one.one.one.one", "dns.quad9.net", "doh.opendns.com"),
            *("dns.nextdns.io", "dns.adguard-dns.com"),
        ),
        description="Resolvers over HTTPS that are refused, so that clients ask the network's own.",
    )
    ech_fronts: tuple[HostName, ...] = Field(
        ("cloudflare-ech.com",),
        description="Names in the clear of Encrypted Client Hello, refused where it is used.",
    )
    exclusions: tuple[HostName, ...] = Field(
        (),
        description="Hosts outside the catalogue that are never decrypted, besides those that ship; "
        "`*.bank.example` covers subdomains.",
    )
    shipped_exclusions: bool = Field(
        True,
        description="Never decrypt what `config/never_decrypted.csv` names: banking, health, insurance, law, "
        "government.",
    )


PublicKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}$")]


class Catalogue(Section):
    """Updates of the catalogue of AI endpoints, loaded at run time."""

    public_keys: tuple[PublicKey, ...] = Field(
        (),
        description="Ed25519 keys (`name+id+base64`, as `conduit catalogue keygen` prints) of those whose "
        "signed catalogues may be loaded. None: only the shipped one serves.",
    )


class Endpoints(Section):
    """The state of an AI endpoint that no administrator has decided on."""

    default_catalogued: EndpointState = Field(
        EndpointState.BLOCKED, description="Of a catalogued endpoint whose key the tenant does not hold."
    )
    default_unknown: EndpointState = Field(
        EndpointState.MONITORED, description="Of an endpoint that only evidence gives away."
    )


class Limits(Section):
    """Bounds on what a client may send, and on what one client may hold."""

    output_step_tokens: PositiveInt = Field(
        1024, description="Held at a time for an answer whose request sets no output ceiling."
    )
    body_bytes_max: PositiveInt = Field(
        64 * MIB, description="Request body. Anthropic takes 32 MB, OpenAI 50 MB of images in one request."
    )
    held_bytes_max: PositiveInt = Field(
        1024 * MIB,
        description="Of all request bodies that one worker holds at a time; beyond, calls are refused as "
        "`degraded`. Several times `body_bytes_max`.",
    )
    message_bytes_max: PositiveInt = Field(
        16 * MIB, description="One message of a WebSocket, from either side. OpenAI takes 15 MB of sound."
    )
    session_idle_timeout_s: PositiveFloat = Field(
        900,
        description="Longest time in which nobody says anything in a WebSocket session; pings are not it.",
    )
    head_bytes_max: PositiveInt = Field(
        32 * KIB, description="Request line and headers. Node takes 16 KiB, nginx 8 KiB a line."
    )
    header_count_max: PositiveInt = Field(128, description="Header lines. Apache's limit is 100.")
    head_timeout_s: PositiveFloat = Field(
        10,
        description="From a connection's begin to its first whole request head, and from the first byte of "
        "a later head to its last, against slow senders.",
    )
    body_timeout_s: PositiveFloat = Field(
        20,
        description="How long a request body may take, and a second more for each "
        "`body_bytes_per_second_min` that have come. Apache's mod_reqtimeout waits as long.",
    )
    body_bytes_per_second_min: PositiveInt = Field(
        4 * KIB,
        description="A body that comes more slowly than this in the long run is refused. 60 MB may so take "
        "four hours, a byte now and then 20 seconds.",
    )
    idle_timeout_s: PositiveFloat = Field(
        75, description="How long a connection without a call is kept for the next. nginx keeps it as long."
    )
    connections_max: PositiveInt = Field(10_000, description="Open client connections, each worker.")
    connections_per_address_max: PositiveInt = Field(
        1_000, description="Open connections of one source address, each worker; an office may share one."
    )


class KeyEncryptionKey(Section):
    """Where the key is that wraps every tenant's data key."""

    source: Literal["file", "environment", "aws_kms", "transit", "pkcs11"] = Field(
        "file",
        description="`file`: made on first start, mode 0600. `environment`: a key file's content. `aws_kms`, "
        "`transit` (HashiCorp Vault, OpenBao) and `pkcs11` (an HSM): a key that never leaves its keeper.",
    )
    path: Path | None = Field(
        None,
        description="Of the key file; unset: `vault/kek` in the data folder. With a remote key, of the index "
        "key that it wraps, the same on every machine; unset: `vault/index`.",
    )
    variable: str = Field("CONDUIT_KEK", description="Name of the variable, for `environment`.")
    key: str | None = Field(
        None,
        description="Of a remote source: the ARN in KMS, the key's name in transit, its label in the HSM.",
    )
    region: str | None = Field(None, description="Of `aws_kms`; unset: as the machine is set up.")
    endpoint: str | None = Field(None, description="URL of `transit`, or of another KMS than the region's.")
    mount: str = Field("transit", description="Where the transit engine is mounted.")
    ca_file: Path | None = Field(None, description="PEM file of the authority that `transit` is trusted by.")
    module: Path | None = Field(None, description="The vendor's PKCS#11 library.")
    token: str | None = Field(None, description="Label of the PKCS#11 token.")
    secret_file: Path | None = Field(
        None, description="File with the token of `transit`, or the PIN of `pkcs11`."
    )


class Vault(Section):
    """The vault of provider credentials."""

    kek: KeyEncryptionKey = Field(KeyEncryptionKey(), description="The key-encryption key.")
    allow_tracer: bool = Field(
        False, description="Start under a debugger too, although it could read every key in memory."
    )


class UsageCheck(Section):
    """How metered usage is compared with the providers' reports. See [credentials](credentials.md)."""

    interval_s: PositiveFloat = Field(3600, description="How often it is compared.")
    days: Annotated[int, Field(ge=1, le=31)] = Field(
        3, description="How many whole days (UTC), the last ones."
    )
    delay_s: Annotated[float, Field(ge=0)] = Field(
        21_600, description="How long after its end a day is compared: providers count late."
    )
    tolerance_tokens: Annotated[int, Field(ge=0)] = Field(
        20_000, description="Tokens a day and key that may differ, or `tolerance_percent` if that is more."
    )
    tolerance_percent: Annotated[int, Field(ge=0, le=100)] = Field(
        3, description="Share of a day's tokens that may differ."
    )
    timeout_s: PositiveFloat = Field(60, description="How long a provider may take for its report.")

    @property
    def tolerance(self) -> Tolerance:
        return Tolerance(self.tolerance_tokens, self.tolerance_percent)


class Console(Section):
    """The console, seen from its users' browsers."""

    origin: Origin | None = Field(
        None,
        description="Where browsers reach it, such as `https://conduit.example`, when a proxy that ends TLS "
        "stands in front. With `https` cookies are for TLS alone.",
    )
    proxy: Address | None = Field(
        None,
        description="The explicit proxy as clients reach it, such as `proxy.example:8080`, for the PAC file "
        "that `/proxy.pac` and `/wpad.dat` give; unset: `listen.proxy`.",
    )


class Snapshot(Section):
    """The policy that each worker holds in memory."""

    max_age_s: PositiveFloat = Field(
        60, description="Oldest policy that decides; beyond it (database lost) calls are refused `degraded`."
    )
    cut_revoked: bool = Field(
        True, description="End an answer under way when its placeholder, user or tenant is revoked."
    )


class WitnessBucket(Section):
    """An S3 bucket with object lock that keeps checkpoints; needs the extra `aws`."""

    bucket: str | None = Field(None, description="Its name; it was made with object lock.")
    prefix: str = Field("checkpoints", pattern=r"^[A-Za-z0-9._/-]+$", description="Before each object's key.")
    region: str | None = Field(None, description="Unset: as the machine is set up.")
    endpoint: Origin | None = Field(None, description="Of another service that speaks S3.")
    retain_days: PositiveInt = Field(3650, description="How long each object is locked (compliance mode).")
    interval_s: NonNegativeFloat = Field(60, description="Least time between two rounds of objects.")


class WitnessTimestamps(Section):
    """A time-stamping authority (RFC 3161) that signs checkpoints; needs the extra `timestamps`."""

    url: Annotated[str, Field(pattern=r"^https?://")] | None = Field(None, description="Where it is asked.")
    ca_file: Path | None = Field(None, description="PEM file of the authority's root; needed with `url`.")
    folder: Path | None = Field(
        None,
        description="Keeps checkpoints and tokens; unset: `audit/timestamps` in the data folder.",
    )
    interval_s: NonNegativeFloat = Field(3600, description="Least time between two rounds of time stamps.")

    @model_validator(mode="after")
    def _is_whole(self) -> "WitnessTimestamps":
        if (self.url is None) != (self.ca_file is None):
            raise ValueError("url and ca_file are set together")
        return self


class Audit(Section):
    """The record that nobody can edit: its signed checkpoints, and who keeps them outside."""

    checkpoint_interval_s: PositiveFloat = Field(
        10, description="How often a record that has grown gets a signed checkpoint."
    )
    retention_days_min: NonNegativeInt = Field(
        1, description="Shortest period after which a tenant may have its events deleted, in days."
    )
    witness_folder: Path | None = Field(
        None,
        description="Folder outside this machine's reach (a mounted write-once bucket, another machine's "
        "share) that gets every checkpoint as a file.",
    )
    witness_webhook: Annotated[str, Field(pattern=r"^https?://")] | None = Field(
        None, description="URL that every checkpoint is posted to; any 2xx answer means that it is kept."
    )
    witness_bucket: WitnessBucket = Field(WitnessBucket(), description="A bucket with object lock.")
    witness_timestamps: WitnessTimestamps = Field(
        WitnessTimestamps(), description="A time-stamping authority."
    )


class Logging(Section):
    """Logs for people, on standard error. What machines read is the audit record."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level written.")
    json_lines: bool = Field(False, description="One JSON object a line instead of text.")


class Settings(Section):
    """All settings. Constructing it reads nothing but its arguments; ``load`` reads file and environment."""

    listen: Listen = Field(Listen(), description="Where the doors are.")
    database: Database = Field(Database(), description="PostgreSQL 15 or newer.")
    redis: Connection = Field(Connection(), description="Valkey 8 or Redis 7, or newer.")
    upstream: Upstream = Field(Upstream(), description="How providers are reached.")
    providers: dict[str, Provider] = Field({}, description="Providers reached at another place, by id.")
    identity: Identity = Field(Identity(), description="What says who is calling.")
    discovery: Discovery = Field(Discovery(), description="How unknown AI endpoints are looked for.")
    catalogue: Catalogue = Field(Catalogue(), description="Updates of the catalogue of AI endpoints.")
    endpoints: Endpoints = Field(Endpoints(), description="States of endpoints that nobody decided on.")
    limits: Limits = Field(Limits(), description="Bounds on what a client may send.")
    vault: Vault = Field(Vault(), description="The vault of provider credentials.")
    usage_check: UsageCheck = Field(UsageCheck(), description="Keys that are used outside the gateway.")
    snapshot: Snapshot = Field(Snapshot(), description="The policy that workers hold.")
    console: Console = Field(Console(), description="The console, seen from browsers.")
    audit: Audit = Field(Audit(), description="The record and its checkpoints.")
    alerts: Alerts = Field(Alerts(), description="Whom incidents are told to.")
    logging: Logging = Field(Logging(), description="Logs for people.")
    workers: Annotated[int, Field(ge=1, le=256)] | None = Field(
        None, description="Gateway processes, at most 256; unset: one for each core."
    )
    drain_s: Annotated[float, Field(ge=0)] = Field(
        60, description="How long calls in flight may go on after SIGTERM before they are cut and settled."
    )
    step_timeout_s: PositiveFloat = Field(
        2, description="Longest time that one step of the chain may take; then the call is refused."
    )


class _FromEnvironment(BaseSettings, Settings):
    """As ``Settings``, with the environment winning over the arguments (which come from the file)."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(  # type: ignore[override]  # pydantic-settings calls it by keyword
        cls, _settings_cls: type[BaseSettings], **sources: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (sources["env_settings"], sources["init_settings"])


def load(config: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read ``config`` (``None``: no file) and let ``CONDUIT_…`` variables win over it.

    ``environment`` is the process's own; it is only searched for unknown names, values come from
    ``os.environ``. Raises ``ConfigurationError`` with file, key and what is allowed, never with a value.
    """
    document = {} if config is None else _read(config)
    origin = "the environment" if config is None else f"{config} or the environment"
    try:
        values = _FromEnvironment(**document)
        _refuse_unknown_variables(environment, values.vault.kek.variable)
        return Settings.model_validate(values.model_dump())
    except ValidationError as error:
        raise ConfigurationError(f"{origin}: {_problems(error)}") from None
    except SettingsError as error:
        raise ConfigurationError(f"{origin}: {error}; lists and mappings are written as JSON") from None


def _read(config: Path) -> dict[str, Any]:
    try:
        document = YAML(typ="safe", pure=True).load(config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{config} cannot be read: {error}") from error
    except MarkedYAMLError as error:
        place = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise ConfigurationError(f"{config}{place}: {str(error.problem).splitlines()[0]}") from None
    except YAMLError as error:
        raise ConfigurationError(f"{config} is not YAML") from error
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise ConfigurationError(f"{config} should be a mapping of settings")
    return document


def _problems(error: ValidationError) -> str:
    """Every problem as ``key: what is wrong``, without the values, which may be passwords."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'])}: "
        + ("no such setting" if problem["type"] == "extra_forbidden" else problem["msg"])
        for problem in error.errors(include_input=False, include_url=False)
    )


def _refuse_unknown_variables(environment: Mapping[str, str], kek_variable: str) -> None:
    """pydantic-settings ignores an unknown top-level variable in silence; a typing error must not."""
    for name in sorted(environment):
        if not name.upper().startswith(PREFIX) or name.upper().startswith(TEST_PREFIX):
            continue
        if name in PROGRAM_VARIABLES or name == kek_variable:
            continue
        first, *_ = name.upper().removeprefix(PREFIX).lower().split("__")
        if first not in Settings.model_fields:
            raise ConfigurationError(f"the environment variable {name} is not a setting of this program")

"""The settings of whom incidents are told to; ``docs/alerts.md`` explains them with examples."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from conduit.addresses import LOOPBACK, ListenAddress, SecureUrl
from conduit.errors import ConfigurationError
from conduit.section import Section
from policy.incident import Severity

Text = Annotated[str, Field(min_length=1, max_length=1000)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")]


def _mailbox(text: str) -> str:
    if text.count("@") != 1 or not text.isprintable() or any(character in text for character in ' <>,;"'):
        raise ValueError("should be a bare mail address, such as security@corp.example")
    return text


Mailbox = Annotated[str, Field(max_length=254), AfterValidator(_mailbox)]


class Destination(Section):
    """What all destinations have: a ``name``, which incidents they want, and how many a minute at most."""

    name: Name
    severity: Severity = Severity.WARNING
    tenant: Text | None = None
    rate_per_minute: PositiveInt = 30


class Webhook(Destination):
    """A URL that takes signed POSTs. URL and secret, since both may be secret, stand here or in a file."""

    url: SecureUrl | None = Field(None, repr=False)
    url_file: Path | None = None
    secret: str | None = Field(None, repr=False)
    secret_file: Path | None = None
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        _exactly_one(url=self.url, url_file=self.url_file)
        _exactly_one(secret=self.secret, secret_file=self.secret_file)
        return self


class Syslog(Destination):
    """A syslog receiver. ``facility`` 13 is "log audit" (RFC 5424 section 6.2.1)."""

    address: ListenAddress
    transport: Literal["udp", "tcp", "tls"] = "tls"
    facility: Annotated[int, Field(ge=0, le=23)] = 13
    ca_file: Path | None = None


class Mail(Destination):
    """A mail server, spoken to with TLS from the start or after STARTTLS; ``none`` is for loopback."""

    server: ListenAddress
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: Mailbox
    recipients: Annotated[tuple[Mailbox, ...], Field(min_length=1, max_length=50)]
    username: Text | None = None
    password: str | None = Field(None, repr=False)
    password_file: Path | None = None
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.username is not None:
            _exactly_one(password=self.password, password_file=self.password_file)
        if self.security == "none" and self.server.host not in LOOPBACK:
            raise ValueError("without TLS mail is sent to this machine alone")
        if self.security == "none" and self.username is not None:
            raise ValueError("a password is sent with TLS only")
        return self


class Alerts(Section):
    """Whom incidents are told to. See [alerts](alerts.md)."""

    repeat_window_s: Annotated[int, Field(ge=1, le=86_400)] = Field(
        600,
        description="The same incident is told once in this time, and at its end how often it came again.",
    )
    webhooks: tuple[Webhook, ...] = Field(
        (),
        description="URLs that take signed POSTs: `name`, `url` or `url_file`, `secret` or `secret_file`, "
        "`ca_file`; and, as all destinations, `severity`, `tenant`, `rate_per_minute`.",
    )
    syslog: tuple[Syslog, ...] = Field(
        (),
        description="Syslog receivers (RFC 5424): `name`, `address`, `transport` (`udp`, `tcp`, `tls`), "
        "`facility`, `ca_file`.",
    )
    mail: tuple[Mail, ...] = Field(
        (),
        description="Mail servers (SMTP): `name`, `server`, `security` (`starttls`, `tls`, `none`), "
        "`sender`, `recipients`, `username`, `password` or `password_file`, `ca_file`.",
    )

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """All of them."""
        return (*self.webhooks, *self.syslog, *self.mail)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [destination.name for destination in self.destinations]
        if len(set(names)) != len(names):
            raise ValueError("each destination should have a name of its own")
        return self


def secret_text(value: str | None, file: Path | None) -> str:
    """A secret from the setting itself or its file, read anew each time so that it can be rotated.

    Raises ``ConfigurationError``, without the file's content.
    """
    if value is not None:
        return value
    if file is None:
        raise ConfigurationError("there is no secret")
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {type(error).__name__}") from error


def _exactly_one(**given: object) -> None:
    present: Iterator[str] = (name for name, value in given.items() if value is not None)
    if len(list(present)) != 1:
        raise ValueError(f"should have exactly one of {', '.join(given)}")

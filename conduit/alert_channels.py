"""The ways by which an alert leaves: a signed webhook, syslog, mail. Each call is one attempt of one message.

Nothing here retries. What is raised or returned says what came back and never names a URL, a secret or an
address, since those may be secret themselves.
"""

import asyncio
import contextlib
import json
import smtplib
import socket
import ssl
import time
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

import httpx
from pydantic import TypeAdapter, ValidationError

from conduit.addresses import SecureUrl
from conduit.alert_settings import Mail, Syslog, Webhook, secret_text
from conduit.errors import ConduitError, ConfigurationError
from policy import syslog
from policy.alert import Alert, document, lines, sentence
from policy.standard_webhooks import parse_secrets, signed_headers

ATTEMPT_TIMEOUT_S = 15.0
SMTP_TIMEOUT_S = 10.0
# A receiver that reads to the end closes its side then; one that does not is not waited for longer.
CLOSE_TIMEOUT_S = 2.0


class DeliveryFailed(ConduitError):
    """A destination did not take an alert; the text says what came back, in a few words."""


class Channel(Protocol):
    """One destination's way out."""

    async def deliver(self, alert: Alert) -> str:
        """Try once, and say what the receiver answered; raises ``DeliveryFailed``."""


def channel_of(destination: object) -> Channel:
    """The channel of a destination's settings."""
    if isinstance(destination, Webhook):
        return WebhookChannel(destination)
    if isinstance(destination, Syslog):
        return SyslogChannel(destination)
    if isinstance(destination, Mail):
        return MailChannel(destination)
    raise ConfigurationError("no such kind of destination")


class WebhookChannel:
    """POSTs JSON, signed as standardwebhooks.com says. No redirect is followed; any 2xx has taken it."""

    def __init__(self, settings: Webhook) -> None:
        self._settings = settings

    async def deliver(self, alert: Alert) -> str:
        settings = self._settings
        body = json.dumps(document(alert)).encode()
        try:
            keys = parse_secrets(await asyncio.to_thread(secret_text, settings.secret, settings.secret_file))
            url = _URL.validate_python(await asyncio.to_thread(secret_text, settings.url, settings.url_file))
            context = await asyncio.to_thread(_tls, settings.ca_file)
        except ValidationError:
            raise DeliveryFailed("url_file holds no https URL") from None
        except (ValueError, ConfigurationError) as problem:
            raise DeliveryFailed(str(problem)) from None
        headers = signed_headers(keys, identity=alert.id, at=int(time.time()), body=body)
        status = await _posted(url, body, headers | {"content-type": "application/json"}, context)
        if not 200 <= status < 300:
            raise DeliveryFailed(f"HTTP {status}")
        return f"HTTP {status}"


_URL: TypeAdapter[str] = TypeAdapter(SecureUrl)


async def _posted(url: str, body: bytes, headers: dict[str, str], context: ssl.SSLContext) -> int:
    """The answer's status. Its body is not read: nothing in it could matter."""
    try:
        async with (
            asyncio.timeout(ATTEMPT_TIMEOUT_S),
            httpx.AsyncClient(verify=context, trust_env=False, follow_redirects=False) as client,
            client.stream("POST", url, content=body, headers=headers) as answer,
        ):
            return answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise DeliveryFailed(_named(error)) from None


class SyslogChannel:
    """Sends RFC 5424 messages: over UDP (RFC 5426) nobody says whether they arrive, over TCP and TLS
    (RFC 6587, RFC 5425, octet counting) the receiver's close says so.
    """

    def __init__(self, settings: Syslog) -> None:
        self._settings = settings

    async def deliver(self, alert: Alert) -> str:
        packet = syslog.message(alert, facility=self._settings.facility, host=socket.gethostname())
        try:
            async with asyncio.timeout(ATTEMPT_TIMEOUT_S):
                if self._settings.transport == "udp":
                    return await self._datagram(packet)
                return await self._stream(syslog.counted(packet))
        except OSError as error:
            raise DeliveryFailed(_named(error)) from None

    async def _datagram(self, packet: bytes) -> str:
        address = self._settings.address
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=(address.host, address.port)
        )
        transport.sendto(packet)
        transport.close()
        return "sent; UDP has no answer"

    async def _stream(self, framed: bytes) -> str:
        address, tls = self._settings.address, self._settings.transport == "tls"
        context = await asyncio.to_thread(_tls, self._settings.ca_file) if tls else None
        reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
        try:
            writer.write(framed)
            await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), CLOSE_TIMEOUT_S)
        finally:
            writer.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), CLOSE_TIMEOUT_S)
        return "taken"


class MailChannel:
    """Sends one mail to all recipients; the server's acceptance for one of them is the answer."""

    def __init__(self, settings: Mail) -> None:
        self._settings = settings

    async def deliver(self, alert: Alert) -> str:
        try:
            return await asyncio.to_thread(self._send, self._mail(alert))
        except smtplib.SMTPResponseException as error:
            raise DeliveryFailed(f"SMTP {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise DeliveryFailed(_named(error)) from None
        except ConfigurationError as problem:
            raise DeliveryFailed(str(problem)) from None

    def _mail(self, alert: Alert) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._settings.sender
        mail["To"] = ", ".join(self._settings.recipients)
        mail["Subject"] = f"[APIConduit] {sentence(alert)}"
        mail["Date"] = datetime.fromisoformat(str(alert.event["at"]))
        mail["Message-ID"] = f"<{alert.id}@{self._settings.sender.partition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence note comes back
        mail.set_content(lines(alert))
        return mail

    def _send(self, mail: EmailMessage) -> str:
        settings = self._settings
        with self._connected() as server:
            if settings.username is not None:
                server.login(settings.username, secret_text(settings.password, settings.password_file))
            refused = server.send_message(mail)
        return f"accepted for {len(settings.recipients) - len(refused)} of {len(settings.recipients)}"

    def _connected(self) -> smtplib.SMTP:
        host, port, security = self._settings.server.host, self._settings.server.port, self._settings.security
        name = socket.gethostname()
        if security == "tls":
            context = _tls(self._settings.ca_file)
            return smtplib.SMTP_SSL(host, port, name, timeout=SMTP_TIMEOUT_S, context=context)
        server = smtplib.SMTP(host, port, name, timeout=SMTP_TIMEOUT_S)
        if security == "starttls":
            try:
                server.starttls(context=_tls(self._settings.ca_file))
            except BaseException:
                server.close()
                raise
        return server


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    """Trust in the public authorities, and in those of a file besides."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _named(error: Exception) -> str:
    """The kind of a failure in words; texts of libraries may hold a URL."""
    known: BaseException | None = error
    while known is not None:
        if isinstance(known, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {known.verify_message}"
        if isinstance(known, TimeoutError | httpx.TimeoutException):
            return "it did not answer in time"
        if isinstance(known, ConnectionRefusedError):
            return "it refused the connection"
        known = known.__cause__ or known.__context__
    return f"it could not be reached: {type(error).__name__}"

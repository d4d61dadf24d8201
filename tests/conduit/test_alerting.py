"""Incidents reach real receivers on loopback, signed and once; one that is away or slow holds up no other."""

import asyncio
import base64
import email
import email.policy
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from loguru import logger
from prometheus_client import REGISTRY

from conduit.alert_channels import DeliveryFailed, channel_of
from conduit.alert_settings import Mail, Syslog, Webhook
from conduit.alerting import Dispatcher, retry_s, send_test
from policy.identifiers import TenantId
from policy.incident import Severity, incident
from store import chain, tenants
from store.claim import Purpose
from store.door import Store
from tests.standins import receivers
from tests.standins.authority import Authority

KEY = b"k" * 32
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def webhook(url: str, **more: Any) -> Webhook:
    return Webhook(name=f"d{uuid4().hex}", url=url, secret=SECRET, **more)


async def test_a_webhook_is_signed_over_what_it_holds() -> None:
    async with receivers.web() as receiver:
        assert await send_test(channel_of(webhook(f"http://{receiver.address}/in")), "msg-1") == "HTTP 204"
    head, _, body = receiver.received[0].partition(b"\r\n\r\n")
    headers = {
        name.lower(): value
        for name, _, value in (line.partition(": ") for line in head.decode().split("\r\n"))
    }
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-id"] == "msg-1"
    assert abs(int(headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 60
    assert json.loads(body)["type"] == "incident.alert.test"


async def test_a_webhook_over_tls_wants_a_trusted_certificate(authority: Authority) -> None:
    async with receivers.web(tls=authority.context("127.0.0.1")) as receiver:
        url = f"https://{receiver.address}/in"
        assert await send_test(channel_of(webhook(url, ca_file=authority.ca_file)), "m") == "HTTP 204"
        with pytest.raises(DeliveryFailed, match="not trusted"):
            await send_test(channel_of(webhook(url)), "m")
    assert len(receiver.received) == 1


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect", "500 Oops", "404 Not Found"])
async def test_anything_but_2xx_is_a_failure_and_no_redirect_is_followed(status: str) -> None:
    async with receivers.web() as elsewhere:
        answer = f"HTTP/1.1 {status}\r\nlocation: http://{elsewhere.address}/\r\ncontent-length: 0\r\n\r\n"
        async with receivers.web(answer.encode()) as receiver:
            with pytest.raises(DeliveryFailed, match=f"HTTP {status[:3]}"):
                await send_test(channel_of(webhook(f"http://{receiver.address}/in")), "m")
        assert elsewhere.received == []


async def test_secrets_and_addresses_are_read_from_files_at_each_attempt(tmp_path: Path) -> None:
    secret, url = tmp_path / "secret", tmp_path / "url"
    channel = channel_of(Webhook(name="from-files", url_file=url, secret_file=secret))
    with pytest.raises(DeliveryFailed, match="cannot be read"):
        await send_test(channel, "m")
    secret.write_text(f"{SECRET}\n")
    url.write_text("http://gateway.example/hook?token=sesame\n")
    with pytest.raises(DeliveryFailed, match="no https URL") as refused:
        await send_test(channel, "m")
    assert "sesame" not in str(refused.value)
    async with receivers.web() as receiver:
        url.write_text(f"http://{receiver.address}/\n")
        assert await send_test(channel, "m") == "HTTP 204"


async def test_syslog_over_udp_tcp_and_tls(authority: Authority) -> None:
    async with (
        receivers.syslog_datagrams() as udp,
        receivers.syslog_stream() as tcp,
        receivers.syslog_stream(tls=authority.context("127.0.0.1")) as tls,
    ):
        for receiver, transport in ((udp, "udp"), (tcp, "tcp"), (tls, "tls")):
            document = {"name": "s", "address": receiver.address, "transport": transport}
            channel = channel_of(Syslog.model_validate(document | {"ca_file": authority.ca_file}))
            await send_test(channel, "m")
            await receiver.arrived.wait()
            assert receiver.received[0].startswith(b"<109>1 ")
            assert json.loads(receiver.received[0].partition(b" - {")[2].join((b"{", b"")))
        untrusting = Syslog.model_validate({"name": "s", "address": tls.address, "transport": "tls"})
        with pytest.raises(DeliveryFailed, match="not trusted"):
            await send_test(channel_of(untrusting), "m")


def mail_settings(receiver: receivers.Receiver, authority: Authority, **more: Any) -> Mail:
    document = {
        "name": "m",
        "server": receiver.address,
        "sender": "conduit@corp.example",
        "recipients": ["soc@corp.example", "it@corp.example"],
        "username": "conduit",
        "password": "sesame",
        "ca_file": authority.ca_file,
    }
    return Mail.model_validate(document | more)


async def test_mail_goes_after_starttls_and_a_sign_in(authority: Authority) -> None:
    async with receivers.mail(authority.context("127.0.0.1"), b"sesame") as receiver:
        assert await send_test(channel_of(mail_settings(receiver, authority)), "m-1") == "accepted for 2 of 2"
        got = email.message_from_bytes(receiver.received[0], policy=email.policy.default)
        assert got["Subject"] == "[APIConduit] notice: alert.test of platform"
        assert got["Message-ID"] == "<m-1@corp.example>"
        assert got["Auto-Submitted"] == "auto-generated"
        assert "nothing has happened" in got.get_content()
        with pytest.raises(DeliveryFailed, match="SMTP 535"):
            await send_test(channel_of(mail_settings(receiver, authority, password="wrong")), "m")
        with pytest.raises(DeliveryFailed, match="not trusted"):
            await send_test(channel_of(mail_settings(receiver, authority, ca_file=None)), "m")
    assert len(receiver.received) == 1


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_mail_goes_within_tls_from_the_first_byte(authority: Authority) -> None:
    async with receivers.mail(authority.context("127.0.0.1"), b"sesame", implicit=True) as receiver:
        settings = mail_settings(receiver, authority, security="tls")
        assert await send_test(channel_of(settings), "m-1") == "accepted for 2 of 2"
        with pytest.raises(DeliveryFailed, match="not trusted"):
            await send_test(channel_of(mail_settings(receiver, authority, security="tls", ca_file=None)), "m")
    assert len(receiver.received) == 1


async def test_a_mail_server_that_refuses_the_mail_is_a_failure(authority: Authority) -> None:
    tls = authority.context("127.0.0.1")
    async with receivers.mail(tls, b"sesame", refused="552 too much") as receiver:
        with pytest.raises(DeliveryFailed, match="SMTP 552"):
            await send_test(channel_of(mail_settings(receiver, authority)), "m")


@pytest.mark.parametrize(
    "build",
    [
        lambda address: webhook(f"http://{address}/"),
        lambda address: Syslog(name="s", address=address, transport="tcp"),
        lambda address: Mail(name="m", server=address, sender="a@b.example", recipients=("c@d.example",)),
    ],
    ids=["webhook", "syslog", "mail"],
)
async def test_a_receiver_that_is_away_is_a_failure(build: Callable[[str], Any]) -> None:
    async with receivers.web() as gone:
        address = gone.address
    with pytest.raises(DeliveryFailed, match="refused the connection"):
        await send_test(channel_of(build(address)), "m")


def test_waiting_grows_to_five_minutes() -> None:
    assert 0.7 < retry_s(1) <= 1
    assert 225 <= retry_s(40) <= 300


class Office:
    """A tenant whose incidents go to one destination."""

    def __init__(self, store: Store, tenant: TenantId, name: str) -> None:
        self.store, self.tenant, self.name = store, tenant, name

    async def happens(self, action: str) -> None:
        event = incident(
            action, datetime.now(UTC), severity=Severity.ALARM, whose=self.tenant, detail={"host": "a"}
        )
        async with self.store.tenant(self.tenant) as session:
            await chain.append(session, [event])

    def dispatcher(self, settings: Webhook) -> Dispatcher:
        return Dispatcher(self.store, settings, channel=channel_of(settings), window_s=600)


@pytest.fixture
async def office(store: Store) -> Office:
    name = f"tenant {uuid4()}"
    async with store.platform(Purpose.ADMINISTRATION) as session:
        tenant = await tenants.create(session, name=name, region="eu")
    return Office(store, tenant.tenant_id, name)


async def test_an_incident_of_the_record_is_told_once_across_restarts(office: Office) -> None:
    async with receivers.web() as receiver:
        settings = webhook(f"http://{receiver.address}/", tenant=office.name, rate_per_minute=60_000_000)
        await office.dispatcher(settings).turn()
        await office.happens("honeytoken.used")
        await office.happens("honeytoken.used")
        for _ in range(3):
            await office.dispatcher(settings).turn()
    assert len(receiver.received) == 1
    document = json.loads(receiver.received[0].partition(b"\r\n\r\n")[2])
    assert document["data"]["tenant"] == office.name
    assert document["data"]["repeats"] == 1


async def test_what_failed_is_told_later_and_shows_meanwhile(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conduit.alerting.retry_s", lambda failures: 0.0)
    async with receivers.web(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n") as broken:
        settings = webhook(f"http://{broken.address}/", tenant=office.name, rate_per_minute=1)
        dispatcher = office.dispatcher(settings)
        await dispatcher.turn()
        await office.happens("some.thing")
        await dispatcher.turn()
    assert failing(settings) == 1
    async with receivers.web() as mended:
        again = settings.model_copy(update={"url": f"http://{mended.address}/"})
        await office.dispatcher(again).turn()
    assert failing(settings) == 0
    assert b"some.thing" in mended.received[0]


def failing(settings: Webhook) -> float | None:
    return REGISTRY.get_sample_value("conduit_alert_destination_failing", {"destination": settings.name})


async def test_a_receiver_that_never_answers_holds_up_no_other(office: Office) -> None:
    async with receivers.web(b"") as slow, receivers.web() as quick:
        dispatchers = [
            office.dispatcher(webhook(f"http://{each.address}/", tenant=office.name))
            for each in (slow, quick)
        ]
        for dispatcher in dispatchers:
            await dispatcher.turn()
        await office.happens("some.thing")
        waiting = asyncio.create_task(dispatchers[0].turn())
        await slow.arrived.wait()
        await dispatchers[1].turn()
        assert len(quick.received) == 1
        assert not waiting.done()
        waiting.cancel()


async def test_no_more_than_the_rate_is_sent_at_once(office: Office) -> None:
    async with receivers.web() as receiver:
        dispatcher = office.dispatcher(
            webhook(f"http://{receiver.address}/", tenant=office.name, rate_per_minute=1)
        )
        await dispatcher.turn()
        for number in range(3):
            await office.happens(f"thing.number{number}")
        await dispatcher.turn()
        await dispatcher.turn()
    assert len(receiver.received) == 1


async def test_no_secret_and_no_url_reaches_the_log(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conduit.alerting.retry_s", lambda failures: 60.0)
    written: list[str] = []
    sink = logger.add(written.append, level="DEBUG", diagnose=True)
    settings = webhook("http://127.0.0.1:9/hook?token=sesame", tenant=office.name)
    dispatcher = office.dispatcher(settings)
    await dispatcher.turn()
    await office.happens("some.thing")
    await dispatcher.turn()
    logger.remove(sink)
    assert settings.name in "".join(written)
    assert not [secret for secret in ("sesame", SECRET, "127.0.0.1") if secret in "".join(written)]
    assert "sesame" not in repr(settings)
    assert SECRET not in repr(settings)

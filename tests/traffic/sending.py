"""The whole set, and how it is sent."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.standins.answers import Answer
from tests.standins.provider import Seen, StandIn
from tests.traffic import exchanges, packages, pages, programs, sdks
from tests.traffic.client import Client, Kind, Label, Station, Told

AT_ONCE = 4


def everything(*schemes: str) -> list[Client]:
    """The set; what is scripted goes over these schemes in turn. Its answers are used up by being sent."""
    return [*_live(), *exchanges.recorded(), *exchanges.scripted(*schemes)]


def not_ai(*schemes: str) -> list[Client]:
    """What of the set is no AI."""
    return [each for each in (*_live(), *exchanges.scripted(*schemes)) if each.label is Label.NOT_AI]


def _live() -> list[Client]:
    return [*sdks.clients(), *programs.clients(), *packages.clients(), *pages.clients()]


def hosts(clients: Iterable[Client]) -> set[str]:
    """Every endpoint of theirs."""
    return {host for client in clients for host in client.hosts}


def serve(provider: StandIn, clients: Iterable[Client]) -> None:
    """Have the stand-in be every host of theirs."""
    by_host: dict[str, list[Client]] = {}
    for client in clients:
        for host in client.hosts:
            by_host.setdefault(host, []).append(client)
            if client.session is not None:
                provider.sessions[host] = client.session

    def answer(seen: Seen) -> Answer | None:
        found = (client.answer(seen) for client in by_host.get(seen.host, ()))
        return next((each for each in found if each is not None), None)

    provider.special = answer


@dataclass(slots=True)
class Sent:
    """What came of it: certificates seen, by host; calls that failed, by name; programs that are not here."""

    certificates: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def send(station: Station, clients: Iterable[Client]) -> Sent:
    """Every client once, several at a time, the pages in one browser."""
    sent, present = Sent(), []
    for client in clients:
        if client.lacking:
            sent.left_out[client.name] = client.lacking
        else:
            present.append(client)
    opened = [client for client in present if client.kind is Kind.BROWSER]
    run = [client for client in present if client.kind is not Kind.BROWSER]

    def call(name: str, client: Client | None) -> None:
        try:
            told: Told = client.call(station) if client else pages.browse(station, sites)
        except Exception as problem:  # whatever an SDK raises is a call without its answer
            cause = f" ({problem.__cause__})" if problem.__cause__ else ""
            sent.failed[name] = f"{type(problem).__name__}: {problem}{cause}"
        else:
            sent.certificates.update(told)

    sites = [client.hosts[0] for client in opened]
    jobs = [*([("pages", None)] if opened else []), *((client.name, client) for client in run)]
    with station.here(), ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda job: call(*job), jobs))
    return sent

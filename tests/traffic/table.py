"""The verdicts on the labelled set, by label and by kind of client."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.traffic.client import Client, Kind, Label

VERDICTS = ("ai", "suspect", "none")
# What every endpoint of a label should be, and what the share that is so is called.
_RIGHT = {Label.KNOWN: "ai", Label.UNKNOWN: "ai", Label.NOT_AI: "none"}


@dataclass(frozen=True, slots=True)
class Row:
    """Endpoints with their verdicts, and the number of requests that were made to them."""

    name: str
    right: str
    verdicts: Mapping[str, str]
    flows: int

    @property
    def endpoints(self) -> int:
        return len(self.verdicts)

    @property
    def wrong(self) -> list[str]:
        """The endpoints with another verdict than the right one."""
        return sorted(host for host, verdict in self.verdicts.items() if verdict != self.right)

    @property
    def share(self) -> float:
        """Of the endpoints, how many have the right verdict: the recall, or one less the false positives."""
        return 1 - len(self.wrong) / self.endpoints

    def __str__(self) -> str:
        verdicts = list(self.verdicts.values())
        counts = " ".join(f"{verdicts.count(verdict):8}" for verdict in VERDICTS)
        rate = f"recall {self.share:.3f}" if self.right == "ai" else f"false positives {1 - self.share:.3f}"
        return f"{self.name:22} {self.flows:6} {self.endpoints:10} {counts}   {rate}"


class Table:
    """``listed`` are verdicts by host, ``requests`` their number by host."""

    def __init__(
        self, clients: Iterable[Client], listed: Mapping[str, str], requests: Mapping[str, int]
    ) -> None:
        self._clients, self._listed, self._requests = list(clients), listed, requests

    def row(self, label: Label, *kinds: Kind, name: str = "") -> Row:
        """The endpoints of a label, reached by clients of these kinds (of any, if none is named)."""
        hosts = {
            host
            for client in self._clients
            if client.label is label and client.kind in (kinds or Kind)
            for host in client.hosts
        }
        verdicts = {host: self._listed.get(host, "none") for host in hosts}
        return Row(name or label, _RIGHT[label], verdicts, sum(self._requests.get(host, 0) for host in hosts))

    def __str__(self) -> str:
        counts = " ".join(f"{verdict:>8}" for verdict in VERDICTS)
        lines = [f"{'':22} {'flows':>6} {'endpoints':>10} {counts}"]
        for label in Label:
            lines.append(str(self.row(label)))
            rows = (self.row(label, kind, name=f"  {kind}") for kind in Kind)
            lines += [str(row) for row in rows if row.endpoints]
        return "\n".join(lines)

"""The metrics of the whole instance in Prometheus' text form: the workers' and the console's own.

Workers write theirs into files of one folder (prometheus_client's multiprocess mode); this merges them. No
label names a tenant, a user, a host or a model, so the number of series is bounded.
"""

import os
from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from console.health import Finding

# Read by prometheus_client itself when it is first imported; the supervisor sets it.
DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

CONTENT_TYPE = CONTENT_TYPE_LATEST

SIGN_INS = Counter("conduit_console_sign_ins", "Attempts to sign in to the console.", ["result"])


def exposition(findings: dict[str, Finding]) -> bytes:
    """Everything as text. It reads files, so call it in a thread."""
    if DIRECTORY_VARIABLE not in os.environ:
        return generate_latest(REGISTRY) + generate_latest(_with_findings(findings))
    registry = _with_findings(findings)
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _with_findings(findings: dict[str, Finding]) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Findings(findings))
    return registry


class _Findings(Collector):
    def __init__(self, findings: dict[str, Finding]) -> None:
        self._findings = findings

    def collect(self) -> Iterator[Metric]:
        ready = GaugeMetricFamily(
            "conduit_ready", "1 where a readiness check passes, 0 where it does not.", labels=["check"]
        )
        for name, finding in self._findings.items():
            ready.add_metric([name], 1.0 if finding.ok else 0.0)
        yield ready

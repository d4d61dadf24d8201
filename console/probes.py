"""What machines ask: alive, ready, metrics. Without a session, as load balancers and Prometheus have none."""

import asyncio
from dataclasses import asdict
from typing import Any

from litestar import Request, Response, get

from console import metrics
from console.services import services_of


@get("/healthz/live")
async def live() -> dict[str, str]:
    """The process answers; nothing else is asked, or a database's outage would restart the console."""
    return {"status": "live"}


@get("/healthz/ready")
async def ready(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """Each check by name; 200 when all pass, 503 otherwise."""
    findings = await services_of(request).health.findings()
    ok = all(finding.ok for finding in findings.values())
    checks = {name: asdict(finding) for name, finding in findings.items()}
    body = {"status": "ready" if ok else "not ready", "checks": checks}
    return Response(body, status_code=200 if ok else 503)


@get("/metrics", media_type=metrics.CONTENT_TYPE, include_in_schema=False)
async def scrape(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The instance's metrics in Prometheus' text form."""
    findings = await services_of(request).health.findings()
    text = await asyncio.to_thread(metrics.exposition, findings)
    return Response(text, media_type=metrics.CONTENT_TYPE)

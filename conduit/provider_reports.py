"""Fetches a provider's usage reports, page by page, bounded in all that the provider can choose."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import httpx

from conduit.errors import ConduitError
from policy.usage_reports import REPORTS, KeyDay, Report, UnreadableReport, Used
from vault.secret import Secret

PAGE_BYTES_MAX = 8 * 1024 * 1024
PAGES_MAX = 100
ANTHROPIC_VERSION = "2023-06-01"

type Period = tuple[datetime, datetime]
"""From, inclusive, until, exclusive."""


class ReportFailed(ConduitError):
    """A provider's usage report could not be had; the text says why, without anything that it sent."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a report comes from: an administrator's key of ``provider``, at the host that it is bound to."""

    provider: str
    host: str
    secret: Secret


async def fetch_used(client: httpx.AsyncClient, source: Source, period: Period) -> dict[KeyDay, Used]:
    """What the provider counts for each of its keys and days. Raises ``ReportFailed``.

    ``client`` follows no redirect: the key goes along.
    """
    if source.provider not in REPORTS:
        raise ReportFailed(f"{source.provider} has no usage report that is known here")
    found: dict[KeyDay, Used] = {}
    for report in REPORTS[source.provider]:
        for place, used in (await _all_pages(client, source, report, period)).items():
            found[place] = found.get(place, Used()) + used
    return found


async def _all_pages(
    client: httpx.AsyncClient, source: Source, report: Report, period: Period
) -> dict[KeyDay, Used]:
    found: dict[KeyDay, Used] = {}
    asked = tuple(report.query(*period))
    query, cursors = asked, set[str]()
    for _ in range(PAGES_MAX):
        body = await _page(client, source, report.path, query)
        try:
            page = report.read(body)
        except UnreadableReport as problem:
            raise ReportFailed(f"{source.provider}: {problem}") from None
        for place, used in page.used.items():
            found[place] = found.get(place, Used()) + used
        if page.next is None:
            return found
        if page.next in cursors:
            raise ReportFailed(f"{source.provider}: the report's pages lead back to themselves")
        cursors.add(page.next)
        query = (*asked, ("page", page.next))
    raise ReportFailed(f"{source.provider}: the report has more than {PAGES_MAX} pages")


async def _page(
    client: httpx.AsyncClient, source: Source, path: str, query: Sequence[tuple[str, str]]
) -> bytes:
    with source.secret.revealed() as text:
        headers = _headers(source.provider, text)
    url, body = f"https://{source.host}{path}", bytearray()
    try:
        async with client.stream("GET", url, params=list(query), headers=headers) as answer:
            if answer.status_code != 200:
                raise ReportFailed(f"{source.provider} answered {answer.status_code}, not its usage report")
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > PAGE_BYTES_MAX:
                    raise ReportFailed(f"{source.provider}: a page of the report is too long")
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise ReportFailed(f"{source.provider} could not be asked: {type(problem).__name__}") from None
    return bytes(body)


def _headers(provider: str, text: str) -> dict[str, str]:
    if provider == "anthropic":
        return {"x-api-key": text, "anthropic-version": ANTHROPIC_VERSION}
    return {"authorization": f"Bearer {text}"}

"""What every answer carries, errors included."""

import dataclasses

import httpx
import pytest

from console.app import create_app
from console.services import Services
from tests.console.conftest import a_client, enrol, sign_in

PATHS = ("/sign-in", "/", "/nowhere", "/api/v1/nowhere", "/healthz/live", "/static/console.css", "/metrics")


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_is_held_to_the_policy(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-conduit-request-id"]
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("path", "cached"),
    [
        ("/", "no-store"),
        ("/static/console.css", "public, max-age=3600"),
        ("/proxy.pac", "public, max-age=300"),
    ],
)
async def test_only_what_anybody_may_read_is_cached(
    client: httpx.AsyncClient, path: str, cached: str
) -> None:
    assert (await client.get(path)).headers["cache-control"] == cached


async def test_behind_tls_cookies_are_for_tls_alone(services: Services) -> None:
    client = a_client(create_app(dataclasses.replace(services, secure=True)))
    client.base_url = httpx.URL("https://console.test")
    answer = await sign_in(client, await enrol(services))
    assert answer.status_code == 303
    cookies = answer.headers.get_list("set-cookie")
    assert any(cookie.startswith("__Host-conduit=") and "Secure" in cookie for cookie in cookies)
    assert answer.headers["strict-transport-security"]
    assert (await client.get("/")).status_code == 200


async def test_an_unknown_path_of_the_api_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py"])
async def test_static_files_do_not_lead_out_of_their_folder(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert "create_app" not in answer.text

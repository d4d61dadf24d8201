"""The API described by itself, below ``/api/v1/openapi``; no viewer, which would need foreign scripts."""

from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from console.sessions import cookie_name


def openapi(*, secure: bool) -> OpenAPIConfig:
    """A document of OpenAPI 3.1 with both ways to say who is asking."""
    return OpenAPIConfig(
        title="APIConduit",
        version="1",
        description="The control plane. Money is in micro-dollars. With a session's cookie, requests that "
        "change something also send the header `x-csrftoken`; with a bearer token they need not.",
        path="/api/v1/openapi",
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        components=Components(
            security_schemes={
                "token": SecurityScheme(type="http", scheme="bearer"),
                "session": SecurityScheme(
                    type="apiKey", name=cookie_name(secure=secure), security_scheme_in="cookie"
                ),
            }
        ),
        security=[{"token": []}, {"session": []}],
    )

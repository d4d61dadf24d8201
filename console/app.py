"""The web application: routes, guards, middleware, errors. It opens nothing; the assembly gives services."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Litestar
from litestar.config.csrf import CSRFConfig
from litestar.datastructures import State
from litestar.middleware import DefineMiddleware
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.plugins.pydantic import PydanticPlugin
from litestar.static_files import create_static_files_router
from litestar.template import TemplateConfig

from console import (
    alerts_page,
    catalogue_page,
    content_page,
    door_pages,
    exception_page,
    inventory_page,
    overview_page,
    probes,
    proxy_files,
    record_page,
    tunnels_page,
)
from console.api import ROUTER
from console.forgery import ForgeryCheck, configuration
from console.headers import before_send
from console.openapi import openapi
from console.problems import answer
from console.services import Services
from console.sessions import Authentication

HERE = Path(__file__).parent
# Forms and API calls are small; the largest is a list of networks.
BODY_BYTES_MAX = 64 * 1024
# Neither a session nor a database is needed for these.
WITHOUT_SESSION = ["^/static/", "^/healthz/", "^/metrics$", "^/wpad.dat$", "^/proxy.pac$"]


def create_app(services: Services) -> Litestar:
    """The application over given services."""
    return Litestar(
        route_handlers=[
            overview_page.page,
            overview_page.panels,
            overview_page.live,
            overview_page.decide,
            inventory_page.page,
            inventory_page.detail,
            inventory_page.review,
            exception_page.grant,
            exception_page.end,
            catalogue_page.page,
            alerts_page.page,
            alerts_page.test,
            content_page.page,
            content_page.ask,
            content_page.decide,
            content_page.look,
            record_page.page,
            record_page.touched,
            tunnels_page.page,
            door_pages.sign_in_page,
            door_pages.sign_in,
            door_pages.sign_out,
            door_pages.setup_page,
            door_pages.setup,
            proxy_files.proxy_file,
            probes.live,
            probes.ready,
            probes.scrape,
            ROUTER,
            create_static_files_router("/static", [HERE / "static"], include_in_schema=False),
        ],
        state=State({"services": services}),
        # The order is the order of judgement: not forged, then who is asking; guards follow.
        middleware=[
            DefineMiddleware(ForgeryCheck, config=_forgery(services)),
            DefineMiddleware(Authentication, exclude=WITHOUT_SESSION),
        ],
        exception_handlers={Exception: answer},
        template_config=TemplateConfig(instance=JinjaTemplateEngine.from_environment(_templates())),
        openapi_config=openapi(secure=services.secure),
        plugins=[PydanticPlugin(prefer_alias=True)],
        before_send=[before_send(secure=services.secure)],
        request_max_body_size=BODY_BYTES_MAX,
        # Litestar would otherwise set up the root logger for the whole process.
        logging_config=None,
        debug=False,
    )


def _templates() -> Environment:
    """Everything is escaped, and a name that no handler gave is an error, not an empty place."""
    return Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined
    )


def _forgery(services: Services) -> CSRFConfig:
    return configuration(key=services.form_key, secure=services.secure, exclude=WITHOUT_SESSION)

"""Writes ``docs/api.md`` from the routes themselves, so that the two cannot disagree."""

from collections.abc import Iterator

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from console.api import ROUTER
from console.permissions import ROLES, Role

_HEAD = """# The REST API

Written from the routes themselves by `make docs`; change `console/api/`, not this page.

Everything stands below `/api/v1` on the console's listener (`listen.console`), and describes itself with all
fields at `/api/v1/openapi/openapi.json`. Bodies and answers are JSON; a field that is not known is refused.
Money is whole micro-dollars, moments are RFC 3339 with an offset, hosts are taken in any spelling and given
back in lower case.

    curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8090/api/v1/tenants

A token is made by somebody who has signed in to the console (`POST /api/v1/me/tokens`) and may what that
person may. With a session's cookie, requests that change something also send the header `x-csrftoken`.

| status | when |
| --- | --- |
| 401 | nobody is signed in, or a one-time code is wrong, used or old |
| 403 | the role does not allow it |
| 404 | there is no such thing, or it is another tenant's: the two are never told apart |
| 409 | it exists already, is held, or another person has to approve first |
| 422 | the input is not valid; `detail` says why |
| 503 | a dependency is down, or the vault is sealed |

Errors are problem documents (RFC 9457). What a call changes is in the record, in the same transaction, and in
force in every worker within a second.

**Providers' keys** go in and never come out. They are taken with a fresh one-time code of the person asking
(`code`), and over TLS (`console.origin` is an `https` address) or from the gateway's own machine alone.

The command line alone does what the machine's operator does: `conduit up`, `doctor`, `backup`, `restore`,
`ca`, `vault`, `network-rules`, `tenant delete`, `audit export`, `audit verify`, `credential check-usage`,
`retention run`, and what works on files (`catalogue import`, `sign`, `keygen`). Destinations of alerts, whose
addresses may be secret, are stated in the settings ([alerts](alerts.md)).
"""


def api_reference() -> str:
    """The whole page, Markdown."""
    lines = [_HEAD, "## Routes\n", "| call | permission | |\n| --- | --- | --- |"]
    lines += [f"| `{name}` | `{permission}` | {words} |" for name, permission, words in _routes()]
    lines += ["\n## Roles\n", "Nobody of a tenant holds a permission that begins with `platform`.\n"]
    lines.append("| role | may |\n| --- | --- |")
    lines += [f"| `{role.value}` | {_granted(role)} |" for role in Role]
    return "\n".join(lines) + "\n"


def _routes() -> Iterator[tuple[str, str, str]]:
    """Method and path, permission, and the first sentences of what it says about itself."""
    application = Litestar(route_handlers=[ROUTER], logging_config=None, openapi_config=None)
    for route in sorted(application.routes, key=lambda each: each.path):
        if isinstance(route, HTTPRoute):
            for handler in sorted(route.route_handlers, key=lambda each: sorted(each.http_methods)):
                for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"}):
                    path = route.path.replace(":uuid}", "}").replace(":str}", "}")
                    yield f"{method} {path}", _permission(handler), _summary(handler)


def _permission(handler: HTTPRouteHandler) -> str:
    return str(next(guard.permission for guard in handler.resolve_guards() if hasattr(guard, "permission")))


def _summary(handler: HTTPRouteHandler) -> str:
    words = (handler.fn.__doc__ or "").strip().split("\n\n")[0]
    return " ".join(words.split()).replace("``", "`").replace("|", "\\|")


def _granted(role: Role) -> str:
    """The permissions of a role; what each holds anyway, and what follows from its kind, in few words."""
    if role is Role.PLATFORM_ADMINISTRATOR:
        return "everything"
    if role is Role.TENANT_ADMINISTRATOR:
        return "everything that begins with `tenant`"
    granted, parts = _beside_its_own(role), []
    views = _views(granted)
    if views == _views(_beside_its_own(Role.PLATFORM_ADMINISTRATOR)):
        parts.append("everything that is viewed")
        granted -= views
    return ", ".join([*parts, *(f"`{value}`" for value in sorted(granted)), "its own profile and tokens"])


def _beside_its_own(role: Role) -> set[str]:
    return {permission.value for permission in ROLES[role] if not permission.value.startswith("self:")}


def _views(granted: set[str]) -> set[str]:
    return {value for value in granted if value.endswith(":view")}


if __name__ == "__main__":
    print(api_reference(), end="")

"""The pages that need no session: signing in and out, and setting up an account."""

from typing import Annotated, Any

from litestar import MediaType, Request, get, post
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromQuery
from litestar.response import Redirect, Response, Template
from markupsafe import Markup
from pydantic import Field

from console.enrolment import Chosen, Enrolling
from console.errors import ConsoleError, Invalid, NotSignedIn, SignInFailed, TooBusy
from console.forms import Form
from console.passwords import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN
from console.people import person_of
from console.services import services_of
from console.sessions import address_of, session_cookie, token_of
from console.sign_in import Claim

# Longer than anything that is right; the argon2 input is bounded again in console.passwords.
FIELD_LENGTH_MAX = 1000

AGAIN = "Name, password or code did not match. Each code works once; after several failures sign-in pauses."
WRONG_CODE = "The code does not fit. Check the clock of your device, and enter the code that it shows now."


class SignInForm(Form):
    name: str = Field(max_length=FIELD_LENGTH_MAX)
    password: str = Field(max_length=FIELD_LENGTH_MAX, repr=False)
    code: str = Field(max_length=FIELD_LENGTH_MAX, repr=False)


class SetupForm(Form):
    token: str = Field(max_length=FIELD_LENGTH_MAX, repr=False)
    enrolment: str = Field(max_length=FIELD_LENGTH_MAX, repr=False)
    password: str = Field(max_length=FIELD_LENGTH_MAX, repr=False)
    code: str = Field(max_length=FIELD_LENGTH_MAX, repr=False)
    username: str = ""


@get("/sign-in", media_type=MediaType.HTML, include_in_schema=False)
async def sign_in_page(request: Request[Any, Any, Any], enrolled: FromQuery[bool] = False) -> Response[Any]:
    """The form; somebody signed in goes on to the page."""
    try:
        person_of(request)
    except NotSignedIn:
        return _sign_in_form(enrolled=enrolled)
    return Redirect("/", status_code=303)


@post("/sign-in", media_type=MediaType.HTML, include_in_schema=False)
async def sign_in(
    request: Request[Any, Any, Any],
    data: Annotated[SignInForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    """Let somebody in, or show the form with the one sentence that says no more than that it failed."""
    services = services_of(request)
    claim = Claim(name=data.name, password=data.password, code=data.code, address=address_of(request))
    try:
        token = await services.sign_in.enter(claim, earlier_token=token_of(request))
    except SignInFailed as error:
        return _sign_in_form(problem=AGAIN, name=data.name, status=error.status)
    except TooBusy as error:
        return _sign_in_form(problem=error.title, name=data.name, status=error.status)
    return _with_cookies(Redirect("/", status_code=303), session_cookie(token, secure=services.secure))


@post("/sign-out", include_in_schema=False)
async def sign_out(request: Request[Any, Any, Any]) -> Response[Any]:
    """End the session here and in the database."""
    services, token = services_of(request), token_of(request)
    try:
        if token is not None:
            await services.sign_in.leave(token, person_of(request))
    except NotSignedIn:
        pass  # it has ended already; the cookie still goes
    return _with_cookies(Redirect("/sign-in", status_code=303), session_cookie(None, secure=services.secure))


@get("/setup", media_type=MediaType.HTML, include_in_schema=False)
async def setup_page(request: Request[Any, Any, Any], token: FromQuery[str] = "") -> Response[Any]:
    """The form behind a one-time link. Showing it uses nothing up."""
    form = await services_of(request).enroller.form(token)
    return _setup_form(token, form)


@post("/setup", media_type=MediaType.HTML, include_in_schema=False)
async def setup(
    request: Request[Any, Any, Any],
    data: Annotated[SetupForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    """Make the account and go on to signing in, which takes the next code."""
    enroller = services_of(request).enroller
    chosen = Chosen(token=data.token, sealed=data.enrolment, password=data.password, code=data.code)
    try:
        await enroller.accept(chosen)
    except (SignInFailed, Invalid) as error:
        form = await enroller.form(data.token, sealed=data.enrolment)
        return _setup_form(data.token, form, problem=error)
    return Redirect("/sign-in?enrolled=true", status_code=303)


def _sign_in_form(
    *, problem: str | None = None, name: str = "", enrolled: bool = False, status: int = 200
) -> Template:
    context = {"problem": problem, "name": name, "enrolled": enrolled}
    return Template("sign_in.html", context=context, status_code=status)


def _setup_form(token: str, form: Enrolling, *, problem: ConsoleError | None = None) -> Template:
    sentence = None
    if problem is not None:
        sentence = WRONG_CODE if isinstance(problem, SignInFailed) else problem.detail
    context = {
        "problem": sentence,
        "name": form.name,
        "token": token,
        "enrolment": form.sealed,
        "secret": form.secret,
        # segno's own markup; its only variable part is the module pattern.
        "picture": Markup(form.picture),  # noqa: S704
        "length_min": PASSWORD_LENGTH_MIN,
        "length_max": PASSWORD_LENGTH_MAX,
    }
    return Template("setup.html", context=context, status_code=200 if problem is None else 422)


def _with_cookies(response: Response[Any], *cookies: Cookie) -> Response[Any]:
    for cookie in cookies:
        response.set_cookie(cookie)
    return response

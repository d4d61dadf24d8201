"""The control plane's refusals, as one small tree; ``console.problems`` renders them.

None of them carries a secret, a row of the database or the name of something of another tenant.
"""


class ConsoleError(Exception):
    """Never raised itself. ``status`` is the HTTP status, ``title`` is safe to show to anybody."""

    status = 500
    title = "The console failed"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.title)
        self.detail = detail


class NotSignedIn(ConsoleError):
    """No session, or one that has ended. The person signs in again."""

    status = 401
    title = "Sign in first"


class SignInFailed(ConsoleError):
    """Name, password or code is wrong, or the account waits after failures: never said which."""

    status = 401
    title = "Name, password or code did not match"


class NotAllowed(ConsoleError):
    """The person's role lacks the permission, in a scope that they may know of."""

    status = 403
    title = "Your role does not allow this"


class NotFound(ConsoleError):
    """There is no such thing, or it is another tenant's: the two are never told apart."""

    status = 404
    title = "There is no such thing"


class InvitationSpent(ConsoleError):
    """The one-time link was used, has expired, or never was one."""

    status = 410
    title = "This link has been used or has expired"


class Invalid(ConsoleError):
    """The input was understood and breaks a rule; the detail says which."""

    status = 422
    title = "The input is not valid"


class TooBusy(ConsoleError):
    """More sign-ins at once than the machine should hash; the caller tries again shortly."""

    status = 429
    title = "Too many sign-ins at once; try again in a few seconds"

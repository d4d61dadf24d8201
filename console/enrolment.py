"""How somebody gets an account: a one-time link, behind which they choose a password and a second factor.

Accounts are only ever added. An invitation never changes an existing account, so a link cannot replace
somebody's second factor.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.fernet import Fernet, InvalidToken

from console.errors import Invalid, InvitationSpent
from console.one_time_codes import accepted_step, enrolment_picture, new_secret
from console.passwords import Passwords
from console.permissions import Role
from console.second_factors import SecondFactors
from console.tokens import digest, new_token
from policy.identifiers import TenantId
from store import administrators
from store.acts import Actor, record
from store.administrators import Enrolment, Invitation
from store.claim import Purpose
from store.door import Store
from store.errors import OneTimeUseSpent
from store.key_custody import share_kek
from store.tenants import PLATFORM
from vault import aead
from vault.secret import Secret

INVITATION_LIFETIME = timedelta(hours=24)
# The form's own life: the secret that its picture shows travels inside it, sealed, and ends with this.
FORM_LIFETIME_S = 3600
FIRST_NAME = "administrator"
FIRST_ACTOR = "operator"

PLATFORM_ROLES = frozenset({Role.PLATFORM_ADMINISTRATOR, Role.SECURITY_ANALYST, Role.AUDITOR})
TENANT_ROLES = frozenset({Role.TENANT_ADMINISTRATOR, Role.SECURITY_ANALYST, Role.AUDITOR, Role.MEMBER})


@dataclass(frozen=True, slots=True)
class Enrolling:
    """What the set-up page shows. ``sealed`` comes back with the form and carries the secret."""

    name: str
    secret: str = field(repr=False)
    picture: str = field(repr=False)
    sealed: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What the invited person sent."""

    token: str = field(repr=False)
    sealed: str = field(repr=False)
    password: str = field(repr=False)
    code: str = field(repr=False)


class Enroller:
    """Shows and takes the set-up form. ``key`` seals the form; every console of an instance has the same."""

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        factors: SecondFactors,
        clock: Callable[[], datetime],
        *,
        key: bytes,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._factors = factors
        self._clock = clock
        self._fernet = Fernet(urlsafe_b64encode(aead.derive(key, b"console enrolment form")))

    async def form(self, token: str, *, sealed: str | None = None) -> Enrolling:
        """The form for an unused link, with the earlier secret where ``sealed`` holds one.

        Raises ``InvitationSpent``, and ``Sealed`` when no account could be made.
        """
        self._factors.check_open()
        invitation = await self._invitation(token)
        secret = new_secret() if sealed is None else self._secret(token, sealed)
        # The one place that shows a second factor: to the person who enrols it, before it is theirs.
        with secret.revealed() as text:
            return Enrolling(
                name=invitation.name,
                secret=text,
                picture=enrolment_picture(text, invitation.name),
                sealed=self._fernet.encrypt(digest(token) + text.encode()).decode(),
            )

    async def accept(self, chosen: Chosen) -> None:
        """Make the account; the link is used up in the same transaction.

        Raises ``InvitationSpent``, ``Invalid`` for a password out of bounds, ``SignInFailed`` for a code
        that does not fit: neither of the last two uses the link up.
        """
        invitation = await self._invitation(chosen.token)
        secret = self._secret(chosen.token, chosen.sealed)
        now = self._clock()
        step = accepted_step(secret, chosen.code, now=now)
        password_hash = await self._passwords.hash(chosen.password)
        try:
            async with self._store.platform(Purpose.SIGN_IN) as session:
                # A rotation that did not see this row would leave it under a key that is then dropped.
                await share_kek(session)
                sealed = await self._factors.seal(
                    secret, tenant_id=invitation.tenant_id, name=invitation.name
                )
                enrolment = Enrolment(password_hash=password_hash, totp_secret=sealed, totp_step=step)
                made = await administrators.accept(
                    session, digest=digest(chosen.token), now=now, enrolment=enrolment
                )
                actor = Actor(made.name, "console")
                await record(
                    session, actor, "administrator.enrol", tenant_id=made.tenant_id, target=made.name
                )
        except OneTimeUseSpent:
            raise InvitationSpent from None

    async def _invitation(self, token: str) -> Invitation:
        try:
            async with self._store.platform(Purpose.SIGN_IN) as session:
                return await administrators.open_invitation(session, digest=digest(token), now=self._clock())
        except OneTimeUseSpent:
            raise InvitationSpent from None

    def _secret(self, token: str, sealed: str) -> Secret:
        """The secret inside the form, if the form was made for this link and is not too old."""
        try:
            plain = self._fernet.decrypt(sealed, ttl=FORM_LIFETIME_S)
        except InvalidToken:
            raise Invalid("This form is too old. Open the link again.") from None
        if plain[:32] != digest(token):
            raise Invalid("This form belongs to another link. Open the link again.")
        return Secret(plain[32:].decode())


async def invite(
    store: Store, *, tenant_id: TenantId, name: str, role: Role, actor: Actor, now: datetime
) -> str:
    """The token of a one-time link that makes an account with ``role``.

    Raises ``Invalid`` for a role that does not exist there, the store's errors for a name or tenant that
    cannot be.
    """
    if role not in (PLATFORM_ROLES if tenant_id == PLATFORM else TENANT_ROLES):
        raise Invalid(f"Nobody {'of the platform' if tenant_id == PLATFORM else 'of a tenant'} is {role}.")
    token = new_token()
    async with store.platform(Purpose.ADMINISTRATION) as session:
        await administrators.invite(
            session,
            tenant_id=tenant_id,
            name=name,
            role=role,
            digest=digest(token),
            expires_at=now + INVITATION_LIFETIME,
        )
        await record(session, actor, "administrator.invite", tenant_id=tenant_id, target=name, role=role)
    return token


async def invite_first(store: Store, *, now: datetime) -> str | None:
    """The token of the link for the first administrator; ``None`` once there is one.

    Each start makes a new link until it has been used; whoever can read them all could as well read the
    data folder.
    """
    async with store.platform(Purpose.ADMINISTRATION) as session:
        known = await administrators.every(session)
    if any(person.role == Role.PLATFORM_ADMINISTRATOR and person.enabled for person in known):
        return None
    return await invite(
        store,
        tenant_id=PLATFORM,
        name=FIRST_NAME,
        role=Role.PLATFORM_ADMINISTRATOR,
        actor=Actor(FIRST_ACTOR, "command line"),
        now=now,
    )

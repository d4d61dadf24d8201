"""What people may do in the control plane: one list of permissions, one table of roles.

It does not find out who somebody is; that is ``console.sessions``.
"""

from enum import StrEnum


class Permission(StrEnum):
    """One act on one kind of record, as ``scope:resource:action``, in alphabetical order.

    ``platform`` spans every tenant; ``tenant`` is one tenant; ``self`` is the person's own record.
    """

    PLATFORM_ADMINISTRATOR_INVITE = "platform:administrator:invite"
    PLATFORM_ALERT_TEST = "platform:alert:test"
    PLATFORM_ALERT_VIEW = "platform:alert:view"
    PLATFORM_CATALOGUE_LOAD = "platform:catalogue:load"
    PLATFORM_CATALOGUE_VIEW = "platform:catalogue:view"
    PLATFORM_ENDPOINT_SET = "platform:endpoint:set"
    PLATFORM_ENDPOINT_VIEW = "platform:endpoint:view"
    PLATFORM_EVENT_VIEW = "platform:event:view"
    PLATFORM_PRICE_SET = "platform:price:set"
    PLATFORM_PRICE_VIEW = "platform:price:view"
    PLATFORM_TENANT_CREATE = "platform:tenant:create"
    PLATFORM_TENANT_ENABLE = "platform:tenant:enable"
    PLATFORM_TENANT_VIEW = "platform:tenant:view"
    PLATFORM_USAGE_VIEW = "platform:usage:view"
    SELF_PROFILE_VIEW = "self:profile:view"
    SELF_TOKEN_CREATE = "self:token:create"  # noqa: S105 - a permission
    SELF_TOKEN_REVOKE = "self:token:revoke"  # noqa: S105 - a permission
    SELF_TOKEN_VIEW = "self:token:view"  # noqa: S105 - a permission
    TENANT_ADMINISTRATOR_INVITE = "tenant:administrator:invite"
    TENANT_CONTENT_APPROVE = "tenant:content:approve"
    TENANT_CONTENT_REQUEST = "tenant:content:request"
    TENANT_CONTENT_SET = "tenant:content:set"
    TENANT_CONTENT_VIEW = "tenant:content:view"
    TENANT_CREDENTIAL_ADD = "tenant:credential:add"
    TENANT_CREDENTIAL_REVOKE = "tenant:credential:revoke"
    TENANT_CREDENTIAL_ROTATE = "tenant:credential:rotate"
    TENANT_CREDENTIAL_SET = "tenant:credential:set"
    TENANT_CREDENTIAL_VIEW = "tenant:credential:view"
    TENANT_ENDPOINT_SET = "tenant:endpoint:set"
    TENANT_ENDPOINT_VIEW = "tenant:endpoint:view"
    TENANT_EVENT_VIEW = "tenant:event:view"
    TENANT_HOLD_PLACE = "tenant:hold:place"
    TENANT_HOLD_RELEASE = "tenant:hold:release"
    TENANT_HOLD_VIEW = "tenant:hold:view"
    TENANT_LIMIT_SET = "tenant:limit:set"
    TENANT_LIMIT_VIEW = "tenant:limit:view"
    TENANT_NETWORK_ADD = "tenant:network:add"
    TENANT_NETWORK_REMOVE = "tenant:network:remove"
    TENANT_NETWORK_VIEW = "tenant:network:view"
    TENANT_PLACEHOLDER_ISSUE = "tenant:placeholder:issue"
    TENANT_PLACEHOLDER_REVOKE = "tenant:placeholder:revoke"
    TENANT_PLACEHOLDER_VIEW = "tenant:placeholder:view"
    TENANT_PRICE_VIEW = "tenant:price:view"
    TENANT_RETENTION_SET = "tenant:retention:set"
    TENANT_RETENTION_VIEW = "tenant:retention:view"
    TENANT_SESSION_BEGIN = "tenant:session:begin"
    TENANT_SESSION_VIEW = "tenant:session:view"
    TENANT_SUFFICIENCY_SET = "tenant:sufficiency:set"
    TENANT_SUFFICIENCY_VIEW = "tenant:sufficiency:view"
    TENANT_TENANT_SET = "tenant:tenant:set"
    TENANT_TENANT_VIEW = "tenant:tenant:view"
    TENANT_USAGE_VIEW = "tenant:usage:view"
    TENANT_USER_CREATE = "tenant:user:create"
    TENANT_USER_SET = "tenant:user:set"
    TENANT_USER_VIEW = "tenant:user:view"

    @property
    def platform_wide(self) -> bool:
        """Whether it spans tenants, so that nobody of a tenant can hold it."""
        return self.value.startswith("platform:")


class Role(StrEnum):
    """What somebody is. A role of the platform acts on every tenant; one of a tenant on that one alone."""

    AUDITOR = "auditor"
    MEMBER = "member"
    PLATFORM_ADMINISTRATOR = "platform_administrator"
    SECURITY_ANALYST = "security_analyst"
    TENANT_ADMINISTRATOR = "tenant_administrator"


_VIEWS = frozenset(permission for permission in Permission if permission.value.endswith(":view"))
_SELF = frozenset(permission for permission in Permission if permission.value.startswith("self:"))
_TENANT = frozenset(permission for permission in Permission if permission.value.startswith("tenant:"))

ROLES: dict[Role, frozenset[Permission]] = {
    Role.AUDITOR: _VIEWS | _SELF,
    Role.MEMBER: _SELF,
    Role.PLATFORM_ADMINISTRATOR: frozenset(Permission),
    Role.SECURITY_ANALYST: _VIEWS
    | _SELF
    | {
        Permission.PLATFORM_ALERT_TEST,
        Permission.PLATFORM_ENDPOINT_SET,
        Permission.TENANT_CONTENT_REQUEST,
        Permission.TENANT_ENDPOINT_SET,
        Permission.TENANT_PLACEHOLDER_REVOKE,
    },
    Role.TENANT_ADMINISTRATOR: _TENANT | _SELF,
}


def permissions_of(role: Role, *, platform: bool) -> frozenset[Permission]:
    """What ``role`` allows; nobody of a tenant holds a platform-wide permission, whatever the role."""
    granted = ROLES[role]
    if platform:
        return granted
    return frozenset(permission for permission in granted if not permission.platform_wide)

"""The REST API under ``/api/v1``: what the pages can do, for programs. Errors are RFC 9457 problems.

Handlers are thin: a guard holds the route to a permission and a tenant, an act of ``store`` does the rest.
"""

from litestar import Router

from console.api import endpoints, keys, me, people, record, retention, rules, sessions, sufficiency, tenants

ROUTER = Router(
    path="/api/v1",
    route_handlers=[
        me.show,
        me.list_tokens,
        me.create_token,
        me.revoke_token,
        tenants.list_all,
        tenants.create,
        tenants.show,
        people.list_users,
        people.create_user,
        people.invite_to_tenant,
        people.invite_to_platform,
        keys.list_credentials,
        keys.list_placeholders,
        keys.issue_placeholder,
        keys.revoke_placeholder,
        rules.list_networks,
        rules.add_network,
        sessions.begin_sessions,
        sessions.find_sessions,
        sufficiency.list_sufficiency,
        sufficiency.set_sufficiency,
        sufficiency.clear_sufficiency,
        rules.list_limits,
        rules.set_limits,
        endpoints.list_for_all,
        endpoints.set_for_all,
        endpoints.list_of_tenant,
        endpoints.set_for_tenant,
        record.usage_of_all,
        record.usage_of_tenant,
        record.events_of_all,
        record.events_of_tenant,
        retention.show_retention,
        retention.set_retention,
        retention.list_holds,
        retention.place_hold,
        retention.release_hold,
    ],
)

"""The tables and columns that repositories name. Types, keys and policies stand in ``store/migrations``.

A test compares this list with the database.
"""

from sqlalchemy import TableClause, column, func, table

# The claimed tenant, as the database knows it: what a repository writes, and never takes from a caller.
CLAIMED_TENANT = func.conduit.tenant()


def _table(name: str, columns: str) -> TableClause:
    return table(name, *(column(word) for word in columns.split()), schema="conduit")


TENANT = _table(
    "tenant",
    "tenant_id name region data_residency time_zone degraded_mode degraded_allowance enabled state"
    " created_at decrypt_unknown never_decrypted",
)
TEAM = _table("team", "tenant_id id name created_at")
MEMBER = _table("member", "tenant_id id name role team_id cost_centre enabled created_at")
NETWORK = _table("network", "tenant_id id network created_at")
ADDRESS_SESSION = _table(
    "address_session", "tenant_id id address user_name source started_at expires_at created_at"
)
CREDENTIAL = _table(
    "credential",
    "tenant_id id provider name hosts version weight created_at rotated_at revoked_at"
    " purpose pool provider_key_id refused_at refused_status refusals accepted_at",
)
PLACEHOLDER = _table(
    "placeholder",
    "tenant_id id member_id credential_id digest models networks honeytoken created_at expires_at revoked_at"
    " pool",
)
LIMIT_RULE = _table(
    "limit_rule",
    "tenant_id id scope team_id member_id placeholder_id model kind amount counting_window rolling_hours"
    " burst thresholds updated_at",
)
ENDPOINT_RULE = _table("endpoint_rule", "tenant_id host state note updated_at decided_by")
PLATFORM_ENDPOINT_RULE = _table("platform_endpoint_rule", "host state note updated_at")
BRANDING = _table("branding", "tenant_id name colour logo contact alternative hours updated_at")
PINNED_BYPASS = _table("pinned_bypass", "tenant_id host reason approved_by created_at expires_at")
ACCOUNT_LIST = _table("account_list", "tenant_id product accounts updated_at")
SUFFICIENCY_RULE = _table("sufficiency_rule", "tenant_id host sources updated_at")
ENDPOINT_EXCEPTION = _table(
    "endpoint_exception",
    "tenant_id id host member_id team_id reason approved_by created_at expires_at",
)
ENDPOINT_SEEN = _table(
    "endpoint_seen",
    "tenant_id host provider verdict score evidence calls bytes_up bytes_down first_seen last_seen refused"
    " cost_micro_dollars",
)
ENDPOINT_USE = _table("endpoint_use", "tenant_id host kind subject calls first_seen last_seen")
ENDPOINT_REVIEW = _table("endpoint_review", "tenant_id host owner note reviewed_by started_at updated_at")
USAGE = _table(
    "usage",
    "tenant_id id at team_id member_id placeholder_id credential_id provider model input_tokens output_tokens"
    " cache_read_tokens cache_write_tokens reasoning_tokens cost_micro_dollars estimated outcome"
    " list_micro_dollars discount_basis_points price_source price_version cost_centre",
)
USAGE_CORRECTION = _table(
    "usage_correction",
    "tenant_id id usage_id usage_at made_at cost_micro_dollars list_micro_dollars discount_basis_points"
    " price_source price_version",
)
PRICE_RULE = _table(
    "price_rule",
    "tenant_id id kind provider model since until input output cached_input cache_write request discount"
    " created_at",
)
EVENT = _table(
    "event",
    "tenant_id sequence id at kind body leaf chain user_id placeholder_id credential_id host model reason"
    " outcome",
)
CHAIN_HEAD = _table("chain_head", "tenant_id sequence chain frontier updated_at")
CHECKPOINT = _table("checkpoint", "tenant_id sequence root note created_at witnessed_at")
RETENTION = _table("retention", "tenant_id event_days content_days through emptied updated_at")
HOLD = _table("hold", "tenant_id id reason placed_by placed_at released_by released_at release_reason")
CONTENT_POLICY = _table("content_policy", "tenant_id keep bytes_max content_key updated_at")
KEPT_CONTENT = _table("kept_content", "tenant_id event_id at sealed bytes")
SPOOL_POSITION = _table("spool_position", "writer segment byte_offset updated_at")
ADMINISTRATOR = _table(
    "administrator",
    "tenant_id id name role password_hash totp_secret totp_step failed_attempts locked_until enabled"
    " created_at",
)
CONSOLE_SESSION = _table(
    "console_session",
    "tenant_id id administrator_id digest source_address created_at last_seen_at expires_at revoked_at",
)
INVITATION = _table("invitation", "tenant_id id digest name role created_at expires_at used_at")
APPROVAL = _table(
    "approval",
    "tenant_id id action subject requested_by decided_by state requested_at decided_at expires_at",
)
ALERT = _table(
    "alert",
    "tenant_id id destination fingerprint severity body repeats last_at rounds told_at attempts due_at"
    " problem",
)
ALERT_POSITION = _table("alert_position", "tenant_id destination sequence")
CATALOGUE_RELEASE = _table("catalogue_release", "version entries note loaded_by loaded_at")
POLICY_CHANGE = _table("policy_change", "tenant version")
POLICY_VERSION = _table("policy_version", "singleton version changed_by changed_at")

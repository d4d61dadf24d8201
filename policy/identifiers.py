"""The identities that records and decisions refer to, as distinct types so that two cannot be swapped.

All are UUIDv7 (RFC 9562), made by ``uuid_utils.compat.uuid7()`` where the record is born.
"""

from typing import NewType
from uuid import UUID

TenantId = NewType("TenantId", UUID)
UserId = NewType("UserId", UUID)
CredentialId = NewType("CredentialId", UUID)
PlaceholderId = NewType("PlaceholderId", UUID)
LimitId = NewType("LimitId", UUID)
ExchangeId = NewType("ExchangeId", UUID)

"""People, how they come in, what they may do, and what was done."""

from __future__ import annotations

from accounts.models.audit import AuditEvent
from accounts.models.export import Export
from accounts.models.impersonation import Impersonation
from accounts.models.invitation import Invitation
from accounts.models.keys import ApiKey, Scope
from accounts.models.notices import Notice, NoticeSettings
from accounts.models.rights import GroupRights, Rights, rights_of
from accounts.models.user import User, lock

__all__ = [
    "ApiKey",
    "AuditEvent",
    "Export",
    "GroupRights",
    "Impersonation",
    "Invitation",
    "Notice",
    "NoticeSettings",
    "Rights",
    "Scope",
    "User",
    "lock",
    "rights_of",
]

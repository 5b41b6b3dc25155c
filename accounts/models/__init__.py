"""People, how they come in, what they may do, and what was done."""

from __future__ import annotations

from accounts.models.audit import AuditEvent
from accounts.models.export import Export
from accounts.models.impersonation import Impersonation
from accounts.models.invitation import Invitation
from accounts.models.rights import GroupRights, Rights, rights_of
from accounts.models.user import User

__all__ = [
    "AuditEvent",
    "Export",
    "GroupRights",
    "Impersonation",
    "Invitation",
    "Rights",
    "User",
    "rights_of",
]

"""People, and what is theirs alone."""

from __future__ import annotations

from accounts.models.keys import ApiKey, Scope
from accounts.models.notices import Notice, NoticeSettings
from accounts.models.user import User

__all__ = ["ApiKey", "Notice", "NoticeSettings", "Scope", "User"]

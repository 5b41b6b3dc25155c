"""What allauth asks of us: who may sign up."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Closed unless LIFEOS_SIGNUP=open; invitations come by their own link."""
        return bool(settings.LIFEOS_SIGNUP == "open")

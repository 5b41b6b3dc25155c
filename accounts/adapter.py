"""What allauth asks of us: who may sign up, and where people end up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal.httpkit import is_headless_request
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts import audit, proxies, secrets, signup
from accounts.models import User


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """To everybody with LIFEOS_SIGNUP=open; to others by an invitation's link."""
        return signup.is_open(request)

    def clean_email(self, email: str) -> str:
        """An invitation may be for one address only."""
        request = context.request
        invited = request and signup.invitation_of(request)
        if invited and invited.email and invited.email.lower() != email.lower():
            raise ValidationError(f"This invitation is for {invited.email}.")
        return str(super().clean_email(email))

    def save_user(
        self, request: HttpRequest, user: User, form: Any, commit: bool = True
    ) -> User:
        """The person, in the group of their invitation, or waiting for approval."""
        with transaction.atomic():
            signup.admit(request, user)
            super().save_user(request, user, form, commit=commit)
            if commit:
                signup.settle(request, user)
        return user

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        """Whoever gets here knows the password: they may be told why."""
        if is_headless_request(request):
            return super().respond_user_inactive(request, user)  # type: ignore[no-any-return]
        request.session["standing"] = user.standing
        return redirect("account_inactive")

    def get_client_ip(self, request: HttpRequest) -> str:
        """As our own log has it; a spoofed X-Forwarded-For changes nothing."""
        return proxies.client_address(request)

    def is_safe_url(self, url: str) -> bool:
        """Only addresses of our own: allauth would let any of ALLOWED_HOSTS pass."""
        return bool(url) and url.startswith("/") and bool(super().is_safe_url(url))


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return signup.is_open(request)

    def authenticate_by_email(self, sociallogin: Any) -> tuple[User, str] | None:
        """Only where the address is proven here, too, not merely written down."""
        found: tuple[User, str] | None = super().authenticate_by_email(sociallogin)
        if found is None:
            return None
        user, email = found
        proven = EmailAddress.objects.filter(
            user=user, email__iexact=email, verified=True
        )
        return found if proven.exists() else None

    def save_user(
        self, request: HttpRequest, sociallogin: Any, form: Any = None
    ) -> Any:
        with transaction.atomic():
            _check_address(request, sociallogin.user)
            signup.admit(request, sociallogin.user)
            user = super().save_user(request, sociallogin, form)
            signup.settle(request, user)
        return user


def _check_address(request: HttpRequest, user: User) -> None:
    invited = signup.invitation_of(request)
    if invited and invited.email and invited.email.lower() != user.email.lower():
        page = render(
            request, "people/invitation_gone.html", {"other": True}, status=403
        )
        raise ImmediateHttpResponse(page)


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """TOTP secrets and recovery seeds are encrypted at rest, as servers' are."""

    def encrypt(self, text: str) -> str:
        return secrets.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        if encrypted_text.startswith(secrets.PREFIX):
            return secrets.decrypt(encrypted_text)
        return encrypted_text

    def _get_site_name(self) -> str:
        return "Life-OS"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        entity: dict[str, str] = super().get_public_key_credential_rp_entity()
        return {**entity, "name": "Life-OS"}

    def generate_authenticator_name(self, user: User, type: Any) -> str:
        """What the form suggests: "Passkey", then "Passkey 2"."""
        count = int(user.authenticator_set.filter(type=type).count())  # type: ignore[attr-defined]
        return f"Passkey {count + 1}" if count else "Passkey"

    def can_delete_authenticator(self, authenticator: Any) -> bool:
        """Staff keep their last second factor where the installation asks for one."""
        if not (settings.LIFEOS_STAFF_2FA and authenticator.user.is_staff):
            return True
        kinds = ("totp", "webauthn")
        others = authenticator.user.authenticator_set.filter(type__in=kinds)
        return bool(others.exclude(pk=authenticator.pk).exists())


class SessionsAdapter(DefaultUserSessionsAdapter):  # type: ignore[misc]
    def end_sessions(self, sessions: Iterable[UserSession]) -> None:
        """One's own, by the page or by the API."""
        ended = list(sessions)
        if ended:
            user = ended[0].user
            audit.record(None, "session.ended", user, sessions=len(ended))
        super().end_sessions(ended)

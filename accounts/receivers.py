"""What is written to the audit log by itself, and what ends with a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.account import signals as account
from allauth.account.internal.flows.login import record_authentication
from allauth.core import context
from allauth.mfa import signals as mfa
from allauth.socialaccount import signals as social
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import ADDITION, DELETION, LogEntry
from django.contrib.auth import signals as auth
from django.contrib.auth.models import Group
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.dispatch import receiver

from accounts import audit, sessions
from accounts.models import User

if TYPE_CHECKING:
    from django.http import HttpRequest

WATCHED = ("is_active", "is_staff", "is_superuser", "awaiting_approval")


# Sign-in and out ------------------------------------------------------------------


@receiver(auth.user_logged_in)
def signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    how = getattr(request, "signed_in_by", "")
    sessions.remember(request, user)
    audit.record(
        request, "sign-in.done", user, actor=user, **({"by": how} if how else {})
    )


@receiver(auth.user_login_failed)
def sign_in_failed(
    credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any
) -> None:
    given = str(credentials.get("username") or credentials.get("email") or "")
    # People type passwords into the wrong field: only names that exist are kept.
    known = User.objects.filter(username__iexact=given).first()
    if known is None and given:
        known = User.objects.filter(email__iexact=given).first()
    audit.record(request, "sign-in.failed", known)


@receiver(mfa.authentication_failed)
def factor_failed(request: HttpRequest, user: User, **kwargs: Any) -> None:
    audit.record(request, "sign-in.failed", user, factor=True)


@receiver(auth.user_logged_out)
def signed_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if isinstance(user, User):
        audit.record(request, "sign-out.done", user, actor=user)
    key = request.session.session_key
    UserSession.objects.filter(session_key=key).delete()
    sessions.announce_end(key)


@receiver(post_delete, sender=UserSession)
def session_ended(instance: UserSession, **_: Any) -> None:
    sessions.announce_end(instance.session_key)


# The account ----------------------------------------------------------------------


@receiver([account.password_changed, account.password_set])
def password_changed(request: HttpRequest, user: User, **_: Any) -> None:
    audit.record(request, "account.password", user, actor=user)
    sessions.end_all(user, but=request.session.session_key or "-")


@receiver(account.password_reset)
def password_reset(request: HttpRequest, user: User, **_: Any) -> None:
    audit.record(request, "account.password-reset", user, actor=user)
    # Whoever had the old password is out.
    sessions.end_all(user, but=request.session.session_key or "-")


EMAIL = (
    account.email_added,
    account.email_removed,
    account.email_changed,
    account.email_confirmed,
)


@receiver(EMAIL)
def email_changed(request: HttpRequest, **kwargs: Any) -> None:
    one = kwargs.get("email_address") or kwargs.get("to_email_address")
    user = kwargs.get("user") or getattr(one, "user", None)
    audit.record(
        request, "account.email", user, actor=user, address=getattr(one, "email", "")
    )


@receiver(mfa.authenticator_added)
def factor_added(
    request: HttpRequest, user: User, authenticator: Any, **_: Any
) -> None:
    kind = str(authenticator.type)
    audit.record(request, "account.2fa-added", user, actor=user, kind=kind)
    if kind != authenticator.Type.RECOVERY_CODES:
        # To add one, it has just been used: this session has two factors now.
        record_authentication(request, user, "mfa", id=authenticator.pk, type=kind)


@receiver(mfa.authenticator_removed)
def factor_removed(
    request: HttpRequest, user: User, authenticator: Any, **_: Any
) -> None:
    kind = str(authenticator.type)
    audit.record(request, "account.2fa-removed", user, actor=user, kind=kind)


@receiver(mfa.authenticator_reset)
def codes_made(request: HttpRequest, user: User, **_: Any) -> None:
    audit.record(request, "account.2fa-codes", user, actor=user)


@receiver([social.social_account_added, social.social_account_removed])
def linked(request: HttpRequest, signal: Any = None, **kwargs: Any) -> None:
    login = kwargs.get("sociallogin")
    one = login.account if login else kwargs.get("socialaccount")
    added = signal is social.social_account_added
    action = "account.linked" if added else "account.unlinked"
    provider = str(getattr(one, "provider", ""))
    audit.record(request, action, getattr(one, "user", None), provider=provider)


# What administrators change, on whatever page -------------------------------------


@receiver(pre_save, sender=User)
def remember_rights(instance: User, raw: bool = False, **_: Any) -> None:
    old = None
    if instance.pk and not raw:
        old = User.objects.filter(pk=instance.pk).values(*WATCHED).first()
    instance.__dict__["_rights_before"] = old


@receiver(post_save, sender=User)
def rights_changed(instance: User, created: bool, **_: Any) -> None:
    before = instance.__dict__.pop("_rights_before", None)
    if created or before is None:
        return
    changed = {
        name: getattr(instance, name)
        for name in WATCHED
        if before[name] != getattr(instance, name)
    }
    if not changed:
        return
    audit.record(None, "person.rights", instance, **changed)
    if changed.get("is_active") is False:
        sessions.end_all(instance)


@receiver(m2m_changed, sender=User.groups.through)
def groups_changed(
    instance: Model, action: str, pk_set: set[int] | None, **_: Any
) -> None:
    if action not in ("post_add", "post_remove", "pre_clear"):
        return
    deed = action.removeprefix("post_").removeprefix("pre_")
    if action != "pre_clear" and not pk_set:
        return
    audit.record(
        None, "person.groups", instance, deed=deed, names=_names(instance, pk_set)
    )


def _names(instance: Model, pk_set: set[int] | None) -> list[str]:
    """The groups of a person, or the people of a group, that come or go."""
    ids = sorted(pk_set or ())
    if isinstance(instance, User):
        found = Group.objects.filter(pk__in=ids) if ids else instance.groups.all()
        return [group.name for group in found]
    people = User.objects.filter(pk__in=ids) if ids else instance.user_set.all()  # type: ignore[attr-defined]
    return [person.username for person in people[:200]]


@receiver(post_save, sender=LogEntry)
def administration_logged(instance: LogEntry, created: bool, **_: Any) -> None:
    """Everything of the administration's own log, with where it came from."""
    if not created:
        return
    deeds = {ADDITION: "added", DELETION: "deleted"}
    action = f"administration.{deeds.get(instance.action_flag, 'changed')}"
    kind = instance.content_type
    event_details = {
        "what": instance.get_change_message()[:500],
        "of": kind.model if kind else "",
        "id": instance.object_id or "",
    }
    audit.record(
        context.request,
        action,
        actor=None if context.request else instance.user,
        name=instance.object_repr,
        **event_details,
    )

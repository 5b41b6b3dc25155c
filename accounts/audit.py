"""Write to the log of who did what. Rows are in the caller's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from allauth.core import context
from django.db.models import Model
from django.http import HttpRequest

from accounts import proxies
from accounts.models import ApiKey, AuditEvent, User

# Every action that is recorded, and how it is told. The pages filter by its first word.
ACTIONS: dict[str, str] = {
    "sign-in.done": "signed in",
    "sign-in.failed": "failed to sign in",
    "sign-in.refused": "was refused by the trusted proxy's sign-in",
    "sign-out.done": "signed out",
    "session.ended": "ended a session",
    "sign-up.done": "signed up",
    "account.password": "changed the password",
    "account.password-reset": "reset the password",
    "account.email": "changed an e-mail address",
    "account.2fa-added": "added a second factor",
    "account.2fa-removed": "removed a second factor",
    "account.2fa-codes": "made new recovery codes",
    "account.linked": "linked another sign-in",
    "account.unlinked": "unlinked another sign-in",
    "key.made": "made an API key",
    "key.revoked": "revoked an API key",
    "webhook.added": "added a webhook",
    "webhook.changed": "changed a webhook",
    "webhook.secret": "made a new secret for a webhook",
    "webhook.callback-secret": "made a new secret for calls to callback_url",
    "webhook.deleted": "deleted a webhook",
    "account.export": "asked for an export",
    "account.deletion": "asked to delete the account",
    "account.deleted": "was deleted",
    "person.approved": "let a person in",
    "person.rejected": "turned a person away",
    "person.activated": "activated a person",
    "person.deactivated": "deactivated a person",
    "person.rights": "changed a person's rights",
    "person.limits": "changed a person's limits",
    "person.groups": "changed a person's groups",
    "person.email": "confirmed a person's e-mail address",
    "person.deleted": "deleted a person",
    "group.changed": "changed a group",
    "invitation.made": "made an invitation",
    "invitation.revoked": "revoked an invitation",
    "invitation.used": "used an invitation",
    "impersonation.began": "began to look as somebody else",
    "impersonation.ended": "ended looking as somebody else",
    "impersonation.opened": "opened a page as somebody else",
    "administration.changed": "changed something",
    "administration.added": "added something",
    "administration.deleted": "deleted something",
    "audit.exported": "exported the log",
    "share-link.made": "made a share link",
    "share-link.changed": "changed a share link",
    "share-link.revoked": "revoked a share link",
    "album.shared": "shared an album",
    "album.unshared": "ended the sharing of an album",
}


def record(
    request: HttpRequest | None,
    action: str,
    target: Model | None = None,
    /,
    *,
    actor: User | None = None,
    name: str = "",
    **details: Any,
) -> AuditEvent:
    """Append one event.

    `request`: None takes the one being answered, if there is one. `actor`: None is who
    is signed in. `name`: how the target is called, its text otherwise. `details` has
    no secrets and nobody's prompt in it: administrators read it.
    """
    request = request or context.request
    event = AuditEvent(action=action, details=_plain(details))
    _set_actor(event, request, actor)
    if target is not None:
        event.target_type = target._meta.label_lower
        event.target_id = str(target.pk or "")[:64]
        event.target_name = (name or str(target))[:200]
    elif name:
        event.target_name = name[:200]
    if request is not None:
        # A script's call: which of the person's keys opened the door.
        if isinstance(key := getattr(request, "auth", None), ApiKey):
            event.details["key"] = str(key)
        event.ip = proxies.client_address(request) or None
        event.user_agent = request.META.get("HTTP_USER_AGENT", "")[:200]
        event.request_id = getattr(request, "request_id", "")[:64]
    event.save()
    return event


def _plain(details: Mapping[str, Any]) -> dict[str, Any]:
    kept = (str, int, float, bool, list, dict, type(None))
    return {k: v if isinstance(v, kept) else str(v) for k, v in details.items()}


def _set_actor(
    event: AuditEvent, request: HttpRequest | None, actor: User | None
) -> None:
    user = getattr(request, "user", None)
    behind = getattr(request, "administrator", None)
    if actor is None and behind is not None:
        # The administrator does it, whoever they look as.
        event.seen_as_id, event.seen_as_name = user.pk, user.username  # type: ignore[union-attr]
        actor = behind
    if actor is None and isinstance(user, User):
        actor = user
    if actor is not None:
        event.actor_id, event.actor_name = actor.pk, actor.username[:150]

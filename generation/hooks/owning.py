"""A person's webhooks, as page and API change them. Each change is in the audit log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction

from accounts import audit, guard
from accounts.models import User, lock, rights_of
from generation.hooks import sending
from generation.models import Webhook
from generation.models.webhook import MAX_HOOKS, Event


class BadHook(Exception):
    """`field`: which value is wrong; None: none in particular."""

    def __init__(self, field: str | None, message: str) -> None:
        super().__init__(message)
        self.field = field


def add(owner: User, url: str, events: Iterable[str]) -> Webhook:
    """Raises BadHook. The secret is in the row, to be shown this once."""
    if not rights_of(owner).webhooks:
        raise BadHook(None, "Your groups may not use webhooks.")
    url, wanted = _checked(url), _known(events)
    with transaction.atomic():
        lock(owner.pk)
        if owner.webhooks.count() >= MAX_HOOKS:
            raise BadHook(None, f"You have {MAX_HOOKS} webhooks. Delete one first.")
        hook = Webhook.objects.create(owner=owner, url=url, events=wanted)
        _record("webhook.added", hook, events=wanted)
    return hook


def change(
    hook: Webhook,
    *,
    url: str | None = None,
    events: Iterable[str] | None = None,
    active: bool | None = None,
) -> None:
    """What is None stays. Raises BadHook."""
    if url is not None:
        hook.url = _checked(url)
    if events is not None:
        hook.events = _known(events)
    if active is not None:
        hook.active, hook.failures = active, 0
    with transaction.atomic():
        hook.save(update_fields=["url", "events", "active", "failures"])
        _record("webhook.changed", hook, events=hook.events, active=hook.active)


@transaction.atomic
def renew_secret(hook: Webhook) -> str:
    _record("webhook.secret", hook)
    return sending.rotate(hook)


@transaction.atomic
def renew_callback_secret(owner: User) -> str:
    audit.record(None, "webhook.callback-secret", owner, actor=owner)
    return sending.rotate_callback(owner.pk)


@transaction.atomic
def delete(hook: Webhook) -> None:
    _record("webhook.deleted", hook)
    hook.delete()


def _record(action: str, hook: Webhook, **details: Any) -> None:
    """By its host alone: in the rest of an address there may be a token."""
    host = urlsplit(hook.url).hostname or ""
    audit.record(None, action, hook, actor=hook.owner, name=host, **details)


def _checked(url: str) -> str:
    try:
        guard.check_url(url)
    except guard.Refused as exc:
        raise BadHook("url", str(exc)) from exc
    return url


def _known(events: Iterable[str]) -> list[str]:
    asked = set(events)
    if unknown := asked - set(Event.values):
        raise BadHook("events", f"There is no event “{min(unknown)[:40]}”.")
    if not asked:
        raise BadHook("events", "Choose at least one event.")
    return [event for event in Event.values if event in asked]

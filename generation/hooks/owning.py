"""A person's webhooks, as page and API change them."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from accounts import guard
from accounts.models import User, rights_of
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
        # One request of theirs after another, so that none slips past the limit.
        User.objects.select_for_update(no_key=True).get(pk=owner.pk)
        if owner.webhooks.count() >= MAX_HOOKS:
            raise BadHook(None, f"You have {MAX_HOOKS} webhooks. Delete one first.")
        return Webhook.objects.create(owner=owner, url=url, events=wanted)


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
    hook.save(update_fields=["url", "events", "active", "failures"])


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

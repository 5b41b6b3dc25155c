"""Ends of sessions: whoever holds a socket of one hears of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.dispatch import Signal
from django.http import HttpRequest
from django.utils import timezone

from accounts import proxies
from accounts.models import User

# Sent with `name`, the session's name as `name_of` makes it.
session_over = Signal()
# Sent with `person`, when they may not use Life-OS any more.
person_out = Signal()


def name_of(session_key: str | None) -> str:
    """A name for channel groups and logs that does not give the key away."""
    return hashlib.sha256(f"lifeos {session_key}".encode()).hexdigest()[:32]


def announce_end(session_key: str | None) -> None:
    if session_key:
        session_over.send(sender=Session, name=name_of(session_key))


def is_alive(session: SessionBase, person: User) -> bool:
    """Whether the session is still stored, and its person still active."""
    key = session.session_key
    stored = Session.objects.filter(pk=key, expire_date__gt=timezone.now())
    active = User.objects.filter(pk=person.pk, is_active=True)
    return stored.exists() and active.exists()


def remember(request: HttpRequest, person: User) -> None:
    """List the session among the person's devices, however it was opened.

    allauth does so for sign-ins by its own pages only.
    """
    key = request.session.session_key
    if key:
        UserSession.objects.get_or_create(
            session_key=key,
            defaults={
                "user": person,
                "ip": proxies.client_address(request) or "0.0.0.0",
                "user_agent": request.META.get("HTTP_USER_AGENT", "")[:200],
            },
        )


def end(sessions: Iterable[UserSession]) -> int:
    """End each in the store, too; how many."""
    count = 0
    for session in sessions:
        session.end()
        count += 1
    return count


def end_all(person: User, *, but: str | None = None) -> int:
    """All of a person's, but the one with this key."""
    rows = UserSession.objects.filter(user=person).exclude(session_key=but or "")
    ended = end(rows)
    if but is None:
        person_out.send(sender=User, person=person)
    return ended

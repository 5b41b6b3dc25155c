"""Open sockets of sessions that end are closed, and of people who may not be here."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from accounts import sessions
from accounts.models import User
from generation import events


def session_group(session_key: str | None) -> str:
    """The group of all sockets that one session has open."""
    return f"session.{sessions.name_of(session_key)}"


@receiver(sessions.session_over)
def close_sockets_of_session(name: str, **_: Any) -> None:
    events.send(f"session.{name}", {"type": "session.over"})


@receiver(sessions.person_out)
def close_sockets_of_person(person: User, **_: Any) -> None:
    events.send(events.user_group(person.pk), {"type": "session.over"})

"""Who is signed in: the two queries that every request of a browser begins with.

They are Django's own, compiled once.
"""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.db.models import BigIntegerField, CharField, DateTimeField
from django.utils import timezone

from accounts.models import User
from accounts.prepared import Prepared, Slot

_sessions: Prepared[Session] = Prepared(
    lambda: Session.objects.filter(
        session_key=Slot("key", CharField()),
        expire_date__gt=Slot("now", DateTimeField()),
    )
)
_people: Prepared[User] = Prepared(
    lambda: User.objects.filter(pk=Slot("person", BigIntegerField()))
)


class SessionStore(db.SessionStore):
    """Sessions in the database."""

    def _get_session_from_db(self) -> Session | None:
        found = _sessions.objects(key=self.session_key, now=timezone.now())
        if found:
            return found[0]
        self._session_key = None
        return None


class Backend(AuthenticationBackend):  # type: ignore[misc]
    """Passwords, as allauth has them checked."""

    def get_user(self, user_id: Any) -> User | None:
        found = _people.objects(person=user_id)
        return found[0] if found and self.user_can_authenticate(found[0]) else None

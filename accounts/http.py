"""Requests whose person is known: views behind a sign-in take these."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from accounts.models import User


class PersonRequest(HttpRequest):
    """A request of a signed-in person."""

    user: User
    htmx: HtmxDetails


def person(request: HttpRequest) -> User:
    """The signed-in person; only behind a sign-in check."""
    user = request.user
    if not isinstance(user, User):
        raise AssertionError("this view is not behind a sign-in check")
    return user

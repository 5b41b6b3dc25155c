"""Requests whose person is known: views behind a sign-in take these."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

from accounts.models import User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http.response import HttpResponseBase

    View = Callable[..., HttpResponseBase]


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


def own_place(request: HttpRequest, *places: str | None) -> str:
    """The first of these addresses that is one of ours; empty if none is."""
    for place in places:
        if place and url_has_allowed_host_and_scheme(
            place, {request.get_host()}, require_https=request.is_secure()
        ):
            return place
    return ""


def has_second_factor(request: HttpRequest) -> bool:
    """Whether this session was opened with one, where staff need it."""
    if not settings.LIFEOS_STAFF_2FA:
        return True
    user = request.user
    if not isinstance(user, User) or not is_mfa_enabled(user):
        return False
    records = get_authentication_records(request, user)
    return any(record.get("method") == "mfa" for record in records)


def demand_second_factor(request: HttpRequest) -> HttpResponse:
    """To the page where it is set up, or asked for."""
    return redirect(f"{reverse('people:second-factor')}?next={request.path}")


def staff(view: View) -> View:
    """Strangers sign in first; for people who do not administer it does not exist."""

    @wraps(view)
    def seen(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path(), "account_login")
        if not (request.user.is_staff and request.user.is_active):
            # To sign in would lead straight back here.
            raise Http404
        if not has_second_factor(request):
            return demand_second_factor(request)
        return view(request, *args, **kwargs)

    return seen


def sensitive(view: View) -> View:
    """The person proves once more who they are, unless they just did."""

    @wraps(view)
    def seen(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path(), "account_login")
        if not did_recently_reauthenticate(request):
            address = reverse("account_reauthenticate")
            back = request.get_full_path()
            if request.method == "POST":
                back = reverse(request.resolver_match.view_name)  # type: ignore[union-attr]
            return redirect_to_login(back, address)
        return view(request, *args, **kwargs)

    return seen

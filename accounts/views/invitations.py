"""Invitations: made and revoked by staff, followed by those who were invited."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from accounts import audit, parts, signup
from accounts.forms import InvitationForm
from accounts.http import person, staff
from accounts.models import Invitation

SHOWN = 100


@staff
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation_list(request: HttpRequest) -> HttpResponse:
    """The link is shown in the answer to the form and never again."""
    data = request.POST if request.method == "POST" else None
    form, limits = InvitationForm(data), parts.limits_form(None, data)
    link, status = "", 200
    if data is not None:
        if form.is_valid() and (limits is None or limits.is_valid()):
            link = _make(request, form, limits)
            form, limits = InvitationForm(), parts.limits_form(None)
        else:
            status = 422
    rows = Invitation.objects.select_related("group", "author")[:SHOWN]
    context: dict[str, Any] = {
        "form": form,
        "limits": limits,
        "link": link,
        "rows": rows,
        "closed": settings.LIFEOS_SIGNUP == "closed",
        "sent_to": data.get("email") if link and data and data.get("send") else "",
    }
    return render(request, "people/invitations.html", context, status=status)


def _make(request: HttpRequest, form: InvitationForm, limits: Any) -> str:
    """The link; also sent by mail where that was asked for."""
    values = {**form.cleaned_data, "expires_at": form.expires_at}
    del values["valid_for"]
    given = limits.cleaned_data if limits is not None else {}
    with transaction.atomic():
        row, token = Invitation.make(
            **values,
            author=person(request),
            limits={k: v for k, v in given.items() if v is not None},
        )
        audit.record(request, "invitation.made", row, uses=row.max_uses)
    link = request.build_absolute_uri(reverse("people:join", args=[token]))
    if request.POST.get("send") and row.email:
        context = {"invitation": row, "link": link, "author": person(request)}
        signup.mail(row.email, "people/mail/invitation", context)
    return link


@staff
@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Invitation, pk=pk)
    if row.revoke():
        audit.record(request, "invitation.revoked", row)
        messages.success(request, f"The link of {row} does not work any more.")
    return redirect("people:invitations")


@never_cache
@require_safe
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Remember the invitation for this visit, and go on to the sign-up."""
    row = Invitation.objects.by_token(token[:100])
    if row is None or settings.LIFEOS_SIGNUP == "closed":
        return render(request, "people/invitation_gone.html", status=404)
    if request.user.is_authenticated:
        return redirect("/")
    request.session[signup.INVITED] = row.pk
    response = redirect("account_signup")
    # The link is a secret: no page that is opened next learns it.
    response["Referrer-Policy"] = "no-referrer"
    return response

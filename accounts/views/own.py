"""One's own pages: security, sessions, the copy of one's data, leaving."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from accounts import audit, parts, sessions, tasks
from accounts.forms import DeleteForm
from accounts.http import has_second_factor, person, sensitive
from accounts.models import AuditEvent, Export, User
from accounts.models.user import is_last_administrator

SIGN_INS = ("sign-in.done", "sign-in.failed")


@login_required
@require_safe
def security(request: HttpRequest) -> HttpResponse:
    """How the account is guarded, and who was here."""
    user = person(request)
    kinds = list(Authenticator.objects.filter(user=user).values_list("type", flat=True))
    events = AuditEvent.objects.filter(
        target_type="accounts.user", target_id=str(user.pk), action__in=SIGN_INS
    )
    context: dict[str, Any] = {
        "has_totp": "totp" in kinds,
        "passkeys": kinds.count("webauthn"),
        "has_codes": "recovery_codes" in kinds,
        "sessions": UserSession.objects.filter(user=user).count(),
        "addresses": EmailAddress.objects.filter(user=user),
        "linked": SocialAccount.objects.filter(user=user),
        "events": events.order_by("-created", "-id")[:8],
        "looks": user.impersonated.all()[:8],
        "must_have_factor": settings.LIFEOS_STAFF_2FA and user.is_staff,
        "providers": bool(settings.SOCIAL_NAMES),
    }
    return render(request, "people/security.html", context)


@login_required
@require_safe
def second_factor(request: HttpRequest) -> HttpResponse:
    """Where staff end up whose session has one factor only."""
    back = request.GET.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, None):
        back = "/"
    if has_second_factor(request):
        return redirect(back)
    kinds = ("totp", "webauthn")
    has_one = Authenticator.objects.filter(user=person(request), type__in=kinds)
    context = {"has_one": has_one.exists(), "next": back}
    return render(request, "people/second_factor.html", context)


@login_required
@require_POST
def end_session(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign one device out; its open pages notice at once."""
    row = get_object_or_404(UserSession, pk=pk, user=person(request))
    if row.session_key == request.session.session_key:
        logout(request)
        return redirect("account_login")
    row.end()
    audit.record(request, "session.ended", person(request), device=row.user_agent[:120])
    messages.success(request, "That device is signed out.")
    return redirect("usersessions_list")


# The copy of one's data -----------------------------------------------------------


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def export(request: HttpRequest) -> HttpResponseBase:
    if request.method == "POST":
        return _ask_for_export(request)
    context = {"exports": person(request).exports.all()[:5]}
    return render(request, "people/export.html", context)


@sensitive
def _ask_for_export(request: HttpRequest) -> HttpResponse:
    user = person(request)
    try:
        with transaction.atomic():
            row = Export.objects.create(owner=user)
    except IntegrityError:
        messages.info(request, "Your copy is being made already.")
        return redirect("people:export")
    audit.record(request, "account.export", user)
    transaction.on_commit(lambda: tasks.make_export(str(row.pk)))
    messages.success(request, "Your copy is being made. It takes a while.")
    return redirect("people:export")


@sensitive
@require_safe
def export_file(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    row = get_object_or_404(Export, pk=pk, owner=person(request))
    if not row.is_there:
        raise Http404
    try:
        file = default_storage.open(row.file, "rb")
    except OSError as exc:
        raise Http404("The file is gone.") from exc
    name = f"life-os-{row.created:%Y-%m-%d}.zip"
    return FileResponse(file, as_attachment=True, filename=name)


# Leaving --------------------------------------------------------------------------


@sensitive
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest) -> HttpResponse:
    user = person(request)
    last = is_last_administrator(user)
    form = DeleteForm(request.POST or None, person=user)
    if request.method == "POST" and not last and form.is_valid():
        _begin_deletion(request, user)
        return redirect("people:gone")
    goes = [text for part in parts.Registry.all() for text in part.goes(user)]
    context = {
        "form": form,
        "goes": goes,
        "is_last": last,
        "can_prove": bool(get_reauthentication_flows(user)),
    }
    return render(request, "people/delete.html", context)


def _begin_deletion(request: HttpRequest, user: User) -> None:
    with transaction.atomic():
        audit.record(request, "account.deletion", user)
        user.is_active, user.deletion_asked = False, timezone.now()
        user.save(update_fields=["is_active", "deletion_asked"])
        sessions.end_all(user)
        transaction.on_commit(lambda: tasks.delete_account(user.pk))
    logout(request)


@require_safe
def gone(request: HttpRequest) -> HttpResponse:
    return render(request, "people/gone.html")

"""/accounts/notices/: the bell's history, and how one wants to hear of things."""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts import notices
from accounts.http import PersonRequest
from accounts.models import Notice, NoticeSettings, User

PAGE = 30


class SettingsForm(forms.ModelForm[NoticeSettings]):
    class Meta:
        model = NoticeSettings
        fields = ["mail_after_minutes"]
        labels = {"mail_after_minutes": "E-mail for jobs longer than (minutes)"}
        help_texts = {"mail_after_minutes": "Leave it empty for no e-mail."}


@dataclass(frozen=True, slots=True)
class NoticePage:
    items: list[Notice]
    next: int | None


def page_before(owner: User, before: str, limit: int = PAGE) -> NoticePage:
    """Newest first. Raises ValueError for what is no number of a notice."""
    rows = Notice.objects.filter(person=owner)
    if before:
        if not (before.isascii() and before.isdigit() and len(before) < 19):
            raise ValueError(before)
        rows = rows.filter(pk__lt=int(before))
    found = list(rows[: limit + 1])
    items = found[:limit]
    return NoticePage(items, items[-1].pk if len(found) > limit else None)


@login_required
def notice_list(request: PersonRequest) -> HttpResponse:
    row = NoticeSettings.objects.filter(person=request.user).first()
    row = row or NoticeSettings(person=request.user)
    form = SettingsForm(
        request.POST if request.method == "POST" else None, instance=row
    )
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Your choice is saved.")
        return redirect("accounts:notices")
    try:
        page = page_before(request.user, request.GET.get("before", ""))
    except ValueError as exc:
        raise Http404 from exc
    unread = notices.unread(request.user.pk)
    context = {"page": page, "form": form, "unread": unread}
    status = 422 if form.errors else 200
    return render(request, "accounts/notices.html", context, status=status)


@login_required
@require_safe
def notice(request: PersonRequest, pk: int) -> HttpResponse:
    """Go to what it is about; then it is read."""
    found = get_object_or_404(Notice, pk=pk, person=request.user)
    if not hasattr(request, "impersonation"):
        notices.mark_read(request.user.pk, found.pk)
    # Only our own pages are ever written there; this makes sure of it.
    own = found.url.startswith("/") and not found.url.startswith(("//", "/\\"))
    return redirect(found.url if own else "accounts:notices")


@login_required
@require_POST
def read_all(request: PersonRequest) -> HttpResponse:
    notices.mark_read(request.user.pk)
    return redirect("accounts:notices")

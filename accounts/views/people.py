"""People, for administrators."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from accounts import audit, impersonate, parts, sessions, signup, tasks
from accounts.forms import PersonForm, ReasonForm
from accounts.http import person, staff
from accounts.models import AuditEvent, User
from accounts.models.user import is_last_administrator

PAGE = 30
STANDINGS = {
    "": Q(),
    "waiting": Q(awaiting_approval=True),
    "active": Q(is_active=True),
    "inactive": Q(is_active=False, awaiting_approval=False),
    "staff": Q(is_staff=True),
}


LABELS = [
    ("", "Everybody"),
    ("waiting", "Waiting"),
    ("active", "Active"),
    ("inactive", "Switched off"),
    ("staff", "Staff"),
]


@staff
@require_safe
def people_list(request: HttpRequest) -> HttpResponse:
    found = _found(request)
    before = request.GET.get("before", "")
    if before:
        if not before.isdecimal() or len(before) > 18:
            raise Http404
        found = found.filter(pk__lt=int(before))
    rows = list(found.order_by("-pk").prefetch_related("groups")[: PAGE + 1])
    people = rows[:PAGE]
    facts = parts.facts(people)
    kept: dict[str, str] = {
        k: str(request.GET[k]) for k in ("q", "standing", "group") if request.GET.get(k)
    }
    older = (
        urlencode({**kept, "before": str(people[-1].pk)}) if len(rows) > PAGE else ""
    )
    context: dict[str, Any] = {
        "rows": [(row, facts[row.pk]) for row in people],
        "older": older,
        "q": request.GET.get("q", ""),
        "standing": request.GET.get("standing", ""),
        "standings": LABELS,
        "group": request.GET.get("group", ""),
        "groups": Group.objects.order_by("name"),
        "waiting": User.objects.filter(awaiting_approval=True)[:100].count(),
    }
    return render(request, "people/list.html", context)


def _found(request: HttpRequest) -> QuerySet[User]:
    rows = User.objects.filter(STANDINGS.get(request.GET.get("standing", ""), Q()))
    group = request.GET.get("group", "")
    if group.isdecimal() and len(group) < 10:
        rows = rows.filter(groups=int(group))
    for word in request.GET.get("q", "").split()[:5]:
        rows = rows.filter(
            Q(username__icontains=word)
            | Q(email__icontains=word)
            | Q(first_name__icontains=word)
            | Q(last_name__icontains=word)
        )
    return rows


@staff
@require_safe
def person_page(request: HttpRequest, pk: int) -> HttpResponse:
    return _person_page(request, get_object_or_404(User, pk=pk))


def _person_page(
    request: HttpRequest, shown: User, status: int = 200, **forms: Any
) -> HttpResponse:
    me = person(request)
    may_change = may_change_person(me, shown)
    events = AuditEvent.objects.filter(
        Q(actor_id=shown.pk) | Q(target_type="accounts.user", target_id=str(shown.pk))
    )
    context: dict[str, Any] = {
        "shown": shown,
        "facts": parts.facts([shown])[shown.pk],
        "addresses": EmailAddress.objects.filter(user=shown),
        "factors": Authenticator.objects.filter(user=shown).count(),
        "may_change": may_change,
        "may_look": impersonate.may(me, shown),
        "rights": PersonForm(instance=shown, may_appoint=me.is_superuser),
        "limits": parts.limits_form(shown),
        "reason": ReasonForm(),
        "events": events.order_by("-created", "-id")[:10],
        **forms,
    }
    return render(request, "people/person.html", context, status=status)


def may_change_person(me: User, other: User) -> bool:
    """Staff change members; staff and administrators only an administrator does."""
    return me.is_superuser or not (other.is_staff or other.is_superuser)


def _changeable(request: HttpRequest, pk: int) -> User | None:
    """The person, unless they stand above who asks: then that is told."""
    shown = get_object_or_404(User, pk=pk)
    if may_change_person(person(request), shown):
        return shown
    messages.error(request, "Only an administrator can change staff.")
    return None


@staff
@require_POST
def do(request: HttpRequest, pk: int) -> HttpResponse:
    """One of the buttons on a person's page."""
    shown = _changeable(request, pk)
    deed = DEEDS.get(request.POST.get("do", ""))
    if shown is not None and deed is None:
        messages.error(request, "That is nothing that can be done to a person.")
    elif shown is not None and deed is not None:
        deed(request, shown)
    if not User.objects.filter(pk=pk).exists():
        return redirect("people:list")
    return redirect("people:person", pk)


def _approve(request: HttpRequest, shown: User) -> None:
    rows = User.objects.filter(pk=shown.pk, awaiting_approval=True)
    if not rows.update(awaiting_approval=False, is_active=True):
        messages.info(request, f"{shown} does not wait any more.")
        return
    audit.record(request, "person.approved", shown)
    signup.tell_approved(request, shown)
    messages.success(request, f"{shown} is let in.")


def _reject(request: HttpRequest, shown: User) -> None:
    """They were never in: nothing of theirs is lost with the row."""
    if not shown.awaiting_approval:
        messages.info(request, f"{shown} does not wait any more.")
        return
    audit.record(request, "person.rejected", shown)
    shown.delete()
    messages.success(request, f"{shown} is turned away.")


def _activate(request: HttpRequest, shown: User) -> None:
    if shown.deletion_asked:
        messages.error(request, f"{shown} has asked to be deleted.")
        return
    User.objects.filter(pk=shown.pk).update(is_active=True, awaiting_approval=False)
    audit.record(request, "person.activated", shown)
    messages.success(request, f"{shown} can sign in again.")


def _deactivate(request: HttpRequest, shown: User) -> None:
    """Out at once, on every device; what they made stays."""
    if shown == person(request) or is_last_administrator(shown):
        messages.error(request, "Somebody has to administer Life-OS.")
        return
    with transaction.atomic():
        User.objects.filter(pk=shown.pk).update(is_active=False)
        audit.record(request, "person.deactivated", shown)
    sessions.end_all(shown)
    messages.success(request, f"{shown} is signed out and can't sign in any more.")


def _delete(request: HttpRequest, shown: User) -> None:
    """In two steps, so that no click by mistake does it; files and jobs go too."""
    if shown.is_active or shown == person(request):
        messages.error(request, f"Switch {shown} off first.")
        return
    with transaction.atomic():
        now = timezone.now()
        User.objects.filter(pk=shown.pk).update(
            deletion_asked=now, awaiting_approval=False
        )
        audit.record(request, "person.deleted", shown)
        transaction.on_commit(lambda: tasks.delete_account(shown.pk))
    messages.success(request, f"{shown} and all that they made is being deleted.")


def _sign_out(request: HttpRequest, shown: User) -> None:
    count = sessions.end_all(shown)
    audit.record(request, "session.ended", shown, sessions=count)
    messages.success(request, f"{shown} is signed out on every device.")


def _confirm_email(request: HttpRequest, shown: User) -> None:
    """By hand, where there is no mail server; so that trusted sign-in finds them."""
    if not shown.email:
        messages.error(request, f"{shown} has no e-mail address.")
        return
    taken = EmailAddress.objects.filter(email__iexact=shown.email, verified=True)
    if taken.exclude(user=shown).exists():
        messages.error(request, "Somebody else has confirmed this address.")
        return
    EmailAddress.objects.update_or_create(
        user=shown,
        email=shown.email.lower(),
        defaults={"verified": True, "primary": True},
    )
    audit.record(request, "person.email", shown)
    messages.success(request, f"{shown.email} counts as confirmed.")


DEEDS = {
    "approve": _approve,
    "reject": _reject,
    "activate": _activate,
    "deactivate": _deactivate,
    "delete": _delete,
    "sign-out": _sign_out,
    "confirm-email": _confirm_email,
}


@staff
@require_POST
def change_rights(request: HttpRequest, pk: int) -> HttpResponse:
    shown = _changeable(request, pk)
    if shown is None:
        return redirect("people:person", pk)
    me = person(request)
    was_last = is_last_administrator(shown)
    form = PersonForm(request.POST, instance=shown, may_appoint=me.is_superuser)
    if not form.is_valid():
        shown.refresh_from_db()
        return _person_page(request, shown, 422, rights=form)
    if was_last and not form.cleaned_data.get("is_superuser", True):
        form.add_error("is_superuser", "Somebody has to administer Life-OS.")
        shown.refresh_from_db()
        return _person_page(request, shown, 422, rights=form)
    with transaction.atomic():
        form.save()
    messages.success(request, f"{shown} is changed.")
    return redirect("people:person", pk)


@staff
@require_POST
def change_limits(request: HttpRequest, pk: int) -> HttpResponse:
    shown = _changeable(request, pk)
    form = parts.limits_form(shown, request.POST) if shown else None
    if shown is None or form is None:
        return redirect("people:person", pk)
    if not form.is_valid():
        return _person_page(request, shown, 422, limits=form)
    with transaction.atomic():
        form.save()
        audit.record(request, "person.limits", shown, **form.cleaned_data)
    messages.success(request, f"The limits of {shown} are changed.")
    return redirect("people:person", pk)


# To look as somebody else ---------------------------------------------------------


@staff
@require_POST
def look_as(request: HttpRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(User, pk=pk)
    me = person(request)
    if not impersonate.may(me, shown):
        messages.error(request, "Nobody can look as staff, or as who can't sign in.")
        return redirect("people:person", pk)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _person_page(request, shown, 422, reason=form)
    impersonate.begin(request, me, shown, form.cleaned_data["reason"])
    return redirect("/")


@require_POST
def end_look(request: HttpRequest) -> HttpResponse:
    """Reached while looking, so it asks for no staff."""
    row = getattr(request, "impersonation", None)
    impersonate.end(request)
    return redirect("people:person", row.person_id) if row else redirect("/")

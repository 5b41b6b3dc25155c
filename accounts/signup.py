"""How people come in: open to all, by an invitation, or after approval."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from accounts import audit, parts
from accounts.models import Invitation, User

if TYPE_CHECKING:
    from django.http import HttpRequest

log = logging.getLogger(__name__)

INVITED = "invitation"


def invitation_of(request: HttpRequest) -> Invitation | None:
    """The invitation whose link this visitor opened, while it can be used."""
    pk = request.session.get(INVITED) if hasattr(request, "session") else None
    if not pk or settings.LIFEOS_SIGNUP == "closed":
        return None
    return Invitation.objects.usable().filter(pk=pk).select_related("group").first()


def is_open(request: HttpRequest) -> bool:
    """closed: to nobody. invite: by link. open: to everybody."""
    if settings.LIFEOS_SIGNUP == "open":
        return True
    return settings.LIFEOS_SIGNUP == "invite" and invitation_of(request) is not None


def admit(request: HttpRequest, user: User) -> None:
    """Before the row is saved: take the invitation's use, or make the person wait.

    Raises ImmediateHttpResponse when the last use was taken a moment ago.
    """
    pk = request.session.get(INVITED)
    invitation = invitation_of(request)
    if invitation is not None and invitation.use():
        return
    if pk and settings.LIFEOS_SIGNUP != "open":
        request.session.pop(INVITED, None)
        page = render(request, "people/invitation_gone.html", status=410)
        raise ImmediateHttpResponse(page)
    if not is_open(request):
        raise ImmediateHttpResponse(render(request, "account/signup_closed.html"))
    if settings.LIFEOS_SIGNUP_APPROVAL:
        user.is_active, user.awaiting_approval = False, True


def settle(request: HttpRequest, user: User) -> None:
    """After the row is saved: group and limits of the invitation; the log."""
    pk = request.session.pop(INVITED, None)
    invitation = Invitation.objects.filter(pk=pk).first() if pk else None
    if invitation is not None and not user.awaiting_approval:
        if invitation.group is not None:
            user.groups.add(invitation.group)
        _give_limits(user, invitation)
        audit.record(request, "invitation.used", invitation, actor=user)
    audit.record(request, "sign-up.done", user, actor=user, standing=user.standing)
    if user.awaiting_approval:
        request.session["standing"] = user.standing
        transaction.on_commit(lambda: tell_administrators(request, user))


def _give_limits(user: User, invitation: Invitation) -> None:
    if not invitation.limits:
        return
    form = parts.limits_form(user, invitation.limits)
    if form is not None and form.is_valid():
        form.save()


def tell_administrators(request: HttpRequest, user: User) -> None:
    """One e-mail to each; the page shows it without."""
    staff = User.objects.filter(is_staff=True, is_active=True).exclude(email="")
    link = request.build_absolute_uri(f"{reverse('people:list')}?standing=waiting")
    for administrator in staff[:50]:
        mail(administrator.email, "people/mail/waiting", {"person": user, "link": link})


def tell_approved(request: HttpRequest, user: User) -> None:
    link = request.build_absolute_uri(reverse("account_login"))
    if user.email:
        mail(user.email, "people/mail/approved", {"person": user, "link": link})


def mail(to: str, template: str, context: dict[str, object]) -> None:
    """The first line of the template is the subject. A mail server that is away is
    logged and stops nothing."""
    text = render_to_string(f"{template}.txt", context)
    subject, _, body = text.strip().partition("\n")
    try:
        send_mail(f"[Life-OS] {subject}", body.strip(), None, [to])
    except OSError as exc:
        log.warning("an e-mail could not be sent: %s", exc)


def context(request: HttpRequest) -> dict[str, object]:
    """For templates, worked out only by those that ask: is sign-up open, for whom."""
    invited = SimpleLazyObject(lambda: invitation_of(request))
    return {
        "signup_open": SimpleLazyObject(lambda: is_open(request)),
        "invited": invited,
        "approval": SimpleLazyObject(
            lambda: settings.LIFEOS_SIGNUP_APPROVAL and not invitation_of(request)
        ),
    }

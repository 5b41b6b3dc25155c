"""Notices that go out by e-mail, too."""

from __future__ import annotations

import logging
import smtplib
from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.models import Notice

log = logging.getLogger(__name__)

# Until then nobody else sends it; after a failure it is tried again then.
LEASE = timedelta(minutes=5)
# An e-mail that late is of no use.
STALE = timedelta(days=1)
AT_ONCE = 50


def send_due() -> int:
    """Send those that are due; how many went out."""
    now = timezone.now()
    Notice.objects.filter(mail_due__lte=now, created__lt=now - STALE).update(
        mail_due=None
    )
    due = Notice.objects.filter(mail_due__lte=now, person__is_active=True)
    sent = 0
    for notice in due.select_related("person").order_by("mail_due")[:AT_ONCE]:
        rows = Notice.objects.filter(pk=notice.pk, mail_due=notice.mail_due)
        if rows.update(mail_due=now + LEASE) and _send(notice):
            Notice.objects.filter(pk=notice.pk).update(mail_due=None)
            sent += 1
    return sent


def _send(notice: Notice) -> bool:
    """True also where there is nobody to write to."""
    if not notice.person.email:
        return True
    url = settings.LIFEOS_URL + notice.url if settings.LIFEOS_URL else ""
    text = render_to_string(
        "accounts/notice_mail.txt", {"notice": notice, "address": url}
    )
    message = EmailMessage(notice.title, text, to=[notice.person.email])
    try:
        message.send()
    except (OSError, smtplib.SMTPException) as exc:
        log.warning("an e-mail was not sent: %s", exc)
        return False
    return True

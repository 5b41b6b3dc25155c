"""The bell as sockets send it: how much is unread, and what just happened."""

from __future__ import annotations

import json

from django.template.loader import render_to_string

from accounts import notices
from accounts.models import Notice, User
from generation.border import in_thread


@in_thread
def message(user: User, notice_id: int = 0) -> str | None:
    """What htmx swaps, with the notice for static/js/notify.js; of theirs alone.

    None: there is nobody to tell, or (without a notice) nothing that is unread.
    """
    if not User.objects.filter(pk=user.pk, is_active=True).exists():
        return None
    found = Notice.objects.filter(pk=notice_id, person=user).unread().first()
    told = {
        "target": "#bell",
        "swap": "outerHTML",
        "content": render_to_string(
            "_bell.html", {"unread": notices.unread(user.pk)}
        ).strip(),
    }
    if found is not None:
        told["notice"] = {  # type: ignore[assignment]
            "id": found.pk,
            "title": found.title,
            "text": found.text,
            "url": f"/accounts/notices/{found.pk}/",
        }
    return json.dumps(told)


@in_thread
def has_unread(user: User) -> bool:
    return Notice.objects.filter(person=user).unread().exists()

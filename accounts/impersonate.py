"""To look at Life-OS as somebody else: read only, logged, told to that person."""

from __future__ import annotations

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts import audit
from accounts.models import Impersonation, User

SESSION_KEY = "impersonation"
# The person's own keys: their second factor, their sessions, exports, API keys.
PRIVATE = (
    "/accounts/",
    "/_allauth/",
    "/admin/",
    "/people/",
    "/api/notices",
    "/api/webhooks",
    "/ws/",
)


def may(administrator: User, person: User) -> bool:
    """Never another administrator, never oneself, nobody who may not sign in."""
    if not (administrator.is_staff and administrator.is_active):
        return False
    return person.is_active and not (person.is_staff or person.is_superuser)


def begin(request: HttpRequest, administrator: User, person: User, reason: str) -> None:
    row = Impersonation.objects.create(
        administrator=administrator,
        administrator_name=administrator.username,
        person=person,
        reason=reason,
    )
    request.session[SESSION_KEY] = row.pk
    audit.record(request, "impersonation.began", person, reason=reason)


def current(request: HttpRequest) -> Impersonation | None:
    """What this session looks as, unless that is over or not allowed any more."""
    pk = request.session.get(SESSION_KEY)
    if not pk:
        return None
    rows = Impersonation.objects.select_related("person")
    row = rows.filter(pk=pk, administrator_id=request.user.pk, ended=None).first()
    user = request.user
    if row and not row.is_over and isinstance(user, User) and may(user, row.person):
        return row
    del request.session[SESSION_KEY]
    if row:
        row.end()
    return None


def end(request: HttpRequest) -> None:
    row: Impersonation | None = getattr(request, "impersonation", None)
    request.session.pop(SESSION_KEY, None)
    if row is not None and row.end():
        audit.record(request, "impersonation.ended", row.person)


def end_path() -> str:
    return reverse("people:end-impersonation")


def is_private(request: HttpRequest) -> bool:
    return request.path.startswith(PRIVATE)


def log_opened(request: HttpRequest, response: HttpResponse) -> None:
    """Each address once an hour; what was not found or not changed was not seen."""
    row: Impersonation = request.impersonation  # type: ignore[attr-defined]
    if response.status_code not in (200, 206, 304):
        return
    if cache.add(f"opened:{row.pk}:{request.get_full_path()[:150]}", 1, 3600):
        audit.record(
            request, "impersonation.opened", row.person, path=request.path[:300]
        )

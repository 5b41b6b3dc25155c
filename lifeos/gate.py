"""What nginx asks before it lets somebody through to ComfyUI (`auth_request`)."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from django.contrib.admin.models import CHANGE, LogEntry
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User

log = logging.getLogger(__name__)
# One visit makes hundreds of requests; the administration's log has it once.
SAME_VISIT = 3600


@require_safe
@never_cache
def comfyui(request: HttpRequest) -> HttpResponse:
    """204 for signed-in staff, 401 for nobody, 403 for everybody else.

    nginx asks with the headers of the request that it holds. A page of another site
    may open a WebSocket to us with a cookie where a browser lets it: its Origin shows.
    """
    if not request.user.is_authenticated:
        return HttpResponse(status=401)
    if not request.user.is_staff or not _same_site(request):
        return HttpResponse(status=403)
    _remember(request.user)
    return HttpResponse(status=204)


def _same_site(request: HttpRequest) -> bool:
    origin = request.headers.get("Origin")
    return not origin or urlsplit(origin).netloc == request.get_host()


def _remember(user: User) -> None:
    if cache.add(f"comfyui-visit:{user.pk}", 1, timeout=SAME_VISIT):
        log.info("opened ComfyUI itself", extra={"user": user.pk})
        LogEntry.objects.log_actions(
            user.pk,
            User.objects.filter(pk=user.pk),
            CHANGE,
            change_message="opened ComfyUI's own interface",
            single_object=True,
        )

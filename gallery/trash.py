"""The trash: what was deleted, for a while, and its way back or out for good.

One click never deletes for good: the button leads to a page that says what will be gone
and asks again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import BadValues
from accounts.http import PersonRequest
from accounts.models import User
from accounts.paging import BadCursor, decode, encode_at
from gallery import grid, marking, marks
from gallery.files import variants
from gallery.keeping import emptying
from gallery.models import Image


@dataclass(frozen=True, slots=True)
class Deleted:
    """A tile of the trash; `days` are left before it goes by itself."""

    tile: grid.Tile
    days: int


def of(user: User) -> QuerySet[Image]:
    return Image.objects.filter(owner=user).exclude(deleted_at=None)


def _page(rows: QuerySet[Image], cursor: str) -> tuple[list[Image], str | None]:
    """What was deleted last comes first. Raises BadCursor."""
    if cursor:
        when, pk = decode(cursor)
        earlier = Q(deleted_at__lt=when) | Q(id__lt=pk)
        rows = rows.filter(deleted_at__lte=when).filter(earlier)
    rows = rows.order_by("-deleted_at", "-id").defer(*grid.UNSEEN)
    found = list(rows[: grid.PAGE + 1])
    items = found[: grid.PAGE]
    if len(found) <= grid.PAGE or items[-1].deleted_at is None:
        return items, None
    return items, encode_at(items[-1].deleted_at, items[-1].pk)


def days_left(deleted_at: datetime) -> int:
    until = deleted_at + timedelta(days=settings.LIFEOS_TRASH_DAYS)
    return max(0, math.ceil((until - timezone.now()) / timedelta(days=1)))


@login_required
@require_safe
def trash(request: PersonRequest) -> HttpResponse:
    try:
        images, after = _page(of(request.user), request.GET.get("cursor", ""))
    except BadCursor as exc:
        raise Http404 from exc
    density = grid.density_of(request)
    tiles = [
        Deleted(grid.Tile(i, density=density), days_left(i.deleted_at))
        for i in images
        if i.deleted_at
    ]
    context = {
        "page": {"tiles": tiles, "next": after},
        "density": density,
        "days": settings.LIFEOS_TRASH_DAYS,
    }
    name = "_trash_tiles.html" if request.htmx else "trash.html"
    response = render(request, f"gallery/{name}", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@login_required
@require_safe
def thumbnail(request: PersonRequest, pk: UUID, size: str) -> HttpResponseBase:
    """Of one's own picture in the trash, which is found nowhere else."""
    found = get_object_or_404(of(request.user), pk=pk)
    return variants.thumbnail(request, found, size)


@login_required
@require_POST
def delete(request: PersonRequest) -> HttpResponse:
    """Fields: `ids`, or `all`; the second time `sure` as well."""
    everything = "all" in request.POST
    try:
        ids = marking.read_ids(request.POST.getlist("ids"))[: marks.MAX_PICTURES]
    except BadValues:
        ids = []
    rows = of(request.user) if everything else of(request.user).filter(pk__in=ids)
    # Never more at once than a request can do; the button can be pressed again.
    chosen = list(rows.order_by("deleted_at").defer(*grid.UNSEEN)[: marks.MAX_PICTURES])
    if not chosen:
        messages.error(request, "Choose at least one picture in the trash.")
        return redirect("gallery:trash")
    if "sure" not in request.POST:
        more = everything and rows.count() - len(chosen)
        context = {"images": chosen, "everything": everything, "more": more}
        return render(request, "gallery/trash_delete.html", context)
    gone = emptying.empty(request.user, [image.pk for image in chosen])
    left = everything and of(request.user).exists()
    sentence = f"{marks.counted(gone)} {'is' if gone == 1 else 'are'} gone for good."
    if left:
        sentence += " There are more: empty the trash again."
    messages.success(request, sentence)
    return redirect("gallery:trash")

"""/gallery/tags/: rename, merge and delete one's tags."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import Count, Q
from django.db.models.functions import Lower
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import BadValues
from accounts.http import PersonRequest
from gallery import tags
from gallery.models import Tag

PAGE = 100


@login_required
@require_safe
def tag_list(request: PersonRequest) -> HttpResponse:
    return _list(request)


def _list(
    request: PersonRequest,
    wrong: Tag | None = None,
    error: str = "",
    name: str = "",
    *,
    twin: bool = False,
) -> HttpResponse:
    after = request.GET.get("after", "").lower().replace("\0", "")
    rows = Tag.objects.filter(owner=request.user).alias(lowered=Lower("name"))
    live = Count("tagged", filter=Q(tagged__image__deleted_at=None))
    found = list(
        rows.filter(lowered__gt=after)
        .annotate(size=live)
        .order_by("lowered")[: PAGE + 1]
    )
    context = {
        "tags": found[:PAGE],
        "next": found[PAGE - 1].name if len(found) > PAGE else None,
        "wrong": wrong,
        "error": error,
        "written": name,
        "twin": twin,
    }
    status = 422 if error else 200
    return render(request, "gallery/tags.html", context, status=status)


@login_required
@require_POST
def tag_rename(request: PersonRequest, pk: int) -> HttpResponse:
    """Field `name`; where another tag has it, `merge` makes them one."""
    tag = get_object_or_404(Tag, pk=pk, owner=request.user)
    written = request.POST.get("name", "")
    try:
        name = tags.clean_name(written, "name")
    except BadValues as exc:
        return _list(request, tag, exc.errors["name"], written)
    other = tags.find(request.user, name)
    if other is None or other.pk == tag.pk:
        Tag.objects.filter(pk=pk).update(name=name)
        messages.success(request, f"The tag is called “{name}” now.")
        return redirect("gallery:tags")
    if "merge" not in request.POST:
        error = f"You have a tag “{other.name}” already."
        return _list(request, tag, error, name, twin=True)
    merge(tag, other)
    messages.success(request, f"“{tag.name}” is part of “{other.name}” now.")
    return redirect("gallery:tags")


def merge(tag: Tag, into: Tag) -> None:
    """Give all the pictures of one tag the other, and delete it."""
    with transaction.atomic():
        both = into.tagged.values("image")
        tag.tagged.exclude(image__in=both).update(tag=into)
        tag.delete()


@login_required
@require_POST
def tag_delete(request: PersonRequest, pk: int) -> HttpResponse:
    tag = get_object_or_404(Tag, pk=pk, owner=request.user)
    tag.delete()
    messages.success(request, f"The tag “{tag.name}” is deleted. Its pictures stay.")
    return redirect("gallery:tags")

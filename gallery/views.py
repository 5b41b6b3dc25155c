"""The gallery's pages and files. Every one is its owner's alone."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.http import PersonRequest
from accounts.paging import BadCursor, newest_first
from gallery.files import serve
from gallery.models import Image

PAGE = 60


def get_image_for(request: HttpRequest, pk: UUID) -> Image:
    """The person's own picture; 404 for everybody else's, as if it did not exist."""
    images = Image.objects.visible_to(request.user)
    return get_object_or_404(
        images.select_related("job__workflow", "job__version"), pk=pk
    )


@login_required
@require_safe
def image_list(request: PersonRequest) -> HttpResponse:
    images = Image.objects.visible_to(request.user)
    try:
        page = newest_first(images, request.GET.get("cursor", ""), PAGE)
    except BadCursor as exc:
        raise Http404 from exc
    template = "_tiles.html" if request.htmx else "image_list.html"
    return render(request, f"gallery/{template}", {"page": page})


@login_required
@require_safe
def image(request: PersonRequest, pk: UUID) -> HttpResponse:
    found = get_image_for(request, pk)
    mine = Image.objects.visible_to(request.user).newest_first()
    older = newest_first(mine.filter(created__lte=found.created), "", 5).items
    ids = [i.pk for i in older]
    after = ids.index(found.pk) + 1 if found.pk in ids else 0
    newer = mine.filter(created__gt=found.created).order_by("created", "id").first()
    context = {
        "image": found,
        "older": older[after] if after < len(older) else None,
        "newer": newer,
        "values": _values(found),
    }
    return render(request, "gallery/image.html", context)


def _values(image: Image) -> list[tuple[str, object]]:
    """(label, value) of every parameter that the picture was made with."""
    if image.job is None:
        return []
    labels = image.job.version.labels()
    hidden = {"prompt", "negative_prompt"}
    values = image.job.parameters.items()
    return [(labels.get(k, k), v) for k, v in values if k not in hidden]


@login_required
@require_safe
def image_file(request: PersonRequest, pk: UUID) -> HttpResponseBase:
    found = get_image_for(request, pk)
    return serve(
        request,
        found.file,
        mime_type=found.mime_type,
        filename=found.name,
        etag=found.sha256,
        inline="download" not in request.GET,
    )


@login_required
@require_safe
def image_thumbnail(request: PersonRequest, pk: UUID, size: str) -> HttpResponseBase:
    found = get_image_for(request, pk)
    sizes = {"small": found.thumb_small, "large": found.thumb_large}
    if size not in sizes:
        raise Http404
    return serve(
        request,
        sizes[size],
        mime_type="image/webp",
        filename=f"{found.pk}-{size}.webp",
        etag=f"{found.sha256[:32]}-{size}",
    )


@login_required
@require_POST
def delete_image(request: PersonRequest, pk: UUID) -> HttpResponse:
    get_image_for(request, pk).delete_softly()
    messages.success(request, "The picture was taken out of your gallery.")
    return redirect("gallery:image-list")

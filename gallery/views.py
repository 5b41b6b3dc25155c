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
from gallery.models import Image, Provenance

PAGE = 60


def get_image_for(request: HttpRequest, pk: UUID) -> Image:
    """The person's own picture; 404 for everybody else's, as if it did not exist."""
    return get_object_or_404(Image.objects.visible_to(request.user), pk=pk)


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
def image_workflow(request: PersonRequest, pk: UUID) -> HttpResponse:
    """The resolved workflow in ComfyUI's API format, as a file."""
    found = get_image_for(request, pk)
    made = get_object_or_404(Provenance, image=found)
    name = found.name.rpartition(".")[0]
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.json"',
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    content = made.graph_json
    return HttpResponse(content, content_type="application/json", headers=headers)


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

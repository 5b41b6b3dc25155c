"""Files of the gallery: a picture, its thumbnails, many as one archive."""

from __future__ import annotations

from itertools import chain
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts.http import PersonRequest, person
from gallery import access, choosing, uploading
from gallery.archive import in_order, zipped
from gallery.files import serve, stripping
from gallery.files.delivery import passed_on, streamed
from gallery.files.variants import thumbnail
from gallery.models import Image

ACCEPT = "image/*,video/*,audio/*,.glb,.gltf,.obj,.stl,.ply,.fbx"


def original(
    request: HttpRequest, image: Image, *, download: bool, metadata: str = "keep"
) -> HttpResponseBase:
    """The file as it is, or without what it tells of its making (`strip`).

    Whoever may look but is not told the prompt gets the large preview: the original
    says how it was made.
    """
    file, mime_type, etag = access.file_for(person(request), image)
    if metadata == "strip" and file == image.file:
        return stripped(request, image)
    return serve(
        request,
        file,
        mime_type=mime_type,
        filename=image.name,
        etag=etag,
        inline=not download,
    )


def stripped(request: HttpRequest, image: Image) -> HttpResponseBase:
    """Made anew each time, and never kept: the store has the original alone."""
    try:
        with image.file.storage.open(str(image.file.name), "rb") as file:
            made = stripping.stripped(file, image.mime_type)
    except FileNotFoundError as exc:
        raise Http404("The file is gone.") from exc
    except stripping.CannotStrip as exc:
        return HttpResponse(str(exc), status=422, content_type="text/plain")
    return passed_on(request, made, mime_type=image.mime_type, filename=image.name)


@login_required
@require_safe
def image_file(request: PersonRequest, pk: UUID) -> HttpResponseBase:
    return original(
        request,
        access.visible(request, pk),
        download="download" in request.GET,
        metadata=request.GET.get("metadata", "keep"),
    )


@login_required
@require_safe
def image_thumbnail(request: PersonRequest, pk: UUID, size: str) -> HttpResponseBase:
    return thumbnail(request, access.visible(request, pk), size)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def download(request: PersonRequest) -> HttpResponseBase:
    """Chosen pictures as a zip. POST, since hundreds of ids fit in no address."""
    data = request.POST if request.method == "POST" else request.GET
    try:
        rows = in_order(choosing.chosen(request.user, data))
    except choosing.NothingChosen as exc:
        return HttpResponse(str(exc), status=422, content_type="text/plain")
    if (first := next(rows, None)) is None:
        return HttpResponse(
            "There is no such picture.", status=404, content_type="text/plain"
        )
    strip = data.get("metadata") == "strip"
    chunks = zipped(chain([first], rows), strip=strip)
    response = streamed(request, chunks if request.method != "HEAD" else iter(()))
    response["Content-Type"] = "application/zip"
    name = f"lifeos-{timezone.localtime():%Y%m%d-%H%M%S}.zip"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    # nginx would otherwise put the archive on its own disk first.
    response["X-Accel-Buffering"] = "no"
    return response


# Uploads --------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: PersonRequest) -> HttpResponse:
    """Files of one's own. The page's script sends one after another, and asks for
    JSON; a form without it sends all at once.
    """
    context: dict[str, object] = {
        "most": settings.LIFEOS_MAX_UPLOAD_BYTES,
        "accept": ACCEPT,
    }
    if request.method != "POST":
        return render(request, "gallery/upload.html", context)
    uploads = request.FILES.getlist("files")
    brought = [uploading.bring(request.user, one) for one in uploads]
    status = 200 if any(one.image for one in brought) else 422
    if request.accepts("text/html"):
        context["brought"] = brought
        context["error"] = "" if brought else "Choose at least one file."
        return render(request, "gallery/upload.html", context, status=status)
    return JsonResponse({"items": [_told(one) for one in brought]}, status=status)


def _told(one: uploading.Brought) -> dict[str, str]:
    told = {"name": one.name, "reason": one.reason}
    if one.image is not None:
        told["url"] = reverse("gallery:image", args=[one.image.pk])
        told["thumbnail"] = reverse(
            "gallery:image-thumbnail", args=[one.image.pk, "small"]
        )
    return told

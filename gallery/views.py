"""The gallery's pages and files."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import BadValues
from accounts.http import PersonRequest
from accounts.paging import BadCursor, newest_first
from gallery import access, grid, marking, marks, stacks
from gallery.files import serve
from gallery.models import Image, Provenance

# A stack's page shows so many; sweeps have at most 400.
STACK = 500
# Names of settings that a picture's page tells in places of their own.
TOLD = {"prompt", "negative_prompt", "seed", "model"}
TOLD_BY_GRAPH = {"sampler", "scheduler", "steps", "cfg"}


@login_required
@require_safe
def image_list(request: PersonRequest) -> HttpResponse:
    """The grid. Scripts ask for more tiles at the same address."""
    rows = Image.objects.owned_by(request.user).leads_only()
    density = grid.density_of(request)
    try:
        page = grid.read(rows, request.GET.dict(), density)
    except BadCursor as exc:
        raise Http404 from exc
    context: dict[str, object] = {"page": page, "density": density}
    if request.htmx:
        name = "_tiles_newer.html" if page.upwards else "_tiles.html"
    else:
        name = "image_list.html"
        context |= grid.marking_context(request.user)
    response = render(request, f"gallery/{name}", context)
    # A browser must not show the tiles alone when somebody comes back to the page.
    patch_vary_headers(response, ["HX-Request"])
    return response


@login_required
@require_safe
def stack(request: PersonRequest, pk: UUID) -> HttpResponse:
    """What was made at once, side by side."""
    rows = Image.objects.owned_by(request.user).filter(stack=pk)
    images = list(rows.order_by("created", "id").defer(*grid.UNSEEN)[:STACK])
    if not images:
        raise Http404
    density, differ = grid.density_of(request), stacks.differences(images)
    context = {
        "stack": pk,
        "first": images[0],
        "tiles": [
            (grid.Tile(i, density=density), differ.get(i.pk, "")) for i in images
        ],
        "density": density,
    }
    context |= grid.marking_context(request.user)
    return render(request, "gallery/stack.html", context)


@login_required
@require_safe
def stack_ids(request: PersonRequest) -> JsonResponse:
    """The ids of the pictures of some stacks, for what takes pictures only."""
    try:
        wanted = marking.read_ids(request.GET.getlist("stacks")[: marks.MAX_PICTURES])
    except BadValues as exc:
        raise Http404 from exc
    rows = Image.objects.owned_by(request.user).filter(stack__in=wanted)
    ids = rows.order_by("stack", "created", "id").values_list("pk", flat=True)
    return JsonResponse({"ids": [str(pk) for pk in ids[: marks.MAX_PICTURES]]})


@login_required
@require_safe
def image(request: PersonRequest, pk: UUID) -> HttpResponse:
    found = access.visible(request, pk)
    mine, told = found.owner_id == request.user.pk, access.is_told(request.user, found)
    own = Image.objects.owned_by(request.user) if mine else Image.objects.none()
    older = newest_first(own.filter(created__lte=found.created), "", 5).items
    ids = [i.pk for i in older]
    after = ids.index(found.pk) + 1 if found.pk in ids else 0
    newer = own.filter(created__gt=found.created).order_by("created", "id").first()
    rows = Provenance.objects.filter(image=found)
    made = rows.select_related("version").first() if told else None
    context = {
        "image": access.shown_to(request.user, found, told),
        "mine": mine,
        "told": told,
        "older": older[after] if after < len(older) else None,
        "newer": newer,
        "made": made,
        "values": _values(found, made) if told else [],
    }
    return render(request, "gallery/image.html", context)


def _values(image: Image, made: Provenance | None) -> list[tuple[str, object]]:
    """(label, value) of every setting that nothing else on the page tells."""
    source = made or image.job
    if source is None:
        return []
    told = TOLD | TOLD_BY_GRAPH | set(made.inputs) if made else TOLD
    version = source.version
    labels = version.labels() if version else {}
    values = source.parameters.items()
    shown = ((k, v) for k, v in values if k not in told and v is not None)
    facts = [(labels.get(k, k), _spoken(v)) for k, v in shown]
    hashes = made.inputs.items() if made else ()
    return [*facts, *((labels.get(k, k), f"SHA-256 {v}") for k, v in hashes)]


def _spoken(value: object) -> object:
    """A value of several parts, as a size is, in one line."""
    if isinstance(value, Mapping):
        return " · ".join(str(part) for part in value.values())
    return value


@login_required
@require_safe
def image_workflow(request: PersonRequest, pk: UUID) -> HttpResponse:
    """The resolved workflow in ComfyUI's API format, as a file."""
    found = access.told(request, pk)
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
    found = access.visible(request, pk)
    file, mime_type, etag = access.file_for(request.user, found)
    return serve(
        request,
        file,
        mime_type=mime_type,
        filename=found.name,
        etag=etag,
        inline="download" not in request.GET,
    )


@login_required
@require_safe
def image_thumbnail(request: PersonRequest, pk: UUID, size: str) -> HttpResponseBase:
    found = access.visible(request, pk)
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
    access.owned(request, pk)
    marked = marks.mark(request.user, [pk], "trash")
    messages.success(request, marked.message, extra_tags=f"undo:{marked.undo}")
    return redirect("gallery:image-list")

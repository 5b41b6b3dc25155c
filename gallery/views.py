"""The gallery's pages."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import BadValues
from accounts.http import PersonRequest
from accounts.paging import BadCursor
from gallery import access, grid, marking, marks, stacks
from gallery.models import Image, Provenance
from gallery.search import asking

# A stack's page shows so many; sweeps have at most 400.
STACK = 500


@login_required
@require_safe
def image_list(request: PersonRequest) -> HttpResponse:
    """The grid, or what a search finds. Scripts ask for more at the same address."""
    asked, density = asking.of(request), grid.density_of(request)
    params = request.GET.dict()
    try:
        if asked.is_plain:
            rows = Image.objects.owned_by(request.user).leads_only()
            page = grid.read(rows, params, density)
        else:
            page = grid.found(asked.found, params.get("cursor", ""), density)
    except BadCursor as exc:
        raise Http404 from exc
    context: dict[str, object] = {"page": page, "density": density, "search": asked}
    if request.htmx:
        name = "_tiles_newer.html" if page.upwards else "_tiles.html"
    else:
        name = "image_list.html"
        if page.tiles:
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
@require_POST
def delete_image(request: PersonRequest, pk: UUID) -> HttpResponse:
    access.owned(request, pk)
    marked = marks.mark(request.user, [pk], "trash")
    messages.success(request, marked.message, extra_tags=f"undo:{marked.undo}")
    return redirect("gallery:image-list")

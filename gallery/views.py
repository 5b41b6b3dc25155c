"""The gallery's pages. Every one is its owner's alone."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.http import PersonRequest
from accounts.paging import BadCursor, newest_first
from gallery.models import Image, Provenance
from gallery.search import asking

PAGE = 60
# Names of settings that a picture's page tells in places of their own.
TOLD = {"prompt", "negative_prompt", "seed", "model"}
TOLD_BY_GRAPH = {"sampler", "scheduler", "steps", "cfg"}


def get_image_for(request: HttpRequest, pk: UUID) -> Image:
    """The person's own picture; 404 for everybody else's, as if it did not exist."""
    return get_object_or_404(Image.objects.visible_to(request.user), pk=pk)


@login_required
@require_safe
def image_list(request: PersonRequest) -> HttpResponse:
    cursor, asked = request.GET.get("cursor", ""), asking.of(request)
    try:
        if asked.is_plain:
            images = Image.objects.visible_to(request.user)
            page = newest_first(images, cursor, PAGE)
        else:
            page = asked.found.page(cursor, PAGE)
    except BadCursor as exc:
        raise Http404 from exc
    template = "_tiles.html" if request.htmx else "image_list.html"
    context = {"page": page, "search": asked}
    return render(request, f"gallery/{template}", context)


@login_required
@require_safe
def image(request: PersonRequest, pk: UUID) -> HttpResponse:
    found = get_image_for(request, pk)
    mine = Image.objects.visible_to(request.user).newest_first()
    older = newest_first(mine.filter(created__lte=found.created), "", 5).items
    ids = [i.pk for i in older]
    after = ids.index(found.pk) + 1 if found.pk in ids else 0
    newer = mine.filter(created__gt=found.created).order_by("created", "id").first()
    rows = Provenance.objects.filter(image=found)
    made = rows.select_related("version").first()
    context = {
        "image": found,
        "older": older[after] if after < len(older) else None,
        "newer": newer,
        "made": made,
        "values": _values(found, made),
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
@require_POST
def delete_image(request: PersonRequest, pk: UUID) -> HttpResponse:
    get_image_for(request, pk).delete_softly()
    messages.success(request, "The picture was taken out of your gallery.")
    return redirect("gallery:image-list")

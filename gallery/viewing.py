"""One picture's page: looked at, judged, told about, in the list that one came from."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from accounts.http import PersonRequest, own_place
from accounts.models import User
from gallery import access, similar, sources
from gallery.models import Album, AlbumItem, Image, Provenance, Tag
from gallery.sharing import own_images

# Names of settings that a picture's page tells in places of their own.
TOLD = {"prompt", "negative_prompt", "seed", "model"}
TOLD_BY_GRAPH = {"sampler", "scheduler", "steps", "cfg"}
# Bytes of a text output that its page shows.
SHOWN_TEXT = 64 * 1024
# Pictures to each side of this one, by time, whose prompts are compared with its own.
AROUND = 500
SHOWN, ALBUMS = 8, 50


@login_required
@require_safe
def image(request: PersonRequest, pk: UUID) -> HttpResponse:
    """The page, or for htmx the part that another picture replaces."""
    found = access.visible(request, pk)
    source = sources.find(request.user, request.GET)
    before, after = source.neighbours(found)
    mine = found.owner_id == request.user.pk
    told = access.is_told(request.user, found)
    rows = Provenance.objects.filter(image=found).select_related("version")
    made = rows.first() if told else None
    context = {
        "image": access.shown_to(request.user, found, told),
        "mine": mine,
        "told": told,
        "alt": found.prompt[:200] if told else "",
        "source": source,
        "newer": before,
        "older": after,
        "made": made,
        "values": _values(found, made) if told else (),
        "as_json": _as_json(found, made) if told else "",
        "text": text_of(found),
        "veiled": found.private or bool(source.album and source.album.private),
        **_labels(request.user, found),
    }
    template = "_view.html" if request.htmx else "image.html"
    response = render(request, f"gallery/{template}", context)
    # One address, two answers: a browser's cache must not mix them up on "back".
    patch_vary_headers(response, ["HX-Request"])
    return response


def _values(image: Image, made: Provenance | None) -> list[tuple[str, object]]:
    """(label, value) of every setting that nothing else on the page tells."""
    source = made or image.job
    if source is None:
        return []
    told = TOLD | TOLD_BY_GRAPH | set(made.inputs) if made else TOLD
    version = source.version
    labels = version.labels() if version else {}
    values = source.parameters.items()
    facts = [
        (labels.get(k, k), v) for k, v in values if k not in told and v is not None
    ]
    hashes = made.inputs.items() if made else ()
    return [*facts, *((labels.get(k, k), f"SHA-256 {v}") for k, v in hashes)]


def _as_json(image: Image, made: Provenance | None) -> str:
    """Every setting, for scripts. Input files by their hash, not where they lie."""
    told: dict[str, Any] = {
        "prompt": image.prompt,
        "negative_prompt": image.negative_prompt,
        "model": image.model,
        "seed": image.seed,
    }
    if made is not None:
        values = made.parameters.items()
        told |= {
            "template": made.template_slug,
            "version": made.version_number,
            "parameters": {k: v for k, v in values if k not in made.inputs},
            "input_hashes": made.inputs,
        }
    return json.dumps(told, indent=2, ensure_ascii=False)


def text_of(image: Image) -> str:
    """The beginning of a text output; empty for everything else."""
    if image.media != Image.Media.TEXT:
        return ""
    try:
        with image.file.open("rb") as file:
            start: bytes = file.read(SHOWN_TEXT)
    except OSError:
        return ""
    more = "\n…" if image.bytes > SHOWN_TEXT else ""
    return start.decode("utf-8", "replace") + more


# Tags, albums, notes --------------------------------------------------------------


def _labels(user: User, image: Image) -> dict[str, object]:
    """Tags are their owner's alone; albums are those that this person may see."""
    albums = Album.objects.visible_to(user).filter(items__image=image).distinct()
    found: dict[str, object] = {"albums": albums.order_by("title")[:ALBUMS]}
    if image.owner_id == user.pk:
        own = Album.objects.owned_by(user).exclude(items__image=image)
        found["tags"] = Tag.objects.filter(tagged__image=image).order_by("name")
        found["other_albums"] = own.order_by("-created")[:ALBUMS]
    return found


@login_required
@require_safe
def labels(request: PersonRequest, pk: UUID) -> HttpResponse:
    """The part of the page with tags and albums, after a change."""
    found = access.visible(request, pk)
    mine = found.owner_id == request.user.pk
    context = {"image": found, "mine": mine, **_labels(request.user, found)}
    return render(request, "gallery/_labels.html", context)


class NotesForm(forms.Form):
    notes = forms.CharField(
        max_length=5000, required=False, strip=False, widget=forms.Textarea
    )


@login_required
@require_POST
def notes(request: PersonRequest, pk: UUID) -> HttpResponse:
    """Only its owner's; kept as they are typed."""
    [found] = own_images(request.user, [str(pk)], 1, 1)
    form = NotesForm(request.POST)
    said = request.POST.get("notes", "")
    if form.is_valid():
        said = form.cleaned_data["notes"].replace("\r\n", "\n")
        Image.objects.owned_by(request.user).filter(pk=pk).update(notes=said)
        if not request.htmx:
            return redirect("gallery:image", pk)
    found.notes = said
    status = 200 if form.is_valid() else 422
    context = {"image": found, "form": form, "saved": form.is_valid()}
    return render(request, "gallery/_notes.html", context, status=status)


@login_required
@require_POST
def mark_private(request: PersonRequest) -> HttpResponse:
    """`private` is "on" or "off", for `ids` or for `album`, with what is in it.

    An album's mark is put on its pictures of the same owner as well, so that they are
    blurred wherever they are shown; what is added later is blurred in the album.
    """
    wanted = request.POST.get("private") == "on"
    if album := request.POST.get("album"):
        _mark_album(request.user, album, wanted)
    else:
        chosen = own_images(request.user, request.POST.getlist("ids"), 1, 500)
        rows = Image.objects.owned_by(request.user)
        rows.filter(pk__in=[i.pk for i in chosen]).update(private=wanted)
    if request.htmx or "text/html" not in request.headers.get("Accept", ""):
        return HttpResponse(status=204)
    return redirect(_back(request))


def _mark_album(user: User, given: str, wanted: bool) -> None:
    try:
        pk = UUID(given)
    except ValueError as exc:
        raise Http404 from exc
    if not Album.objects.owned_by(user).filter(pk=pk).update(private=wanted):
        raise Http404
    inside = AlbumItem.objects.filter(album=pk).values("image")
    Image.objects.owned_by(user).filter(pk__in=inside).update(private=wanted)


def _back(request: HttpRequest) -> str:
    place = request.POST.get("next") or request.headers.get("Referer", "")
    return own_place(request, place) or "/gallery/"


# Pictures like this one -----------------------------------------------------------


@login_required
@require_safe
def related(request: PersonRequest, pk: UUID) -> HttpResponse:
    """Pictures made with it, with its seed, from a prompt like its own.

    Looked for among those made around it: costs do not grow with the gallery.
    """
    found = access.owned(request, pk)
    mine = Image.objects.owned_by(request.user)
    siblings = _siblings(request.user, found)
    near = _near(request.user, found, {i.pk for i in siblings} | {found.pk})
    alike = similar.ranked(found.prompt, ((key, p) for key, p, _, _ in near))
    likely = [key for key, _ in alike[:SHOWN]]
    seeds = [key for key, _, seed, _ in near if seed and seed == found.seed][:SHOWN]
    title = found.workflow_title
    same = [key for key, _, _, made in near if title and made == title]
    rest = [key for key in same if key not in {*likely, *seeds}][:SHOWN]
    rows = mine.in_bulk([*likely, *seeds, *rest])
    groups = [
        ("Made together", siblings),
        ("Similar prompts", [rows[k] for k in likely if k in rows]),
        ("Same seed", [rows[k] for k in seeds if k in rows]),
        ("Same template", [rows[k] for k in rest if k in rows]),
    ]
    kept = [(title, images) for title, images in groups if images]
    context = {"image": found, "groups": kept, "around": AROUND * 2}
    template = "_related.html" if request.htmx else "related.html"
    return render(request, f"gallery/{template}", context)


def _siblings(user: User, image: Image) -> list[Image]:
    rows = Image.objects.owned_by(user).exclude(pk=image.pk)
    if image.stack is not None:
        rows = rows.filter(stack=image.stack)
    elif image.job_id is not None:
        rows = rows.filter(job=image.job_id)
    else:
        return []
    return list(rows.order_by("created", "index", "pk")[:SHOWN])


def _near(
    user: User, image: Image, without: set[UUID]
) -> list[tuple[UUID, str, str, str]]:
    """(id, prompt, seed, template's title) of those made just before and after."""
    rows = Image.objects.owned_by(user)
    newer = Q(created__gt=image.created) | Q(pk__gt=image.pk)
    older = Q(created__lt=image.created) | Q(pk__lt=image.pk)
    sides = (
        rows.filter(older, created__lte=image.created).order_by("-created", "-pk"),
        rows.filter(newer, created__gte=image.created).order_by("created", "pk"),
    )
    fields = ("pk", "prompt", "seed", "workflow_title")
    found = [row for side in sides for row in side.values_list(*fields)[:AROUND]]
    return [row for row in found if row[0] not in without]

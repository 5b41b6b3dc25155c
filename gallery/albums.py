"""Albums: pages and what their forms do.

An album's owner changes everything of it; a person whom it is shared with looks, and
may add pictures of their own where the share says so. All others get 404.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import Count, OuterRef, Q, Subquery, UUIDField
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from accounts import audit
from accounts.errors import BadValues
from accounts.http import PersonRequest
from accounts.models import User
from accounts.paging import BadCursor, newest_first
from gallery import access, album_order, album_sharing, grid, marking, marks
from gallery.models import Album, AlbumItem, AlbumShare, Image
from gallery.search_views import kept_by

PAGE = 48


class AlbumForm(forms.ModelForm[Album]):
    class Meta:
        model = Album
        fields = ["title", "description", "shows_prompts"]
        error_messages = {"title": {"required": "Give the album a title."}}


@dataclass(frozen=True, slots=True)
class Card:
    album: Album
    cover: Image | None
    count: int


def _own(request: HttpRequest, pk: UUID) -> Album:
    return get_object_or_404(Album.objects.owned_by(request.user), pk=pk)


def cards(albums: Sequence[Album]) -> list[Card]:
    """Albums with cover (the chosen one, else the first picture) and size."""
    keys = [album.pk for album in albums]
    live = AlbumItem.objects.filter(image__deleted_at=None)
    chosen = live.filter(album=OuterRef("pk"), image=OuterRef("cover"))
    first = live.filter(album=OuterRef("pk")).order_by("position", "id")
    covers = dict(
        Album.objects.filter(pk__in=keys)
        .annotate(
            shown=Coalesce(
                Subquery(chosen.values("image")[:1]),
                Subquery(first.values("image")[:1]),
                output_field=UUIDField(),
            )
        )
        .values_list("pk", "shown")
    )
    counted = live.filter(album__in=keys).values("album").order_by()
    counts = dict(counted.annotate(size=Count("pk")).values_list("album", "size"))
    images = Image.objects.in_bulk([pk for pk in covers.values() if pk])
    return [
        Card(album, images.get(covers.get(album.pk)), counts.get(album.pk, 0))
        for album in albums
    ]


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def albums(request: PersonRequest) -> HttpResponse:
    """One's own albums, and those shared with one; POST makes one, of `ids`."""
    if request.method == "POST":
        return _create(request)
    return _list(request)


def _list(request: PersonRequest, error: str = "", title: str = "") -> HttpResponse:
    rows = Album.objects.visible_to(request.user).select_related("owner")
    try:
        page = newest_first(rows, request.GET.get("cursor", ""), PAGE)
    except BadCursor as exc:
        raise Http404 from exc
    context = {
        "cards": cards(page.items),
        "next": page.next,
        "smart": kept_by(request.user),
        "error": error,
        "new_title": title,
    }
    status = 422 if error else 200
    return render(request, "gallery/albums.html", context, status=status)


def _create(request: PersonRequest) -> HttpResponse:
    title = " ".join(request.POST.get("title", "").split())
    if not title or len(title) > 120 or "\0" in title:
        sentence = "Give the album a title of at most 120 characters."
        return _list(request, sentence, title)
    try:
        ids = marking.read_ids(request.POST.getlist("ids"))
        stacks = marking.read_ids(request.POST.getlist("stacks"))
    except BadValues as exc:
        return _list(request, " ".join(exc.errors.values()), title)
    ids += marking.members(request.user, stacks)
    made = Album.objects.create(owner=request.user, title=title)
    if ids:
        try:
            marks.mark(request.user, ids, "album-add", str(made.pk))
        except BadValues as exc:
            messages.error(request, " ".join(exc.errors.values()))
    return redirect("gallery:album", made.pk)


@login_required
@require_safe
def album(request: PersonRequest, pk: UUID) -> HttpResponse:
    """The pictures in the album's own order."""
    found = _visible(request.user, pk)
    mine = found.owner_id == request.user.pk
    try:
        items, after = album_order.page(found, request.GET.get("cursor", ""))
    except BadCursor as exc:
        raise Http404 from exc
    density, told = grid.density_of(request), mine or found.shows_prompts
    images = [access.shown_to(request.user, item.image, told) for item in items]
    may_add = mine or _may_add(request.user, found)
    context: dict[str, Any] = {
        "album": found,
        "mine": mine,
        "may_add": may_add,
        "may_remove": may_add,
        "page": {
            "tiles": [
                grid.Tile(i, density=density, foreign=i.owner_id != request.user.pk)
                for i in images
            ],
            "next": after,
        },
        "density": density,
    }
    if request.htmx:
        name = "_tiles.html"
    else:
        name = "album.html"
        if images:
            context |= grid.marking_context(request.user)
        context["shares"] = _shares(found) if mine else []
    response = render(request, f"gallery/{name}", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _visible(user: User, pk: UUID) -> Album:
    rows = Album.objects.visible_to(user).select_related("owner")
    return get_object_or_404(rows, pk=pk)


def _may_add(user: User, album: Album) -> bool:
    shares = AlbumShare.objects.with_person(user)
    return shares.filter(album=album, may_add=True).exists()


def _shares(album: Album) -> list[AlbumShare]:
    rows = AlbumShare.objects.filter(album=album).select_related("person", "group")
    return list(rows.order_by("person__username", "group__name"))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def album_edit(request: PersonRequest, pk: UUID) -> HttpResponse:
    """Title, description, what others learn, and with whom it is shared."""
    found = _own(request, pk)
    form = AlbumForm(request.POST or None, instance=found)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return redirect("gallery:album", pk)
    return _edit_page(request, found, form)


def _edit_page(
    request: PersonRequest,
    album: Album,
    form: AlbumForm | None = None,
    errors: dict[str, str] | None = None,
) -> HttpResponse:
    context = {
        "album": album,
        "form": form or AlbumForm(instance=album),
        "shares": _shares(album),
        "groups": request.user.groups.order_by("name"),
        "errors": errors or {},
        "person": request.POST.get("person", ""),
    }
    wrong = bool(errors) or bool(form and form.errors)
    status = 422 if wrong else 200
    return render(request, "gallery/album_edit.html", context, status=status)


@login_required
@require_POST
def album_share(request: PersonRequest, pk: UUID) -> HttpResponse:
    """Fields: `person` or `group`, and `may_add`."""
    found = _own(request, pk)
    may_add = bool(request.POST.get("may_add"))
    try:
        if "group" in request.POST:
            group = request.POST["group"]
            share = album_sharing.share_with_group(found, group, may_add)
        else:
            person = request.POST.get("person", "")
            share = album_sharing.share_with_person(found, person, may_add)
    except BadValues as exc:
        return _edit_page(request, found, errors=exc.errors)
    whom = share.person or share.group
    audit.record(request, "album.shared", whom, may_add=may_add)
    messages.success(request, "Shared.")
    return redirect("gallery:album-edit", pk)


@login_required
@require_POST
def album_unshare(request: PersonRequest, pk: UUID, share: int) -> HttpResponse:
    """The owner ends a share, a person their own; their pictures leave the album."""
    rows = AlbumShare.objects.filter(album=pk, pk=share)
    rows = rows.filter(Q(album__owner=request.user) | Q(person=request.user))
    found = get_object_or_404(rows.select_related("album", "person", "group"))
    with transaction.atomic():
        audit.record(request, "album.unshared", found.person or found.group)
        found.delete()
    if found.album.owner_id != request.user.pk:
        messages.success(request, "You have left the album.")
        return redirect("gallery:albums")
    messages.success(request, "The album is no longer shared with them.")
    return redirect("gallery:album-edit", pk)


@login_required
@require_POST
def album_cover(request: PersonRequest, pk: UUID) -> HttpResponse:
    """The first of `ids` that is in the album becomes its cover."""
    found = _own(request, pk)
    try:
        ids = marking.read_ids(request.POST.getlist("ids"))
    except BadValues:
        ids = []
    item = found.items.filter(image__in=ids[:1]).first()
    if item is None:
        messages.error(request, "Choose one picture of the album.")
    else:
        Album.objects.filter(pk=pk).update(cover=item.image_id)
        messages.success(request, "The album has a new cover.")
    return redirect("gallery:album", pk)


@login_required
@require_POST
def album_move(request: PersonRequest, pk: UUID) -> HttpResponse:
    """Put `ids` in front of the picture `before`; to the front if there is none."""
    found = _own(request, pk)
    try:
        ids = marking.read_ids(request.POST.getlist("ids")[: marks.MAX_PICTURES])
        before = marking.read_ids(request.POST.getlist("before")[:1])
        album_order.move(found, ids, before[0] if before else None)
    except BadValues as exc:
        if marking.wants_page(request):
            messages.error(request, " ".join(exc.errors.values()))
            return redirect("gallery:album", pk)
        errors = {field: [text] for field, text in exc.errors.items()}
        return JsonResponse({"errors": errors}, status=422)
    if marking.wants_page(request):
        return redirect("gallery:album", pk)
    return JsonResponse({"moved": len(ids)})


@login_required
@require_POST
def album_delete(request: PersonRequest, pk: UUID) -> HttpResponse:
    """Delete the album; its pictures stay where they are."""
    _own(request, pk).delete()
    messages.success(request, "The album is deleted. Its pictures are in your gallery.")
    return redirect("gallery:albums")

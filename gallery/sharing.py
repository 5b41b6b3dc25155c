"""Links to one's pictures: who made them sees, changes and revokes them here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import Count, Prefetch, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from accounts import audit
from accounts.http import PersonRequest
from accounts.models import User, rights_of
from accounts.paging import BadCursor, newest_first
from gallery.models import Album, Image, ShareItem, ShareLink

PAGE = 30
# Pictures that one link may show; more belong into an album.
MOST = 500
SHORTEST = 8
LASTS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}


class ShareForm(forms.Form):
    """What a link shows, to whom, and for how long."""

    title = forms.CharField(
        max_length=120, required=False, help_text="Visitors see it. It may stay empty."
    )
    lasts = forms.ChoiceField(
        label="It ends",
        choices=[
            ("week", "in a week"),
            ("hour", "in an hour"),
            ("day", "in a day"),
            ("month", "in 30 days"),
            ("never", "never"),
        ],
    )
    password = forms.CharField(
        min_length=SHORTEST,
        max_length=128,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=f"At least {SHORTEST} characters; without one, the link is enough.",
    )
    view_limit = forms.IntegerField(
        label="Views",
        min_value=1,
        max_value=1_000_000,
        required=False,
        help_text="How often it may be opened; empty: as often as people like.",
    )
    strip_metadata = forms.BooleanField(
        label="Take the metadata out of the files",
        required=False,
        initial=True,
        help_text="ComfyUI writes prompt and workflow into each file that it makes.",
    )
    show_prompt = forms.BooleanField(label="Show the prompts", required=False)
    remix_allowed = forms.BooleanField(
        label="Let members use the settings",
        required=False,
        help_text="Whoever has an account here gets a form filled with them, with the"
        " prompt, but not the workflow.",
    )

    def apply(self, link: ShareLink) -> None:
        """Put onto the link, unsaved, what the form says."""
        said = self.cleaned_data
        for name in (
            "title",
            "view_limit",
            "strip_metadata",
            "show_prompt",
            "remix_allowed",
        ):
            setattr(link, name, said[name])
        if said["lasts"] != "keep":
            lasts = LASTS.get(said["lasts"])
            link.expires = timezone.now() + lasts if lasts else None
        if said["password"] or said.get("no_password"):
            link.set_password(said["password"])


class ChangeForm(ShareForm):
    """The same for a link that is there; what is left alone stays."""

    no_password = forms.BooleanField(label="Remove the password", required=False)

    def __init__(self, link: ShareLink, data: Any = None) -> None:
        initial = {
            name: getattr(link, name)
            for name in (
                "title",
                "view_limit",
                "strip_metadata",
                "show_prompt",
                "remix_allowed",
            )
        }
        super().__init__(data, initial=initial | {"lasts": "keep"})
        end = f"{link.expires:%-d %B, %H:%M}" if link.expires else "never"
        lasts = self.fields["lasts"]
        assert isinstance(lasts, forms.ChoiceField)
        choices = [(k, v) for k, v in ShareForm.base_fields["lasts"].choices]  # type: ignore[attr-defined]
        lasts.choices = [("keep", f"as it is: {end}"), *choices]
        if link.password:
            self.fields["password"].help_text = "There is one; empty: it stays."
        else:
            del self.fields["no_password"]

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if said.get("no_password") and said.get("password"):
            self.add_error("no_password", "Write a new password, or remove it.")
        return said


def get_link_for(request: HttpRequest, pk: UUID) -> ShareLink:
    """The person's own link; 404 for everybody else's."""
    return get_object_or_404(ShareLink.objects.owned_by(request.user), pk=pk)


@login_required
@require_safe
def share_list(request: PersonRequest) -> HttpResponse:
    """My links, newest first, each with its address and how many pictures it shows."""
    kept = Q(share_items__image__deleted_at=None)
    covers = Prefetch(
        "share_items",
        ShareItem.objects.filter(image__deleted_at=None, position=0).select_related(
            "image"
        ),
        to_attr="covers",
    )
    rows = ShareLink.objects.owned_by(request.user).select_related("album__cover")
    rows = rows.annotate(pictures=Count("share_items", filter=kept))
    rows = rows.prefetch_related(covers)
    try:
        page = newest_first(rows, request.GET.get("cursor", ""), PAGE)
    except BadCursor as exc:
        raise Http404 from exc
    for link in page.items:
        link.address = address(request, link)  # type: ignore[attr-defined]
    template = "_share_rows.html" if request.htmx else "share_list.html"
    context = {"page": page, "fresh": request.GET.get("new", "")}
    return render(request, f"gallery/{template}", context)


def address(request: HttpRequest, link: ShareLink) -> str:
    return request.build_absolute_uri(f"/s/{link.token}/")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new_share(request: PersonRequest) -> HttpResponse:
    """`?ids=`, repeated or with commas between, or `?album=`: one's own alone."""
    if not rights_of(request.user).share_links:
        messages.error(request, "Your group may not share links.")
        return redirect("gallery:shares")
    images, album = _chosen(request)
    form = ShareForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        link = ShareLink(owner=request.user, album=album)
        form.apply(link)
        with transaction.atomic():
            link.save()
            ShareItem.objects.bulk_create(
                ShareItem(link=link, image=image, position=place)
                for place, image in enumerate(images)
            )
            _record(request, "share-link.made", link, pictures=len(images))
        messages.success(request, "The link is ready. Copy it below.")
        return redirect(f"/gallery/shares/?new={link.pk}")
    status = 422 if form.is_bound else 200
    context = {"form": form, "images": images, "album": album}
    return render(request, "gallery/share_form.html", context, status=status)


def _chosen(request: PersonRequest) -> tuple[list[Image], Album | None]:
    wanted = request.GET.get("album", "")
    if wanted:
        pk = _uuids([wanted])[0]
        return [], get_object_or_404(Album.objects.owned_by(request.user), pk=pk)
    return own_images(request.user, request.GET.getlist("ids"), 1, MOST), None


def own_images(user: User, given: list[str], least: int, most: int) -> list[Image]:
    """In the given order. Raises Http404 unless each of them is the person's own."""
    ids = list(dict.fromkeys(_uuids(",".join(given).split(","))))
    if not least <= len(ids) <= most:
        raise Http404
    found = Image.objects.owned_by(user).in_bulk(ids)
    if len(found) != len(ids):
        raise Http404
    return [found[pk] for pk in ids]


def _uuids(words: list[str]) -> list[UUID]:
    try:
        return [UUID(word.strip()) for word in words]
    except ValueError as exc:
        raise Http404 from exc


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def change_share(request: PersonRequest, pk: UUID) -> HttpResponse:
    link = get_link_for(request, pk)
    form = ChangeForm(link, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.apply(link)
        # Not the counts, which visitors change meanwhile, nor whether it is revoked.
        changed = ["title", "expires", "view_limit", "password"]
        changed += ["strip_metadata", "show_prompt", "remix_allowed"]
        with transaction.atomic():
            link.save(update_fields=changed)
            _record(request, "share-link.changed", link)
        messages.success(request, "The link is changed.")
        return redirect("gallery:shares")
    status = 422 if form.is_bound else 200
    context = {"form": form, "link": link, "address": address(request, link)}
    return render(request, "gallery/share_form.html", context, status=status)


@login_required
@require_POST
def revoke_share(request: PersonRequest, pk: UUID) -> HttpResponse:
    link = get_link_for(request, pk)
    with transaction.atomic():
        link.revoke()
        audit.record(request, "share-link.revoked", link, name="a link")
    messages.success(request, "The link is revoked. Nobody can open it any more.")
    return redirect("gallery:shares")


def _record(request: HttpRequest, action: str, link: ShareLink, **details: Any) -> None:
    """What it lets through; not its title, which is its owner's affair."""
    details |= {
        "ends": link.expires and link.expires.isoformat(timespec="minutes"),
        "views": link.view_limit,
        "album": link.album_id is not None,
        "password": bool(link.password),
        "prompts": link.show_prompt,
    }
    audit.record(request, action, link, name="a link", **details)

"""What a shared link shows: pages and files below /s/<token>/, without a sign-in.

Whatever does not exist, ended, was revoked or used up answers with the very same 404.
A link with a password or a limit has a gate; who has passed it carries a signed pass, a
cookie that is sent to this link's addresses only and holds for an hour. Links without a
gate give one as well, so that a reload is not counted as another view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from allauth.core.ratelimit import consume
from django import forms
from django.conf import settings
from django.core import signing
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_http_methods, require_safe

from gallery import file_views, files
from gallery.models import AlbumItem, Image, ShareItem, ShareLink
from gallery.viewing import text_of

PAGE = 60
PASS_LASTS = 3600
SIZES = {"small", "large", "file"}
# Tries of a password are bounded by address (settings: ACCOUNT_RATE_LIMITS) and, from
# whatever addresses they come, by link (`ShareLink.take_try`).
WAIT_SECONDS = 300

Item = AlbumItem | ShareItem


class GateForm(forms.Form):
    password = forms.CharField(
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(
            attrs={"autocomplete": "off", "autofocus": True, "required": True}
        ),
    )


@dataclass(frozen=True, slots=True)
class Visit:
    """A link, and whether this visitor has been let in already."""

    link: ShareLink
    passed: bool


def _visit(request: HttpRequest, token: str) -> Visit:
    """Raises Http404 for each link that shows nothing, and says no more than that."""
    link = ShareLink.objects.alive().filter(token=token).select_related("album").first()
    if link is None:
        raise Http404
    return Visit(link, _has_pass(request, link))


def _cookie(link: ShareLink) -> str:
    return f"share-{link.pk.hex[:12]}"


def _has_pass(request: HttpRequest, link: ShareLink) -> bool:
    given = request.COOKIES.get(_cookie(link), "")
    try:
        said = signing.loads(given, salt=link.pass_salt, max_age=PASS_LASTS)
    except signing.BadSignature:
        return False
    return bool(said == str(link.pk))


def _give_pass(response: HttpResponse, link: ShareLink) -> None:
    response.set_cookie(
        _cookie(link),
        signing.dumps(str(link.pk), salt=link.pass_salt),
        max_age=PASS_LASTS,
        path=reverse("shared:link", args=[link.token]),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _closed(response: HttpResponse, referrer: str = "no-referrer") -> HttpResponse:
    """Kept by no cache and no index, told to nobody."""
    patch_cache_control(response, private=True, no_cache=True, no_store=True)
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = referrer
    return response


# Pages ----------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """The link's pictures; before them its gate, if it has one."""
    visit = _visit(request, token)
    link = visit.link
    if link.has_gate and not visit.passed:
        return _gate(request, link)
    if request.method == "POST":
        return redirect(request.path)
    response = _page(request, link)
    if request.method == "GET" and not visit.passed:
        if not link.count_view():
            raise Http404
        _give_pass(response, link)
    return response


def _gate(request: HttpRequest, link: ShareLink) -> HttpResponse:
    """Asks for the password, or just to open it; a view is counted when it opens."""
    if not ShareLink.objects.open().filter(pk=link.pk).exists():
        raise Http404
    form = GateForm(request.POST or None) if link.password else None
    status = 200
    if request.method == "POST":
        status = _try(request, link, form)
        if status == 200:
            if not link.count_view():
                raise Http404
            response: HttpResponse = redirect("shared:link", link.token)
            _give_pass(response, link)
            return _closed(response, "same-origin")
    context = {"link": link, "form": form}
    page = render(request, "gallery/shared/gate.html", context, status=status)
    if status == 429:
        page["Retry-After"] = str(WAIT_SECONDS)
    # With "no-referrer" browsers send "Origin: null", which the form's own protection
    # takes for another site. Other sites are told nothing either way.
    return _closed(page, "same-origin")


def _try(request: HttpRequest, link: ShareLink, form: GateForm | None) -> int:
    """200 if the password is right, or none is asked; the form says what is wrong."""
    if form is None:
        return 200
    if not form.is_valid():
        return 422
    # One after the other: what an address may not try costs the link nothing.
    if not consume(request, action="share_password") or not link.take_try():
        form.add_error("password", "Too many tries. Wait a few minutes.")
        return 429
    if not link.check_password(form.cleaned_data["password"]):
        form.add_error("password", "This is not the password.")
        return 422
    return 200


def _page(request: HttpRequest, link: ShareLink) -> HttpResponse:
    """What the link shows: the one picture, or tiles of several."""
    after = request.GET.get("after", "")
    found = list(_after(link, after)[: PAGE + 1])
    if link.album_id is None and not after:
        if not found:
            raise Http404
        if len(found) == 1:
            return _picture(request, link, found[0], alone=True)
    items = found[:PAGE]
    context = _context(request, link, items[0].image if items else None) | {
        "items": items,
        "next": _cursor(items[-1]) if len(found) > PAGE else "",
    }
    return _closed(render(request, "gallery/shared/tiles.html", context))


def _context(
    request: HttpRequest, link: ShareLink, first: Image | None
) -> dict[str, Any]:
    """What each page of a link has. The picture for previews only without a gate."""
    preview = ""
    if first is not None and first.thumb_large and not link.has_gate:
        path = reverse("shared:file", args=[link.token, first.pk, "large"])
        preview = request.build_absolute_uri(path)
    return {"link": link, "title": link.heading, "preview": preview, "first": first}


@require_safe
def shared_picture(request: HttpRequest, token: str, pk: UUID) -> HttpResponse:
    link = _open(request, token)
    return _picture(request, link, _item(link, pk), alone=False)


def picture_for(request: HttpRequest, token: str, pk: UUID) -> tuple[ShareLink, Image]:
    """One picture of a link that this visitor may look at. Raises Http404."""
    link = _open(request, token)
    return link, _item(link, pk).image


def _open(request: HttpRequest, token: str) -> ShareLink:
    """The link, for a visitor who is past its gate; else 404, as if it were none."""
    visit = _visit(request, token)
    if visit.link.has_gate and not visit.passed:
        raise Http404
    return visit.link


def _item(link: ShareLink, pk: UUID) -> Item:
    item = link.items().filter(image=pk).first()
    if item is None:
        raise Http404
    return item


def _picture(
    request: HttpRequest, link: ShareLink, item: Item, *, alone: bool
) -> HttpResponse:
    before = after = None
    if not alone:
        after = _after(link, _cursor(item)).first()
        before = _before(link, item)
    context = _context(request, link, item.image) | {
        "image": item.image,
        "text": text_of(item.image),
        "before": before,
        "after": after,
        "alone": alone,
    }
    return _closed(render(request, "gallery/shared/picture.html", context))


def _cursor(item: Item) -> str:
    return f"{item.position!r},{item.pk}"


def _after(link: ShareLink, cursor: str) -> Any:
    rows = link.items()
    if not cursor:
        return rows
    position, pk = _place(cursor)
    further = Q(position__gt=position) | Q(id__gt=pk)
    return rows.filter(further, position__gte=position)


def _before(link: ShareLink, item: Item) -> Item | None:
    nearer = Q(position__lt=item.position) | Q(id__lt=item.pk)
    rows: Any = link.items().filter(nearer, position__lte=item.position)
    found: Item | None = rows.order_by("-position", "-id").first()
    return found


def _place(cursor: str) -> tuple[float, int]:
    try:
        position, pk = cursor.split(",")
        place = float(position), int(pk)
    except ValueError as exc:
        raise Http404 from exc
    if place[0] != place[0] or not 0 <= place[1] < 2**63:
        raise Http404
    return place


# Files ----------------------------------------------------------------------------


@require_safe
def shared_file(
    request: HttpRequest, token: str, pk: UUID, size: str
) -> HttpResponseBase:
    """A file of one of the link's pictures: `small`, `large` or `file`."""
    link, image = picture_for(request, token, pk)
    response = _serve(request, link, image, size)
    # Asked for anew each time, so that a revoked link shows nothing at once.
    response["Cache-Control"] = "private, no-cache"
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = "no-referrer"
    return response


def _serve(
    request: HttpRequest, link: ShareLink, image: Image, size: str
) -> HttpResponseBase:
    inline = "download" not in request.GET
    if size == "file" and not link.strip_metadata:
        return files.serve(
            request,
            image.file,
            mime_type=image.mime_type,
            filename=image.name,
            etag=image.sha256,
            inline=inline,
        )
    if size == "file":
        stripped = file_views.stripped(request, image)
        # What cannot be stripped is shown by its preview, never by the original.
        if stripped.status_code != 422:
            return stripped
    # Thumbnails are drawn anew from the pixels alone: nothing else is in them.
    shown = image.thumb_small if size == "small" else image.thumb_large
    if not shown or size not in SIZES:
        raise Http404
    return files.serve(
        request,
        shown,
        mime_type="image/webp",
        filename=f"{image.name.rpartition('.')[0]}.webp",
        etag=f"{image.sha256[:32]}-{'small' if size == 'small' else 'large'}",
        inline=inline,
    )

"""POST /gallery/mark/ and /gallery/undo/: the pages' way to change pictures.

Scripts get JSON, as does whoever does not ask for a page by name. A form of a page
without JavaScript goes back to where it was, with a message that has an "Undo" button.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.errors import BadValues
from accounts.http import PersonRequest, own_place
from accounts.models import User
from gallery import marks
from gallery.models import Image


@login_required
@require_POST
def mark(request: PersonRequest) -> HttpResponse:
    """Fields: `ids` (repeated), `action`, `value`, and `next` for a page's form.

    `stacks` (repeated) are as good as the ids of all their pictures. A form has many
    actions: `rate` alone is a rating, `value_tag` the value if the action is `tag`.
    """
    data = request.POST
    action = "rate" if "rate" in data else data.get("action", "")
    value = data.get("rate") or data.get("value") or data.get(f"value_{action}", "")
    try:
        ids = read_ids(data.getlist("ids"))
        ids += members(request.user, read_ids(data.getlist("stacks")))
        marked = marks.mark(request.user, ids, action, value.strip())
    except BadValues as exc:
        return _refuse(request, exc.errors)
    if wants_page(request):
        tags = f"undo:{marked.undo}" if marked.undo else ""
        messages.success(request, marked.message, extra_tags=tags)
        return redirect(back(request))
    return JsonResponse(
        {"changed": marked.changed, "undo": marked.undo, "message": marked.message}
    )


@login_required
@require_POST
def undo(request: PersonRequest) -> HttpResponse:
    try:
        message = marks.undo(request.user, request.POST.get("undo", ""))
    except BadValues as exc:
        return _refuse(request, exc.errors)
    if wants_page(request):
        messages.success(request, message)
        return redirect(back(request))
    return JsonResponse({"message": message})


def read_ids(texts: list[str]) -> list[UUID]:
    """Raises BadValues for what is no id."""
    try:
        return [UUID(text) for text in texts]
    except ValueError as exc:
        raise BadValues(ids="One of these is not a picture.") from exc


def members(user: User, stacks: list[UUID]) -> list[UUID]:
    """The pictures of a person's stacks; one too many if there are too many."""
    if not stacks:
        return []
    rows = Image.objects.owned_by(user).filter(stack__in=stacks[: marks.MAX_PICTURES])
    return list(rows.values_list("pk", flat=True)[: marks.MAX_PICTURES + 1])


def wants_page(request: HttpRequest) -> bool:
    """True for a form that the browser sent by itself."""
    if "HX-Request" in request.headers:
        return False
    return "text/html" in request.headers.get("Accept", "")


def back(request: HttpRequest) -> str:
    """Where the form was, never another site."""
    places = request.POST.get("next"), request.headers.get("Referer")
    return own_place(request, *places) or reverse("gallery:image-list")


def _refuse(request: HttpRequest, errors: Mapping[str, str]) -> HttpResponse:
    if wants_page(request):
        for sentence in errors.values():
            messages.error(request, sentence)
        return redirect(back(request))
    fields = {field: [sentence] for field, sentence in errors.items()}
    return JsonResponse({"errors": fields}, status=422)

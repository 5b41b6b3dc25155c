"""Two to four pictures beside each other, and how they were made differently."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.views.decorators.http import require_safe

from accounts.http import PersonRequest
from gallery import access, differences
from gallery.models import Image, Provenance

LEAST, MOST = 2, 4


@login_required
@require_safe
def compare(request: PersonRequest) -> HttpResponse:
    """`?ids=` of two to four pictures, repeated or with commas between."""
    ids = _ids(request.GET.getlist("ids"))
    if not LEAST <= len(ids) <= MOST:
        context = {"images": (), "given": len(ids)}
        return render(request, "gallery/compare.html", context, status=422)
    found = Image.objects.visible_to(request.user).in_bulk(ids)
    if len(found) != len(ids):
        raise Http404
    images = [found[pk] for pk in ids]
    told = set(
        Image.objects.told_to(request.user)
        .filter(pk__in=ids)
        .values_list("pk", flat=True)
    )
    images = [access.shown_to(request.user, i, i.pk in told) for i in images]
    rows = Provenance.objects.filter(image__in=told).select_related("version")
    made = {one.image_id: one for one in rows}
    table = differences.rows([_told(i, made.get(i.pk)) for i in images])
    prompts = [
        (label, texts, differences.texts(texts))
        for label, texts in (
            ("Prompt", [i.prompt for i in images]),
            ("Without", [i.negative_prompt for i in images]),
        )
        if any(texts)
    ]
    context = {
        "images": images,
        "rows": table,
        "prompts": [
            differences.Row(label, tuple(pieces))
            if len(set(texts)) > 1
            else differences.Row(label, (pieces[0],) * len(images))
            for label, texts, pieces in prompts
        ],
    }
    return render(request, "gallery/compare.html", context)


def _ids(given: list[str]) -> list[UUID]:
    words = [word for part in given for word in part.split(",") if word.strip()]
    try:
        return list(dict.fromkeys(UUID(word.strip()) for word in words))
    except ValueError as exc:
        raise Http404 from exc


def _told(image: Image, made: Provenance | None) -> dict[str, object]:
    """Label → value of all but the prompts, as the picture's page names them."""
    told: dict[str, object] = {"Model": image.model or None, "Seed": image.seed or None}
    if made is not None:
        told |= dict(made.facts)
        labels = made.version.labels() if made.version else {}
        hidden = {"prompt", "negative_prompt", "seed", "model", *made.inputs}
        hidden |= {"sampler", "scheduler", "steps", "cfg"}
        for name, value in made.parameters.items():
            if name not in hidden:
                told[labels.get(name, name)] = value
        for name, digest in made.inputs.items():
            told[labels.get(name, name)] = f"SHA-256 {digest[:16]}…"
    told["Pixels"] = f"{image.width} × {image.height}"
    told["File"] = f"{image.mime_type}, {filesizeformat(image.bytes)}"
    told["Made"] = f"{image.created:%-d %B %Y, %H:%M}"
    return {label: value for label, value in told.items() if value is not None}

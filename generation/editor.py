"""The editor of a template's form: what can be set, how it is asked for, a test run.

Each button is a deed on the posted rows; with scripts most of them happen in the page,
and only the preview and the faults come from here.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.http import person
from generation import drafting, editing, importing, offers
from generation.comfy.discover import Found, discover
from generation.editing import Row
from generation.forms import GenerateForm
from generation.models import Job, Version, Workflow
from generation.operate import log_deed, staff
from generation.template_pages import get_template
from generation.usage import TooMany

SHOWN = 40
LISTED = 1000
RECENT = 4


def _newest(workflow: Workflow) -> Version:
    version = workflow.newest()
    if version is None:
        raise Http404("The template has no workflow yet.")
    version.workflow = workflow
    return version


def _found(version: Version) -> list[Found]:
    nodes = importing.knowledge()
    return discover(version.graph, nodes.catalog if nodes else None)


@staff
def edit_form(request: HttpRequest, slug: str) -> HttpResponse:
    version = _newest(get_template(slug))
    if request.method != "POST":
        rows = editing.rows_of(version.fields)
        return _page(request, version, rows)
    rows = editing.rows_from(request.POST)
    deed, _, what = request.POST.get("do", "save").partition(":")
    if deed == "add":
        return _add(request, version, rows, what)
    if deed in ("up", "down"):
        rows = editing.moved(rows, what, -1 if deed == "up" else 1)
    elif deed == "remove":
        rows = editing.without(rows, what)
    elif _overtaken(request, version):
        return _page(request, version, rows, status=409)
    elif _sound(version, rows):
        return _save(request, version, rows, publish=deed == "publish")
    else:
        return _page(request, version, rows, status=422)
    return _page(request, version, rows)


def _overtaken(request: HttpRequest, version: Version) -> bool:
    """Whether somebody else has saved since this page was opened; said once."""
    seen = request.POST.get("seen", "")
    if seen in ("", version.stamp) or version.author_id == person(request).pk:
        return False
    who = version.author or "Somebody"
    messages.warning(
        request,
        f"{who} has saved version {version.number} since you opened this page."
        " Nothing of yours is lost: it stands below. Save again to replace theirs.",
    )
    return True


def _sound(version: Version, rows: Sequence[Row]) -> bool:
    return editing.check(rows, version.graph, offers.choices_of(version))


def _save(
    request: HttpRequest, version: Version, rows: Sequence[Row], *, publish: bool
) -> HttpResponse:
    workflow = version.workflow
    fields = editing.fields_of(rows, version.graph)
    kept = workflow.save_draft(fields, person(request))
    text = f"Version {kept.number} is saved"
    if publish:
        workflow.publish(kept)
        text = f"Version {kept.number} is published"
    log_deed(request, workflow, f"{text}.")
    end = "." if publish or kept.published_at else ", as a draft."
    messages.success(request, text + end)
    where = "generation:template" if publish else "generation:edit-form"
    return redirect(where, workflow.slug)


def _add(
    request: HttpRequest, version: Version, rows: list[Row], place: str
) -> HttpResponse:
    found = [o for o in _found(version) if f"{o.node}{editing.ARROW}{o.input}" == place]
    if not found:
        raise Http404("The workflow has no such input.")
    names = [str(row.entry.get("name")) for row in rows]
    made = drafting.parameter(found[0], names)
    row = editing.row_of(found[0], made, f"r{secrets.token_hex(5)}")
    if request.htmx:  # type: ignore[attr-defined]
        context = _rows_context(version, [row]) | {"row": row, "is_new": True}
        return render(request, "generation/editor/_row.html", context)
    return _page(request, version, [*rows, row])


def _rows_context(version: Version, rows: Sequence[Row]) -> dict[str, Any]:
    for row in rows:
        titles = [editing.place_title(version.graph, t) for t in row.targets]
        row.places = list(zip(row.targets, titles, strict=True))
    return {"workflow": version.workflow, "rows": rows, "kinds": editing.KINDS}


def _page(
    request: HttpRequest, version: Version, rows: list[Row], status: int = 200
) -> HttpResponse:
    if status != 422:
        _sound(version, rows)
    found = _found(version)
    jobs = Job.objects.visible_to(person(request)).newest_first()
    jobs = jobs.filter(workflow=version.workflow, version__number__gte=version.number)
    context = _rows_context(version, rows) | {
        "version": version,
        "offers": editing.offers(found, rows, "", SHOWN),
        "offered": len(found),
        "places": [_place(version, one) for one in found[:LISTED]],
        "form": _preview_form(request, version, rows),
        "wrong": [row for row in rows if row.errors],
        "jobs": jobs.select_related("workflow").prefetch_related("images")[:RECENT],
    }
    return render(request, "generation/editor/form.html", context, status=status)


def _place(version: Version, found: Found) -> tuple[str, str]:
    place = f"{found.node}{editing.ARROW}{found.input}"
    return place, editing.place_title(version.graph, place)


def _preview_form(
    request: HttpRequest, version: Version, rows: Sequence[Row]
) -> GenerateForm | None:
    """The form that people would see, of the rows without a fault."""
    sound = [row for row in rows if not row.errors]
    choices = offers.choices_of(version)
    while sound and not editing.check(sound, version.graph, choices):
        # What refers to a field with a fault has one as well.
        sound = [row for row in sound if not row.errors]
    fields = editing.fields_of(sound, version.graph)
    shown = Version(workflow=version.workflow, graph=version.graph, fields=fields)
    return GenerateForm(shown, person(request))


@staff
@require_POST
def preview(request: HttpRequest, slug: str) -> HttpResponse:
    version = _newest(get_template(slug))
    rows = editing.rows_from(request.POST)
    _sound(version, rows)
    return _preview(request, version, rows)


def _preview(
    request: HttpRequest,
    version: Version,
    rows: Sequence[Row],
    form: GenerateForm | None = None,
    jobs: Sequence[Job] = (),
) -> HttpResponse:
    wrong = [row for row in rows if row.errors]
    context = _rows_context(version, rows) | {
        "version": version,
        "form": form or _preview_form(request, version, list(rows)),
        "wrong": wrong,
        "new_jobs": jobs,
        "with_errors": True,
    }
    bad = bool(form is not None and not jobs)
    status = 422 if bad else 200
    return render(request, "generation/editor/_preview.html", context, status=status)


@staff
@require_safe
def inputs(request: HttpRequest, slug: str) -> HttpResponse:
    """What can be added, by search."""
    version = _newest(get_template(slug))
    found = _found(version)
    rows = editing.rows_of(version.fields)
    query = request.GET.get("q", "")[:100]
    context = {
        "workflow": version.workflow,
        "offers": editing.offers(found, rows, query, SHOWN),
        "offered": len(found),
    }
    return render(request, "generation/editor/_offers.html", context)


@staff
@require_POST
def test_run(request: HttpRequest, slug: str) -> HttpResponse:
    """Queue a real job with the draft, as the administrator's own."""
    workflow = get_template(slug)
    version = _newest(workflow)
    user = person(request)
    rows = editing.rows_of(version.fields)
    if request.POST.getlist("row-key"):
        rows = editing.rows_from(request.POST)
        if not _sound(version, rows):
            return _preview(request, version, rows)
        fields = editing.fields_of(rows, version.graph)
        version = workflow.save_draft(fields, user)
        version.workflow = workflow
    form = GenerateForm(version, user, request.POST, request.FILES)
    try:
        jobs = form.submit()
    except TooMany as exc:
        form.add_error(None, str(exc))
        jobs = []
    if jobs:
        log_deed(request, workflow, f"Test run of version {version.number}.")
    if request.htmx:  # type: ignore[attr-defined]
        return _preview(request, version, rows, form, jobs)
    if jobs:
        return redirect("generation:job", jobs[0].pk)
    for errors in form.errors.values():
        messages.error(request, " ".join(map(str, errors)))
    return redirect("generation:edit-form", slug)

"""Pages for administrators: import templates, describe, publish, compare, take along.

The editor of a template's form is in `editor`. Every deed is logged.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.http import PersonRequest, person, staff
from gallery import files
from generation import bundles, comparing, editing, importing
from generation.comfy.convert import NodeProblem, Unconvertible
from generation.details import DetailsForm
from generation.models import Server, Version, Workflow
from generation.operate import log_deed

MAX_FILES = 20
MAX_NAMED = 50


def get_template(slug: str) -> Workflow:
    return get_object_or_404(Workflow, slug=slug)


def get_version(workflow: Workflow, number: int) -> Version:
    found: Version = get_object_or_404(workflow.versions, number=number)
    found.workflow = workflow
    return found


@staff
@require_safe
def manage(request: HttpRequest) -> HttpResponse:
    return render(request, "generation/editor/manage.html", _manage_context())


def _manage_context(**more: object) -> dict[str, object]:
    workflows = Workflow.objects.select_related("current").defer("current__graph")
    return {
        "workflows": workflows,
        "servers": Server.objects.exclude(catalog=None),
        **more,
    }


@staff
@require_POST
def import_files(request: HttpRequest) -> HttpResponse:
    """Each file becomes a draft; of one with a fault nothing is kept."""
    uploads = request.FILES.getlist("file")[:MAX_FILES]
    number = request.POST.get("server", "")
    chosen = Server.objects.filter(pk=int(number)) if number.isdecimal() else None
    nodes = importing.knowledge(chosen.first() if chosen else None)
    made: list[Workflow] = []
    faults: list[dict[str, object]] = []
    for upload in uploads:
        try:
            name = upload.name or "file"
            if (upload.size or 0) > importing.MAX_FILE_BYTES:
                limit = importing.MAX_FILE_BYTES // 1024**2
                raise Unconvertible(f"The file is larger than {limit} MB.")
            made.append(_import(request, name, upload.read(), nodes))
        except Unconvertible as exc:
            faults.append(_fault(name, exc.sentence, exc.nodes))
        except ValidationError as exc:
            faults.append(_fault(name, " ".join(exc.messages), ()))
    if not uploads:
        faults.append(_fault("", "Choose a file first.", ()))
    for workflow in made:
        log_deed(request, workflow, "Imported.")
        messages.success(request, f"{workflow.title} is imported, as a draft.")
    if made and not faults:
        to = "generation:edit-form" if len(made) == 1 else "generation:manage"
        return redirect(to, *([made[0].slug] if len(made) == 1 else []))
    context = _manage_context(faults=faults)
    return render(request, "generation/editor/manage.html", context, status=422)


def _import(
    request: HttpRequest,
    name: str,
    data: bytes,
    nodes: importing.Knowledge | None,
) -> Workflow:
    author = person(request)
    known = nodes.definitions if nodes else None
    if data.lstrip()[:1] == b"{":
        document = importing.read_json(data)
        if bundles.is_bundle(document):
            return bundles.create(document, known, author)
        imported = importing.from_document(document, known)
    else:
        imported = importing.from_file(name, data, known)
    return importing.create(
        imported,
        title=importing.title_of(name),
        author=author,
        catalog=nodes.catalog if nodes else None,
    )


def _fault(
    name: str, sentence: str, nodes: tuple[NodeProblem, ...]
) -> dict[str, object]:
    more = max(0, len(nodes) - MAX_NAMED)
    named = [(n.id[:60], n.type[:100], n.reason[:300]) for n in nodes[:MAX_NAMED]]
    return {"name": name[:100], "sentence": sentence, "nodes": named, "more": more}


@staff
@require_POST
def replace_workflow(request: HttpRequest, slug: str) -> HttpResponse:
    """Another workflow for the same form: a new draft with the fields that fit it."""
    workflow = get_template(slug)
    upload = request.FILES.get("file")
    newest = workflow.newest()
    if upload is None or (upload.size or 0) > importing.MAX_FILE_BYTES:
        messages.error(request, "Choose a file of at most 64 MB.")
        return redirect("generation:template", slug)
    nodes = importing.knowledge()
    try:
        known = nodes.definitions if nodes else None
        found = importing.from_file(upload.name or "file", upload.read(), known)
    except Unconvertible as exc:
        named = [f"Node {n.id} ({n.type}): {n.reason}." for n in exc.nodes[:MAX_NAMED]]
        messages.error(request, " ".join([exc.sentence, *named])[:4000])
        return redirect("generation:template", slug)
    old = newest.fields if newest else []
    fields, lost = editing.fitting(old, found.graph)
    try:
        version = workflow.add_version(found.graph, fields, person(request))
    except ValidationError as exc:
        messages.error(request, " ".join(exc.messages))
        return redirect("generation:template", slug)
    text = f"Version {version.number} has the new workflow, as a draft."
    if lost:
        text += f" It has nothing for {', '.join(lost)}."
    log_deed(request, workflow, text[:1000])
    messages.success(request, text)
    return redirect("generation:edit-form", slug)


@staff
def template(request: HttpRequest, slug: str) -> HttpResponse:
    workflow = get_template(slug)
    form = DetailsForm(request.POST or None, request.FILES or None, instance=workflow)
    if request.method == "POST" and form.is_valid():
        form.save()
        changed = ", ".join(form.changed_data) or "nothing"
        log_deed(request, workflow, f"Changed {changed}.")
        messages.success(request, "Saved.")
        return redirect("generation:template", workflow.slug)
    # The form has written what was posted into the row that it holds.
    shown = get_template(slug)
    versions = shown.versions.defer("graph", "fields").select_related("author")
    context = {"workflow": shown, "form": form, "versions": versions[:100]}
    status = 422 if form.errors else 200
    return render(request, "generation/editor/template.html", context, status=status)


@staff
@require_POST
def publish(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """A new version, or an older one again."""
    workflow = get_template(slug)
    version = get_version(workflow, number)
    try:
        version.full_clean(exclude=["workflow", "author"])
    except ValidationError as exc:
        messages.error(request, " ".join(exc.messages))
        return redirect("generation:edit-form", workflow.slug)
    workflow.publish(version)
    log_deed(request, workflow, f"Published version {number}.")
    messages.success(request, f"Version {number} is what people get from now on.")
    return redirect("generation:template", workflow.slug)


@staff
@require_POST
def withdraw(request: HttpRequest, slug: str) -> HttpResponse:
    """Nobody gets it any more; jobs and versions stay."""
    workflow = get_template(slug)
    workflow.published = False
    workflow.save(update_fields=["published", "updated"])
    log_deed(request, workflow, "Withdrawn.")
    messages.success(request, f"{workflow.title} is withdrawn.")
    return redirect("generation:template", workflow.slug)


@staff
@require_safe
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    workflow = get_template(slug)
    pair = [request.GET.get(name, "") for name in ("old", "new")]
    if not all(number.isdecimal() and len(number) < 9 for number in pair):
        raise Http404("These are no versions.")
    old, new = (get_version(workflow, int(number)) for number in pair)
    context = {
        "workflow": workflow,
        "old": old,
        "new": new,
        "fields": comparing.fields(old.fields, new.fields),
        "nodes": comparing.nodes(old.graph, new.graph),
    }
    return render(request, "generation/editor/compare.html", context)


@staff
@require_POST
def duplicate(request: HttpRequest, slug: str) -> HttpResponse:
    workflow = get_template(slug)
    if workflow.newest() is None:
        raise Http404("There is nothing to copy.")
    copy = bundles.duplicate(workflow, person(request))
    log_deed(request, copy, f"Copied from {workflow.slug}.")
    messages.success(request, f"This is a copy of {workflow.title}, as a draft.")
    return redirect("generation:template", copy.slug)


@staff
@require_safe
def export(request: HttpRequest, slug: str) -> HttpResponse:
    workflow = get_template(slug)
    if workflow.newest() is None:
        raise Http404("There is nothing to export.")
    log_deed(request, workflow, "Exported.")
    options: dict[str, Any] = {"indent": 1}
    name = f"{workflow.slug}.lifeos.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return JsonResponse(
        bundles.export(workflow), json_dumps_params=options, headers=headers
    )


@login_required
@require_safe
def cover(request: PersonRequest, slug: str, tag: str) -> HttpResponseBase:
    """Its picture, for whoever may know of the template."""
    seen = Workflow.objects.visible_to(request.user)
    if request.user.is_staff:
        seen = Workflow.objects.all()
    workflow = get_object_or_404(seen, slug=slug)
    if not workflow.cover_file or workflow.cover_tag != tag:
        raise Http404("There is no such cover.")
    return files.serve(
        request,
        workflow.cover_file,
        mime_type="image/webp",
        filename=f"{workflow.slug}.webp",
        etag=tag,
    )

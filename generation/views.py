"""Pages: start, templates, form, jobs, servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.core.files.storage import default_storage
from django.db.models import OuterRef, Prefetch, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST, require_safe

from accounts.http import PersonRequest, person
from accounts.models import User
from accounts.paging import BadCursor, newest_first
from gallery.models import Image
from generation import offers, parameters, previews, wildcards
from generation.fields import TEXTS, Kind
from generation.filling import usable_values, version_for
from generation.forms import GenerateForm
from generation.models import Job, Preset, Version, Workflow
from generation.models.job import JobQuerySet
from generation.remake import mapped_onto
from generation.remix import Mapped
from generation.shelf import Shelf
from generation.submit import Invalid, again, input_folder, is_own_file
from generation.usage import TooMany

PAGE = 30
# Cards of active jobs on one page; each costs a look at the queue.
LIVE = 12
RECENT = 8
# Presets in the menu of a form.
MENU = 30


def get_job_for(request: HttpRequest, pk: UUID) -> Job:
    """The person's own job; 404 for everybody else's, as if it did not exist."""
    return get_object_or_404(_jobs_of(request.user), pk=pk)


def _jobs_of(user: User | AnonymousUser) -> JobQuerySet:
    """Their jobs with all that a card shows, in two queries."""
    kept = Prefetch("images", Image.objects.filter(deleted_at=None).order_by("index"))
    jobs = Job.objects.visible_to(user).newest_first()
    return jobs.select_related("workflow").defer("graph").prefetch_related(kept)


def _templates_for(user: User) -> Sequence[Workflow]:
    """The published templates, each with `cover`: the person's newest picture of it."""
    pictures = Image.objects.owned_by(user).filter(job__workflow=OuterRef("pk"))
    newest = Subquery(pictures.newest_first().values("pk")[:1])
    workflows = list(Workflow.objects.visible_to(user).annotate(newest_image=newest))
    pictured = {workflow.pk: vars(workflow)["newest_image"] for workflow in workflows}
    covers = Image.objects.in_bulk([pk for pk in pictured.values() if pk])
    for workflow in workflows:
        workflow.cover = covers.get(pictured[workflow.pk])  # type: ignore[attr-defined]
    return workflows


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return render(request, "generation/welcome.html")
    user = person(request)
    context = {
        "active_jobs": _jobs_of(user).active()[:LIVE],
        "images": Image.objects.owned_by(user).newest_first()[:12],
        "workflows": _templates_for(user),
    }
    return render(request, "generation/home.html", context)


@login_required
@require_safe
def template_list(request: PersonRequest) -> HttpResponse:
    shelf = Shelf(_templates_for(request.user), request.GET)
    template = "_shelf.html" if request.htmx else "template_list.html"
    return render(request, f"generation/{template}", {"shelf": shelf})


@login_required
def generate(request: PersonRequest, slug: str) -> HttpResponse:
    version = version_for(request, slug)
    if request.method == "POST":
        return _submit(request, version)
    source = request.GET.get("from", "")
    mapped = mapped_onto(request.user, source, version)
    start = _with_input(request, version, _start(request, version, mapped))
    form = GenerateForm(version, request.user, initial=start.values)
    form.show_errors(_refused(request.user, source))
    context = _page(request, form) | {"start": start, "mapped": mapped}
    return render(request, "generation/generate.html", context)


def _submit(request: PersonRequest, version: Version) -> HttpResponse:
    form = GenerateForm(version, request.user, request.POST, request.FILES)
    try:
        jobs = form.submit()
    except TooMany as exc:
        form.add_error(None, str(exc))
        response = _not_taken(request, form, 429)
        response["Retry-After"] = str(exc.retry_after)
        return response
    if not jobs:
        return _not_taken(request, form, 422)
    if request.htmx:
        context = {"form": form, "jobs": jobs[:LIVE]}
        return render(request, "generation/_submitted.html", context)
    return redirect("generation:job", jobs[0].pk)


def _not_taken(request: PersonRequest, form: GenerateForm, status: int) -> HttpResponse:
    """The form with what was typed and what is wrong with it."""
    template = "_form.html" if request.htmx else "generate.html"
    context = {"form": form} if request.htmx else _page(request, form)
    return render(request, f"generation/{template}", context, status=status)


def _page(request: PersonRequest, form: GenerateForm) -> dict[str, object]:
    jobs = _jobs_of(request.user).filter(workflow=form.workflow)
    presets = Preset.objects.visible_to(request.user).filter(workflow=form.workflow)
    return {
        "form": form,
        "workflow": form.workflow,
        "jobs": jobs[:RECENT],
        "presets": presets.select_related("owner")[:MENU],
    }


@dataclass(frozen=True, slots=True)
class Start:
    """What a form is filled with: where it comes from, and what did not fit."""

    values: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    misfits: Sequence[str] = ()


def _start(request: PersonRequest, version: Version, mapped: Mapped) -> Start:
    """What was asked for, else one's last use, else the template's defaults."""
    if mapped.values:
        return Start(_as_it_is(version, mapped.values))
    if preset := _preset_of(request, version):
        values, foreign = usable_values(request.user, version, preset.values)
        found = Start(values, f"the preset “{preset.name}”", foreign)
    elif {"defaults", "from"} & set(request.GET):
        return Start()
    elif values := _last_use(request, version):
        found = Start(values, "your last use")
    else:
        return Start()
    choices = offers.choices_of(version)
    fields = offers.parameters_of(version)
    fit, misfits = parameters.fitted(fields, found.values, choices)
    return Start(fit, found.source, [*found.misfits, *misfits])


def _with_input(request: PersonRequest, version: Version, start: Start) -> Start:
    """The same with `?input=`, the name of a file of one's own, in its first place."""
    key = f"{input_folder(request.user)}{request.GET.get('input', '')}"
    fields = [p for p in version.parameters if p.kind == Kind.IMAGE]
    given = request.GET.get("input") and is_own_file(request.user, key)
    if not (given and fields and default_storage.exists(key)):
        return start
    return replace(start, values={**start.values, fields[0].name: key})


def _preset_of(request: PersonRequest, version: Version) -> Preset | None:
    wanted = request.GET.get("preset", "")
    if not wanted:
        return None
    presets = Preset.objects.visible_to(request.user)
    if not wanted.isdecimal() or len(wanted) > 18:
        raise Http404
    return get_object_or_404(presets, pk=wanted, workflow=version.workflow)


def _last_use(request: PersonRequest, version: Version) -> dict[str, Any]:
    jobs = request.user.jobs.filter(workflow=version.workflow)
    return _as_typed(jobs.newest_first().first())


def _as_typed(job: Job | None) -> dict[str, Any]:
    """The job's values as its form had them: wildcards and seed modes included."""
    return {**_as_it_is(job.version, job.parameters), **job.typed} if job else {}


def _as_it_is(version: Version, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values for a form in which nothing is chosen again from a prompt's braces."""
    kept = dict(values)
    texts = {p.name for p in version.parameters if p.kind in TEXTS}
    for name in texts & set(kept):
        kept[name] = wildcards.escape(str(kept[name] or ""))
    return kept


def _refused(user: User, source: str) -> Mapping[str, str]:
    """What the server said of the values of one's own job, by field."""
    try:
        job = Job.objects.visible_to(user).filter(pk=UUID(source)).first()
    except ValueError:
        return {}
    return job.field_errors if job else {}


@login_required
@require_safe
def job_list(request: PersonRequest) -> HttpResponse:
    jobs = _jobs_of(request.user)
    cursor = request.GET.get("cursor", "")
    # Cards of what is being made, then rows; further pages are rows alone.
    active = [] if cursor else list(jobs.active()[:LIVE])
    rest = jobs.exclude(pk__in=[job.pk for job in active])
    try:
        page = newest_first(rest, cursor, PAGE)
    except BadCursor as exc:
        raise Http404 from exc
    template = "_job_rows.html" if request.htmx else "job_list.html"
    waiting = 0 if cursor else jobs.active().filter(cancel_requested=False).count()
    context = {"page": page, "active_jobs": active, "waiting": waiting}
    return render(request, f"generation/{template}", context)


@login_required
@require_safe
def job(request: PersonRequest, pk: UUID) -> HttpResponse:
    found = get_job_for(request, pk)
    labels = found.version.labels()
    shown = {k: parameters.spoken(v) for k, v in found.parameters.items()}
    values = [(labels.get(k, k), v) for k, v in shown.items()]
    context = {
        "job": found,
        "values": values,
        "attempts": found.attempts.select_related("server"),
    }
    return render(request, "generation/job.html", context)


@login_required
@require_GET
def job_fragment(request: PersonRequest, pk: UUID) -> HttpResponse:
    context = {"job": get_job_for(request, pk)}
    return render(request, "generation/_job_card.html", context)


@login_required
@require_safe
def job_preview(request: PersonRequest, pk: UUID, number: int) -> HttpResponse:
    found = get_job_for(request, pk)
    preview = previews.latest(found.pk)
    if preview is None:
        raise Http404("There is no preview now.")
    _, mime_type, data = preview
    headers = {"Cache-Control": "private, no-store"}
    return HttpResponse(data, content_type=mime_type, headers=headers)


@login_required
@require_POST
def cancel_job(request: PersonRequest, pk: UUID) -> HttpResponse:
    get_job_for(request, pk).cancel()
    return _changed(request, pk)


@login_required
@require_POST
def cancel_all(request: PersonRequest) -> HttpResponse:
    count = Job.objects.visible_to(request.user).cancel()
    text = f"{count} jobs are cancelled." if count != 1 else "One job is cancelled."
    messages.success(request, text)
    return redirect("generation:job-list")


@login_required
@require_POST
def retry_job(request: PersonRequest, pk: UUID) -> HttpResponse:
    try:
        again(get_job_for(request, pk))
    except TooMany as exc:
        return _changed(request, pk, str(exc))
    except Invalid as exc:
        return _changed(request, pk, " ".join(exc.errors.values()))
    return _changed(request, pk)


def _changed(request: PersonRequest, pk: UUID, trouble: str = "") -> HttpResponse:
    if request.htmx:
        context = {"job": get_job_for(request, pk), "trouble": trouble}
        return render(request, "generation/_job_card.html", context)
    if trouble:
        messages.error(request, trouble)
    return redirect("generation:job", pk)

"""Pages: start, templates, form, jobs, servers."""

from __future__ import annotations

from uuid import UUID

from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST, require_safe

from accounts.http import PersonRequest, person
from accounts.paging import BadCursor, newest_first
from gallery.models import Image
from generation import previews
from generation.forms import GenerateForm
from generation.models import Job, Server, Workflow
from generation.submit import TooMany

PAGE = 30


def get_job_for(request: HttpRequest, pk: UUID) -> Job:
    """The person's own job; 404 for everybody else's, as if it did not exist."""
    jobs = Job.objects.visible_to(request.user).select_related("workflow")
    return get_object_or_404(jobs.prefetch_related("images"), pk=pk)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return render(request, "generation/welcome.html")
    user = person(request)
    jobs = Job.objects.visible_to(user).select_related("workflow")
    context = {
        "active_jobs": jobs.active().newest_first().prefetch_related("images")[:6],
        "images": Image.objects.visible_to(user).newest_first()[:12],
        "workflows": Workflow.objects.filter(published=True),
    }
    return render(request, "generation/home.html", context)


@login_required
@require_safe
def template_list(request: PersonRequest) -> HttpResponse:
    workflows = list(Workflow.objects.filter(published=True))
    for workflow in workflows:
        covers = Image.objects.visible_to(request.user)
        workflow.cover = (  # type: ignore[attr-defined]
            covers.filter(job__workflow=workflow).newest_first().first()
        )
    return render(request, "generation/template_list.html", {"workflows": workflows})


@login_required
def generate(request: PersonRequest, slug: str) -> HttpResponse:
    workflow = get_object_or_404(Workflow, slug=slug, published=True)
    if request.method == "POST":
        return _submit(request, workflow)
    initial = _settings_of(request, workflow)
    form = GenerateForm(workflow, request.user, initial=initial)
    return render(request, "generation/generate.html", _page(request, form))


def _submit(request: PersonRequest, workflow: Workflow) -> HttpResponse:
    form = GenerateForm(workflow, request.user, request.POST, request.FILES)
    try:
        jobs = form.submit()
    except TooMany as exc:
        form.add_error(None, str(exc))
        jobs, status = [], 429
    else:
        status = 422
    if not jobs:
        template = "_form.html" if request.htmx else "generate.html"
        context = {"form": form} if request.htmx else _page(request, form)
        return render(request, f"generation/{template}", context, status=status)
    if request.htmx:
        context = {"form": form, "jobs": jobs}
        return render(request, "generation/_submitted.html", context)
    return redirect("generation:job", jobs[0].pk)


def _page(request: PersonRequest, form: GenerateForm) -> dict[str, object]:
    jobs = Job.objects.visible_to(request.user).filter(workflow=form.workflow)
    recent = jobs.select_related("workflow").newest_first()
    return {
        "form": form,
        "workflow": form.workflow,
        "jobs": recent.prefetch_related("images")[:8],
    }


def _settings_of(request: PersonRequest, workflow: Workflow) -> dict[str, object]:
    """The values of one's own picture or job that is to be made again."""
    source = request.GET.get("from", "")
    try:
        pk = UUID(source)
    except ValueError:
        return {}
    image = Image.objects.visible_to(request.user).filter(pk=pk).first()
    source_job = image.job_id if image and image.job_id else pk
    jobs = Job.objects.visible_to(request.user).filter(workflow=workflow)
    found = jobs.filter(pk=source_job).first()
    return dict(found.parameters) if found else {}


@login_required
@require_safe
def job_list(request: PersonRequest) -> HttpResponse:
    jobs = Job.objects.visible_to(request.user).select_related("workflow")
    jobs = jobs.prefetch_related("images")
    try:
        page = newest_first(jobs, request.GET.get("cursor", ""), PAGE)
    except BadCursor as exc:
        raise Http404 from exc
    template = "_job_rows.html" if request.htmx else "job_list.html"
    return render(request, f"generation/{template}", {"page": page})


@login_required
@require_safe
def job(request: PersonRequest, pk: UUID) -> HttpResponse:
    found = get_job_for(request, pk)
    labels = {p.name: p.label for p in found.workflow.parameters.all()}
    values = [(labels.get(k, k), v) for k, v in found.parameters.items()]
    context = {"job": found, "values": values, "attempts": found.attempts.all()}
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
def retry_job(request: PersonRequest, pk: UUID) -> HttpResponse:
    get_job_for(request, pk).retry()
    return _changed(request, pk)


def _changed(request: PersonRequest, pk: UUID) -> HttpResponse:
    if request.htmx:
        context = {"job": get_job_for(request, pk)}
        return render(request, "generation/_job_card.html", context)
    return redirect("generation:job", pk)


@staff_member_required(login_url="account_login")  # type: ignore[untyped-decorator]
@require_safe
def server_list(request: HttpRequest) -> HttpResponse:
    workflows = list(Workflow.objects.filter(published=True))
    servers = list(Server.objects.all())
    for server in servers:
        server.templates = [  # type: ignore[attr-defined]
            (workflow, server.lacks(workflow.graph)) for workflow in workflows
        ]
    return render(request, "generation/server_list.html", {"servers": servers})

"""/api/comfyui/…: generate, jobs, templates."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.db.models import CharField
from django.http import HttpRequest
from ninja import Field, Header, Query, Router, Schema, Status

from accounts.access import GENERATE, READ
from accounts.errors import Conflict, NotFound
from accounts.http import person
from accounts.paging import newest_first
from accounts.prepared import Prepared, Slot
from gallery.api import ImageOut, image_out
from gallery.models import Image
from generation import offers, remake
from generation.models import Job, Version, Workflow
from generation.models.job import Priority
from generation.models.workflow import kept_versions
from generation.remake import CannotRun
from generation.schema import json_schema
from generation.submit import MAX_COUNT, again, submit

router = Router(tags=["comfyui"])
# Below /api/gallery: what becomes of a picture is generating, which gallery knows not.
remakes = Router(tags=["gallery"])


class GenerateIn(Schema):
    """`template` is a slug, `parameters` are its fields' values by name.

    `count` jobs are made, which differ in their seeds; with `sweep`, which names
    several values for one or two parameters, so many for each combination.
    `callback_url` is called when each of the jobs is over, as a webhook is.
    """

    template: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    count: int = Field(1, ge=1, le=MAX_COUNT)
    priority: Priority = Priority.NORMAL
    sweep: dict[str, list[Any]] = Field(default_factory=dict)
    callback_url: str = Field("", max_length=500)


class QueuedOut(Schema):
    """`position` is the place in the fair order, 1 the next; null once it has begun.

    `eta_seconds`, until it is done, is null while nobody knows.
    """

    id: UUID
    status: str
    position: int | None
    eta_seconds: int | None


class GenerateOut(Schema):
    jobs: list[QueuedOut]


class ProgressOut(Schema):
    """`fraction`, 0 to 1, is of all nodes; `step` and `steps` are of the `node`."""

    fraction: float
    node: str | None
    step: int | None
    steps: int | None


class JobOut(Schema):
    """`status`: queued, dispatched, running, saving; then done, failed or cancelled.

    `position` and `eta_seconds` are as in QueuedOut, `why` says what the job waits for.
    Of a failed one `error` is a sentence; `field_errors`, by parameter, say what the
    server did not take.
    """

    id: UUID
    template: str
    parameters: dict[str, Any]
    status: str
    priority: str
    position: int | None
    eta_seconds: int | None
    why: str
    progress: ProgressOut
    attempts: int
    error: str
    field_errors: dict[str, str]
    created: datetime
    started: datetime | None
    finished: datetime | None
    images: list[ImageOut]


class JobsOut(Schema):
    """`next` is the `cursor` of the next page; null on the last."""

    items: list[JobOut]
    next: str | None


class TemplateOut(Schema):
    """`parameters` is a JSON Schema of what `generate` takes."""

    slug: str
    title: str
    description: str
    parameters: dict[str, Any]


class TemplatesOut(Schema):
    items: list[TemplateOut]
    next: str | None = None


class CancelledOut(Schema):
    cancelled: int


def job_out(job: Job) -> JobOut:
    progress = {"fraction": 0.0, "node": None, "step": None, "steps": None}
    shown = {k: v for k, v in job.progress.items() if k in progress}
    return JobOut(
        id=job.pk,
        template=job.workflow.slug,
        parameters=job.parameters,
        status=job.status,
        priority=job.priority,
        position=job.position,
        eta_seconds=job.eta_seconds,
        why=job.outlook.why,
        progress=ProgressOut(**(progress | shown)),
        attempts=len(job.attempts.all()),
        error=job.error,
        field_errors=job.field_errors,
        created=job.created,
        started=job.started_at,
        finished=job.finished_at,
        images=[image_out(i) for i in job.images.all() if i.deleted_at is None],
    )


def _jobs(request: HttpRequest) -> Any:
    jobs = Job.objects.visible_to(person(request)).select_related("workflow")
    return jobs.prefetch_related("images", "attempts")


def _job(request: HttpRequest, job_id: UUID) -> Job:
    job: Job | None = _jobs(request).filter(pk=job_id).first()
    if job is None:
        raise NotFound
    return job


@router.post("/generate", auth=GENERATE, response={202: GenerateOut})
def generate(
    request: HttpRequest,
    body: GenerateIn,
    idempotency_key: Annotated[str | None, Header(max_length=150)] = None,
) -> Status[GenerateOut]:
    """Queue jobs. What `parameters` leaves out takes the template's default."""
    jobs = submit(
        person(request),
        _template(request, body.template),
        body.parameters,
        count=body.count,
        priority=body.priority,
        swept=body.sweep,
        idempotency_key=idempotency_key,
        callback_url=body.callback_url,
    )
    return Status(202, _queued(jobs))


def _queued(jobs: list[Job]) -> GenerateOut:
    queued = [
        QueuedOut(
            id=job.pk,
            status=job.status,
            position=job.position,
            eta_seconds=job.eta_seconds,
        )
        for job in jobs
    ]
    return GenerateOut(jobs=queued)


@remakes.post(
    "/images/{image_id}/run-again", auth=GENERATE, response={202: GenerateOut}
)
def run_again(
    request: HttpRequest,
    image_id: UUID,
    idempotency_key: Annotated[str | None, Header(max_length=150)] = None,
) -> Status[GenerateOut]:
    """Make my picture again as it was: its own version and resolved workflow.

    409 when it cannot be; today's version is what `generate` runs.
    """
    user = person(request)
    image = Image.objects.owned_by(user).filter(pk=image_id).first()
    if image is None:
        raise NotFound
    try:
        jobs = remake.run_again(user, image, idempotency_key)
    except CannotRun as exc:
        raise Conflict(str(exc)) from exc
    return Status(202, _queued(jobs))


@router.get("/jobs", auth=READ, response=JobsOut)
def list_jobs(
    request: HttpRequest,
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> JobsOut:
    """My jobs, newest first."""
    page = newest_first(_jobs(request), cursor, limit)
    return JobsOut(items=[job_out(job) for job in page.items], next=page.next)


# Before the next route, which would take "cancel" for an id.
@router.post("/jobs/cancel", auth=GENERATE, response=CancelledOut)
def cancel_all_jobs(request: HttpRequest) -> CancelledOut:
    """Cancel all my jobs that are not over."""
    return CancelledOut(cancelled=Job.objects.visible_to(person(request)).cancel())


@router.get("/jobs/{job_id}", auth=READ, response=JobOut)
def get_job(
    request: HttpRequest,
    job_id: UUID,
    wait: Annotated[int, Query(ge=0, le=50)] = 0,
) -> JobOut:
    """My job. With `wait`, the answer comes when it is over or these seconds are."""
    # The waiting itself is in lifeos/longpoll.py.
    return job_out(_job(request, job_id))


@router.post("/jobs/{job_id}/cancel", auth=GENERATE, response=JobOut)
def cancel_job(request: HttpRequest, job_id: UUID) -> JobOut:
    """Cancel my job; 409 when it has ended already."""
    job = _job(request, job_id)
    if not job.cancel():
        raise Conflict("This job can no longer be cancelled.")
    return job_out(_job(request, job_id))


@router.post("/jobs/{job_id}/retry", auth=GENERATE, response=JobOut)
def retry_job(request: HttpRequest, job_id: UUID) -> JobOut:
    """Queue a failed or cancelled job again; 409 in any other state."""
    job = _job(request, job_id)
    if not again(job):
        raise Conflict("Only a failed or cancelled job can be tried again.")
    return job_out(_job(request, job_id))


_published = Prepared(
    lambda: Workflow.objects.published().filter(slug=Slot("slug", CharField()))
)


def _template(request: HttpRequest, slug: str) -> Version:
    found = _published.objects(slug=slug)
    if not found or not (workflow := found[0]).is_visible_to(person(request)):
        raise NotFound
    assert workflow.current_id is not None  # it is published
    return kept_versions.get(workflow.current_id)


def template_out(version: Version) -> TemplateOut:
    workflow = version.workflow
    fields = offers.parameters_of(version)
    schema = json_schema(fields, offers.choices_of(version))
    return TemplateOut(
        slug=workflow.slug,
        title=workflow.title,
        description=workflow.description,
        parameters=schema,
    )


@router.get("/templates", auth=READ, response=TemplatesOut)
def list_templates(request: HttpRequest) -> TemplatesOut:
    """Every template that I may use, its parameters as JSON Schema."""
    usable = Version.objects.current_for(person(request))
    return TemplatesOut(items=[template_out(version) for version in usable])


@router.get("/templates/{slug}", auth=READ, response=TemplateOut)
def get_template(request: HttpRequest, slug: str) -> TemplateOut:
    return template_out(_template(request, slug))

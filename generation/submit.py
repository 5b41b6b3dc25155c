"""The one way into the queue: form and API both end here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import transaction

from accounts.models import User
from generation import events, offers, outlook, parameters, usage
from generation.fields import Kind, Parameter
from generation.models import Job, Version
from generation.wake import wake

MAX_COUNT = 8


class Invalid(Exception):
    """`errors`: a sentence for each parameter that is wrong."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{k}: {v}" for k, v in errors.items()))
        self.errors = dict(errors)


def submit(
    owner: User,
    version: Version,
    given: Mapping[str, Any],
    *,
    count: int = 1,
    priority: str = Job.Priority.NORMAL,
    idempotency_key: str | None = None,
) -> list[Job]:
    """Check the values and queue `count` jobs, which differ in their seeds.

    Raises Invalid or usage.TooMany. The same key again returns the same jobs.
    """
    return enqueue(
        owner,
        version,
        lambda: _build(owner, version, given, count, priority),
        idempotency_key,
    )


def enqueue(
    owner: User,
    version: Version,
    build: Callable[[], list[Job]],
    idempotency_key: str | None = None,
) -> list[Job]:
    """Queue what `build` makes, within the owner's limits; raises as `submit` does."""
    if idempotency_key and (known := _known(owner, idempotency_key)):
        return known
    jobs = build()
    if not outlook.can_ever_run(version.workflow.server_tags, jobs[0].graph):
        why = outlook.no_server_sentence(version.workflow.server_tags, jobs[0].graph)
        raise Invalid({"template": why})
    for index, job in enumerate(jobs if idempotency_key else []):
        job.idempotency_key = f"{idempotency_key}#{index}"
    with transaction.atomic():
        _lock(owner)
        # The same request may have come in twice at once.
        if idempotency_key and (known := _known(owner, idempotency_key)):
            return known
        _check(owner, jobs)
        Job.objects.bulk_create(jobs)
    for job in jobs:
        events.announce_job(job.pk, owner.pk)
    wake()
    return jobs


def again(job: Job) -> bool:
    """Queue a failed or cancelled job anew; False if it is neither.

    Raises Invalid or usage.TooMany: it takes a place as a new one does.
    """
    if not job.can_retry:
        return False
    with transaction.atomic():
        _lock(job.owner)
        _check(job.owner, [job])
        return job.retry()


def _lock(owner: User) -> None:
    """One request of theirs after another, so that none slips past a limit."""
    User.objects.select_for_update(no_key=True).get(pk=owner.pk)


def _check(owner: User, jobs: Sequence[Job]) -> None:
    try:
        usage.check(owner, jobs)
    except usage.NeverFits as exc:
        raise Invalid({"count": str(exc)}) from exc


def _known(owner: User, key: str) -> list[Job]:
    keys = [f"{key}#{index}" for index in range(MAX_COUNT)]
    jobs = owner.jobs.filter(idempotency_key__in=keys)
    return list(jobs.select_related("workflow").order_by("idempotency_key"))


def _build(
    owner: User,
    version: Version,
    given: Mapping[str, Any],
    count: int,
    priority: str,
) -> list[Job]:
    fields = version.parameters
    cleaned = parameters.clean(fields, given, offers.choices_of(version))
    errors = cleaned.errors | _foreign_pictures(owner, fields, cleaned.values)
    if not 1 <= count <= MAX_COUNT:
        errors["count"] = f"Choose 1 to {MAX_COUNT}."
    if priority not in Job.Priority.values:
        errors["priority"] = f"Choose one of {', '.join(Job.Priority.values)}."
    if errors:
        raise Invalid(errors)
    jobs = []
    for index in range(count):
        values = _vary(fields, given, cleaned.values, index)
        graph = parameters.resolve(version.graph, fields, values)
        jobs.append(Job.build(owner, version, values, graph, priority))
    return jobs


def _foreign_pictures(
    owner: User, fields: Sequence[Parameter], values: Mapping[str, Any]
) -> dict[str, str]:
    """An input picture must lie in its owner's own folder."""
    own = input_folder(owner)
    return {
        field.name: "Upload this picture first."
        for field in fields
        if field.kind == Kind.IMAGE
        and values.get(field.name)
        and not (values[field.name].startswith(own) and ".." not in values[field.name])
    }


def input_folder(owner: User) -> str:
    return f"inputs/{owner.pk}/"


def _vary(
    fields: Sequence[Parameter],
    given: Mapping[str, Any],
    values: Mapping[str, Any],
    index: int,
) -> dict[str, Any]:
    """Job `index` of a batch: a fixed seed counts up, a random one is drawn anew."""
    varied = dict(values)
    for field in fields:
        if field.kind != Kind.SEED or index == 0:
            continue
        fixed = given.get(field.name) not in parameters.RANDOM
        seed = (values[field.name] + index) % (parameters.MAX_SEED + 1)
        again = parameters.clean([field], {}, lambda _: None).values[field.name]
        varied[field.name] = seed if fixed else again
    return varied

"""What follows when a job is over: webhooks, and a word to its owner."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Count, Max, Min, Q

from accounts import notices
from accounts.models import Notice, NoticeSettings
from generation.hooks import outbox

if TYPE_CHECKING:
    from generation.models.job import Job


def job_ended(job: Job) -> None:
    """Within the transaction that ended it."""
    outbox.job_ended(job)
    if job.status == job.Status.CANCELLED:
        return
    if job.batch is None:
        _tell_of_job(job)
    else:
        # Of two that end at the same time, one has to see the other.
        transaction.on_commit(lambda: _tell_of_batch(job), robust=True)


def takes_back(job: Job) -> None:
    """It goes on: what was told of its end is no longer so."""
    notices.forget(job.owner_id, _job_key(job), _batch_key(job))


def _tell_of_job(job: Job) -> None:
    title = job.workflow.title
    done = job.status == job.Status.DONE
    began = job.started_at or job.finished_at
    _tell(
        job.owner_id,
        f"“{title}” is done" if done else f"“{title}” failed",
        kind=Notice.Kind.DONE if done else Notice.Kind.FAILED,
        text="" if done else job.error,
        url=f"/jobs/{job.pk}/",
        key=_job_key(job),
        ran=(began, job.finished_at),
    )


def _tell_of_batch(job: Job) -> None:
    """One word for all, once none of them goes on."""
    jobs = type(job).objects.filter(owner=job.owner_id, batch=job.batch)
    if jobs.active().exists():
        return
    status = job.Status
    found = jobs.aggregate(
        done=Count("pk", filter=Q(status=status.DONE)),
        failed=Count("pk", filter=Q(status=status.FAILED)),
        began=Min("started_at"),
        ended=Max("finished_at"),
    )
    counts = f"{found['done']} done"
    if found["failed"]:
        counts += f", {found['failed']} failed"
    _tell(
        job.owner_id,
        f"“{job.workflow.title}”: {counts}",
        kind=Notice.Kind.FAILED if found["failed"] else Notice.Kind.DONE,
        text="",
        url="/jobs/",
        key=_batch_key(job),
        ran=(found["began"], found["ended"]),
    )


def _job_key(job: Job) -> str:
    return f"job:{job.pk}"


def _batch_key(job: Job) -> str:
    return f"batch:{job.batch}"


def _tell(
    owner_id: int,
    title: str,
    *,
    kind: str,
    text: str,
    url: str,
    key: str,
    ran: tuple[datetime | None, datetime | None],
) -> None:
    began, over = ran
    seconds = (over - began).total_seconds() if began and over else 0.0
    mail_due = NoticeSettings.mail_at(owner_id, seconds)
    notices.tell(
        owner_id, title, kind=kind, text=text, url=url, key=key, mail_due=mail_due
    )
    if mail_due:
        transaction.on_commit(_ask_for_mail)


def _ask_for_mail() -> None:
    from generation.hooks import tasks  # Huey needs the apps to be loaded

    tasks.ask_for_mail()

"""Short work, on Huey. Huey is at most once, so every task may be asked for again.

A task does nothing unless its row is in the state that asks for it; `sweep` asks
again for whatever was left lying by a crash.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.core.cache import cache
from django.db.models import F
from django.utils import timezone
from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task, on_startup

from generation import results
from generation.models.job import Attempt, Job

log = logging.getLogger(__name__)

# A worker that was killed blocks its job's pictures for this long.
SAVING_SECONDS = 60
MAX_SAVE_TRIES = 30
MAX_DELAY = 600


@db_task()  # type: ignore[untyped-decorator]
def save_results(job_id: str) -> None:
    """Fetch, check and store a job's outputs; then it is done."""
    attempt = (
        Attempt.objects.filter(
            job_id=job_id,
            job__status=Job.Status.SAVING,
            outcome=Attempt.Outcome.SUCCEEDED,
        )
        .select_related("job__workflow", "job__owner", "server")
        .order_by("-number")
        .first()
    )
    lock = f"saving:{job_id}"
    if attempt is None or not cache.add(lock, 1, timeout=SAVING_SECONDS):
        return
    try:
        _save(attempt)
    finally:
        cache.delete(lock)


def _save(attempt: Attempt) -> None:
    job = attempt.job
    Attempt.objects.filter(pk=attempt.pk).update(save_tries=F("save_tries") + 1)
    tries = attempt.save_tries + 1
    try:
        results.collect(job, attempt)
    except results.TryAgain as exc:
        if tries >= MAX_SAVE_TRIES:
            job.fail(f"The pictures could not be fetched: {exc}")
            return
        delay = min(MAX_DELAY, 2 ** min(tries, 10) / 2)
        log.warning("saving again in %s s: %s", delay, exc, extra={"job": job.pk})
        progress = {**job.progress, "note": str(exc)}
        job.change(sources=[Job.Status.SAVING], progress=progress)
        save_results.schedule((str(job.pk),), delay=delay)
    except Exception as exc:
        # A fault of ours: once more a little later, then the person is told.
        log.exception("saving failed", extra={"job": str(job.pk)})
        if tries >= 3:
            job.fail("The pictures could not be stored.", repr(exc))
        else:
            save_results.schedule((str(job.pk),), delay=tries)


@db_periodic_task(crontab(minute="*"))  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Ask again for the pictures of jobs that have been in `saving` for a while."""
    left = Attempt.objects.filter(
        job__status=Job.Status.SAVING,
        outcome=Attempt.Outcome.SUCCEEDED,
        finished_at__lt=timezone.now() - timedelta(seconds=SAVING_SECONDS),
    )
    for job_id in left.values_list("job_id", flat=True)[:500]:
        save_results(str(job_id))


@on_startup()  # type: ignore[untyped-decorator]
def after_start() -> None:
    """What the last process left: its tasks died with it."""
    left = Job.objects.filter(status=Job.Status.SAVING).values_list("pk", flat=True)
    for job_id in list(left):
        save_results(str(job_id))

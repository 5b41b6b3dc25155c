"""Short work, on Huey. Huey is at most once, so every task may be asked for again.

A task does nothing unless its row is in the state that asks for it; `ask_again` asks
for whatever was left lying by a crash. Bridges call it every few seconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection
from django.db.models import DateTimeField, F, QuerySet, UUIDField
from django.utils import timezone
from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task, on_startup

from accounts.periodic import once_a_minute
from accounts.prepared import Prepared, PreparedUpdate, Slot
from gallery import search
from gallery.keeping import collecting, disks, emptying, quota, spool
from gallery.storage_base import StorageAway
from generation import context, history, results
from generation.hooks import tasks as hook_tasks  # noqa: F401 - Huey finds them here
from generation.keeping import UsedInputs
from generation.models.job import Attempt, Job
from generation.models.server import kept_servers
from generation.models.workflow import kept_versions
from lifeos import garbage

log = logging.getLogger(__name__)

# Whoever stores pictures says so this often; then nobody else does.
SAVE_LEASE = timedelta(seconds=15)
# A task that was queued and has not begun by then is taken for lost.
LOST_AFTER = timedelta(seconds=10)
MAX_SAVE_TRIES = 30
MAX_DELAY = 600


def _saving() -> QuerySet[Attempt]:
    return Attempt.objects.filter(
        job__status=Job.Status.SAVING, outcome=Attempt.Outcome.SUCCEEDED
    )


@db_task()  # type: ignore[untyped-decorator]
def save_results(job_id: str) -> None:
    """Fetch, check and store a job's outputs; then it is done."""
    waiting = _attempts.objects(job=job_id)
    now = timezone.now()
    if not waiting or not _take.run(
        attempt=waiting[0].pk, now=now, until=now + SAVE_LEASE
    ):
        return
    attempt = waiting[0]
    attempt.save_tries += 1
    [attempt.job] = _jobs.objects(job=job_id)
    attempt.server = kept_servers.get(attempt.server_id)
    attempt.job.version = kept_versions.get(attempt.job.version_id)
    attempt.job.workflow = attempt.job.version.workflow
    with context.about(attempt.job_id):
        _save(attempt)


_JOB, _NOW = Slot("job", UUIDField()), Slot("now", DateTimeField())
_attempts = Prepared(lambda: _saving().filter(job_id=_JOB).order_by("-number")[:1])
_jobs = Prepared(lambda: Job.objects.filter(pk=_JOB))
_take = PreparedUpdate(
    lambda: Attempt.objects.filter(
        pk=Slot("attempt", UUIDField()), save_after__lte=_NOW
    ),
    save_after=Slot("until", DateTimeField()),
    save_tries=F("save_tries") + 1,
)


def _save(attempt: Attempt) -> None:
    job = attempt.job
    tries = attempt.save_tries

    try:
        with _working_on(attempt):
            results.collect(job, attempt)
    except results.TryAgain as exc:
        if tries >= MAX_SAVE_TRIES:
            job.fail(f"The pictures could not be fetched: {exc}")
            return
        delay = min(MAX_DELAY, 2 ** min(tries, 10) / 2)
        log.warning("saving again in %s s: %s", delay, exc, extra={"job": job.pk})
        progress = {**job.progress, "note": str(exc)}
        job.change(sources=[Job.Status.SAVING], progress=progress)
        _not_before(attempt, timedelta(seconds=delay))
    except Exception as exc:
        # A fault of ours: once more a little later, then the person is told.
        log.exception("saving failed", extra={"job": str(job.pk)})
        if tries >= 3:
            job.fail("The pictures could not be stored.", repr(exc))
        else:
            _not_before(attempt, timedelta(seconds=tries))


@contextmanager
def _working_on(attempt: Attempt) -> Iterator[None]:
    """Renew the lease from a thread: a download or a huge picture may take minutes."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(SAVE_LEASE.total_seconds() / 3):
            try:
                _not_before(attempt, SAVE_LEASE)
            finally:
                connection.close()

    thread = threading.Thread(target=renew, name="saving", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _not_before(attempt: Attempt, wait: timedelta) -> None:
    later = timezone.now() + wait
    Attempt.objects.filter(pk=attempt.pk).update(save_after=later)


def ask_again(*, at_once: bool = False) -> int:
    """Queue the tasks of jobs in `saving` that nobody works on; how many."""
    now = timezone.now()
    due = _saving().filter(save_after__lte=now)
    if not at_once:
        due = due.filter(save_asked__lte=now - LOST_AFTER)
    asked = 0
    for pk, job_id, before in due.values_list("pk", "job_id", "save_asked")[:500]:
        # Of several bridges that see it, one asks.
        rows = Attempt.objects.filter(pk=pk, save_asked=before)
        if rows.update(save_asked=now):
            save_results(str(job_id))
            asked += 1
    return asked


@db_periodic_task(crontab(minute="*"))  # type: ignore[untyped-decorator]
@once_a_minute
def sweep() -> None:
    """Where no bridge runs, the consumers ask themselves."""
    ask_again()


@db_periodic_task(crontab(minute="*"))  # type: ignore[untyped-decorator]
@once_a_minute
def mind_the_storage() -> None:
    """Move what waits for the bucket; tell the operators of a disk that fills up."""
    disks.tell()
    spool.drain()


@db_periodic_task(crontab(minute="*"))  # type: ignore[untyped-decorator]
@once_a_minute
def remember() -> None:
    """How things stand, for the plots at /status/."""
    history.keep()


@db_periodic_task(crontab(minute="17"))  # type: ignore[untyped-decorator]
@once_a_minute
def keep_house() -> None:
    """Old pictures to the trash, what was long in the trash away."""
    retired, emptied = quota.retire(), emptying.empty_old()
    if retired or emptied:
        log.info("%s pictures to the trash, %s deleted for good", retired, emptied)


@db_periodic_task(crontab(hour="3", minute="41"))  # type: ignore[untyped-decorator]
@once_a_minute
def collect_garbage() -> None:
    """Files that nothing needs; the bucket may be away, then tomorrow."""
    try:
        done = collecting.collect(used_inputs=UsedInputs())
    except StorageAway as exc:
        log.warning("nothing was tidied up: %s", exc)
        return
    log.info("%s files that nothing needs were removed", done.files)


@db_periodic_task(crontab(minute="*"))  # type: ignore[untyped-decorator]
@once_a_minute
def index_pictures() -> None:
    """What has changed and nobody has searched since comes into the gallery's index."""
    search.sweep()


@on_startup()  # type: ignore[untyped-decorator]
def after_start() -> None:
    """What the last process left: its tasks died with it."""
    garbage.spare_what_is_loaded()
    ask_again(at_once=True)

"""Keeps how things stood for 14 days: a sample a minute, after a day one for ten."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

from django.db import transaction
from django.db.models import Count, Min, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from gallery.keeping import disks
from generation.models import Attempt, Job, Sample, Server
from generation.models.job import AttemptState, JobStatus

MINUTE = timedelta(minutes=1)
# So long each minute is kept; then one sample for so many minutes.
FINE = timedelta(hours=25)
COARSE = timedelta(minutes=10)
KEPT = timedelta(days=14)


def keep() -> None:
    """Called once a minute; twice in one does no harm."""
    now = timezone.now()
    at = slot(now, MINUTE)
    last = Sample.objects.order_by("-at").values_list("at", flat=True).first()
    if last is None or last < at:
        _take(at, last or at - MINUTE)
    _thin(now)
    Sample.objects.filter(at__lt=now - KEPT).delete()


def slot(at: datetime, width: timedelta) -> datetime:
    """The beginning of the stretch of time that this moment is in."""
    seconds = width.total_seconds()
    begin = at.timestamp() // seconds * seconds
    return datetime.fromtimestamp(begin, tz=UTC)


def _take(at: datetime, since: datetime) -> None:
    queue = Job.objects.filter(status=JobStatus.QUEUED).aggregate(
        number=Count("pk"), oldest=Min("created")
    )
    oldest = (at - queue["oldest"]).total_seconds() if queue["oldest"] else 0.0
    ended = Job.objects.filter(finished_at__gt=since, finished_at__lte=at)
    counts = dict(ended.values_list("status").annotate(Count("pk")).order_by())
    busy = busy_share(at, MINUTE)
    servers = Server.objects.filter(enabled=True).values_list("pk", "name")
    Sample.objects.get_or_create(
        at=at,
        defaults={
            "queued": queue["number"],
            "oldest_seconds": max(0.0, oldest),
            "done": counts.get(JobStatus.DONE, 0),
            "failed": counts.get(JobStatus.FAILED, 0),
            "cancelled": counts.get(JobStatus.CANCELLED, 0),
            "busy": {name: round(busy.get(pk, 0.0), 3) for pk, name in servers},
            "free": {disk.what: disk.free for disk in disks.survey()},
        },
    )


def busy_share(until: datetime, window: timedelta) -> dict[int, float]:
    """By server, how much of the window its runs covered; they follow one another."""
    begin = until - window
    ended = Q(state=AttemptState.ENDED, finished_at__gt=begin, started_at__lt=until)
    # The server's own times are known at the end; until then what the page shows is.
    running = ~Q(state=AttemptState.ENDED) & Q(job__started_at__lt=until)
    rows = Attempt.objects.filter(ended | running)
    started = Coalesce("started_at", "job__started_at")
    seconds: dict[int, float] = {}
    for server, start, end in rows.values_list("server", started, "finished_at"):
        covered = (min(end or until, until) - max(start, begin)).total_seconds()
        seconds[server] = seconds.get(server, 0.0) + max(0.0, covered)
    whole = window.total_seconds()
    return {server: min(1.0, total / whole) for server, total in seconds.items()}


def _thin(now: datetime) -> None:
    """Put what is older than FINE together, as soon as a whole COARSE stretch is."""
    old = Sample.objects.filter(minutes=1, at__lt=slot(now - FINE, COARSE))
    with transaction.atomic():
        for begin, rows in groupby(old.order_by("at"), lambda r: slot(r.at, COARSE)):
            found = list(rows)
            one = together(found)
            one.at, one.minutes = begin, COARSE // MINUTE
            gone, _ = Sample.objects.filter(pk__in=[row.pk for row in found]).delete()
            if gone:  # nobody else did it in between
                one.save()


def together(rows: Sequence[Sample]) -> Sample:
    """One for several: the worst of what stood there, the sum of what happened."""
    return Sample(
        at=rows[0].at,
        minutes=sum(row.minutes for row in rows),
        queued=max(row.queued for row in rows),
        oldest_seconds=max(row.oldest_seconds for row in rows),
        done=sum(row.done for row in rows),
        failed=sum(row.failed for row in rows),
        cancelled=sum(row.cancelled for row in rows),
        busy={
            name: round(_mean(rows, name), 3) for name in _names(r.busy for r in rows)
        },
        free={
            what: min(row.free[what] for row in rows if what in row.free)
            for what in _names(r.free for r in rows)
        },
    )


def _names(given: Iterable[dict[str, float]]) -> list[str]:
    return sorted({name for one in given for name in one})


def _mean(rows: Sequence[Sample], name: str) -> float:
    known = [row for row in rows if name in row.busy]
    total = sum(float(row.busy[name]) * row.minutes for row in known)
    return total / sum(row.minutes for row in known)

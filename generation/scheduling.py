"""Which job goes to which server next, where a job stands, and how long it takes.

In this step the order is first come, first served; the seam is `_order`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.core.cache import cache
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from generation.models.job import Attempt, AttemptState, Job, JobStatus
from generation.models.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable

LEASE = timedelta(seconds=12)
# How far down the queue one tick looks for a job that a free server can run.
LOOK_AHEAD = 200


@dataclass(frozen=True, slots=True)
class Claim:
    """A job taken for a server; the attempt's id is the prompt_id to post."""

    job: Job
    attempt: Attempt
    server: Server


def _order(jobs: QuerySet[Job]) -> QuerySet[Job]:
    return jobs.order_by("created", "id")


def free_servers() -> list[Server]:
    """Servers that take a prompt now, the emptiest first."""
    in_flight = Count("attempts", filter=~Q(attempts__state=AttemptState.ENDED))
    servers = (
        Server.objects.filter(enabled=True, state=Server.State.ONLINE)
        .exclude(catalog=None)
        .annotate(in_flight=in_flight)
        .filter(in_flight__lt=F("max_in_flight"))
        .order_by("in_flight", "name")
    )
    return list(servers)


def claim(bridge: str, client_id: Callable[[Server], str]) -> Claim | None:
    """Take the next job that some free server can run, or None."""
    servers = free_servers()
    if not servers:
        return None
    queued = _order(Job.objects.filter(status=JobStatus.QUEUED))
    for job in queued.select_related("workflow")[:LOOK_AHEAD].iterator():
        server = next((s for s in servers if not s.lacks(job.graph)), None)
        if server is None:
            continue
        taken = _take(job, server, bridge, client_id(server))
        if taken:
            return taken
    return None


@transaction.atomic
def _take(job: Job, server: Server, bridge: str, client_id: str) -> Claim | None:
    """Move the job and write its attempt; None if another bridge was first."""
    # The server's row is the lock for its places (on SQLite the transaction is).
    Server.objects.select_for_update().get(pk=server.pk)
    open_here = Attempt.objects.filter(server=server).exclude(state=AttemptState.ENDED)
    if open_here.count() >= server.max_in_flight:
        return None
    now = timezone.now()
    number = job.attempts.count() + 1
    if not job.move(
        JobStatus.DISPATCHED,
        dispatched_at=now,
        attempts_left=max(0, job.attempts_left - 1),
        progress={},
    ):
        return None
    attempt = Attempt.objects.create(
        id=uuid.uuid4(),
        job=job,
        server=server,
        number=number,
        client_id=client_id,
        bridge=bridge,
        lease_until=now + LEASE,
    )
    return Claim(job, attempt, server)


def adopt(bridge: str) -> list[Claim]:
    """Take over the attempts whose bridge no longer renews its leases."""
    now = timezone.now()
    orphans = (
        Attempt.objects.filter(lease_until__lt=now)
        .exclude(state=AttemptState.ENDED)
        .select_related("job__workflow", "server")
    )
    return [
        Claim(attempt.job, attempt, attempt.server)
        for attempt in orphans
        if attempt.adopt(bridge, now, now + LEASE)
    ]


def renew(bridge: str, attempts: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Renew the leases of these attempts; return those still held by this bridge."""
    held = Attempt.objects.filter(pk__in=list(attempts), bridge=bridge).exclude(
        state=AttemptState.ENDED
    )
    held.update(lease_until=timezone.now() + LEASE)
    return set(held.values_list("pk", flat=True))


def position(job: Job) -> int | None:
    """Place in the queue from 1, or None when the job does not wait there."""
    if job.status != JobStatus.QUEUED:
        return None
    before = Q(created__lt=job.created) | Q(created=job.created, id__lt=job.id)
    return Job.objects.filter(before, status=JobStatus.QUEUED).count() + 1


def typical_seconds(workflow_id: int) -> float | None:
    """Mean seconds of this template's last 20 successful runs, None without any."""
    key = f"typical-seconds:{workflow_id}"
    known: float | None = cache.get(key)
    if known is not None:
        return known or None
    runs = Attempt.objects.filter(
        job__workflow_id=workflow_id, outcome=Attempt.Outcome.SUCCEEDED
    ).exclude(started_at=None)
    times = runs.order_by("-finished_at").values_list("started_at", "finished_at")[:20]
    seconds = [(end - start).total_seconds() for start, end in times if end and start]
    mean = sum(seconds) / len(seconds) if seconds else 0.0
    cache.set(key, mean, 30)
    return mean or None


def estimate(job: Job) -> int | None:
    """Seconds until the job is done by measured durations; None if unmeasured."""
    typical = typical_seconds(job.workflow_id)
    if typical is None or not job.is_active or job.status == JobStatus.SAVING:
        return None
    if job.status == JobStatus.RUNNING and job.started_at:
        passed = (timezone.now() - job.started_at).total_seconds()
        fraction = float(job.progress.get("fraction") or 0)
        by_pace = passed / fraction if fraction > 0.1 else typical
        return max(1, round(max(typical, by_pace) - passed))
    servers = Server.objects.filter(enabled=True, state=Server.State.ONLINE).count()
    ahead = position(job) or 1
    return max(1, round(typical * (1 + ahead / max(1, servers))))

"""Takes jobs for servers, and keeps the leases of those that are taken."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import (
    BigIntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    UUIDField,
)
from django.utils import timezone

from accounts.models import lock
from accounts.prepared import Prepared, Slot
from generation import fair, usage
from generation.models.job import Attempt, AttemptState, Job, JobStatus
from generation.models.server import Server
from generation.models.workflow import kept_versions
from generation.snapshot import Snapshot
from generation.wake import wake

if TYPE_CHECKING:
    from collections.abc import Callable

LEASE = timedelta(seconds=12)


@dataclass(frozen=True, slots=True)
class Claim:
    """A job taken for a server; the attempt's id is the prompt_id to post.

    `adopted`: somebody else may have posted it before.
    """

    job: Job
    attempt: Attempt
    server: Server
    # Taken over: the bridge before may have posted it and died.
    adopted: bool = False


class Full(Exception):
    """No server has a free place, so who waits makes no difference."""


def claim(
    bridge: str, client_id: Callable[[Server], str], reachable: Collection[int]
) -> Iterator[Claim]:
    """Take jobs for all free places of the servers that this bridge can reach.

    In fair order over all who wait. `reachable`: primary keys. Raises Full.
    """
    snapshot = Snapshot(reachable)
    if snapshot.paused:
        return
    places = snapshot.places()
    free = sum(place.free for place in places)
    if not free:
        raise Full
    line = snapshot.line(ahead=free)
    for waiting, server_id in fair.plan(line, places, snapshot.fits):
        server = snapshot.servers[server_id]
        # What an administrator moved to the front goes beyond its owner's limit.
        limit = None if waiting.is_front else line.people[waiting.owner].max_in_flight
        if taken := _take(waiting, server, bridge, client_id(server), limit):
            yield taken


def _is_full(server: int, places: int, owner: int, limit: int | None) -> bool:
    """Whether other bridges have filled the places. Locks what they depend on.

    The rows of server and person are the locks (on SQLite the transaction is).
    """
    if len(_at_server.rows(server=server)) >= places:
        return True
    if limit is None:
        return False
    lock(owner)
    return len(_in_flight.rows(person=owner)) >= limit


@transaction.atomic
def _take(
    waiting: fair.Waiting,
    server: Server,
    bridge: str,
    client_id: str,
    limit: int | None,
) -> Claim | None:
    """Move the job and write its attempt; None if another bridge was first."""
    rows = _lock_server.rows(server=server.pk)
    if not rows or _is_full(server.pk, rows[0][0], waiting.owner, limit):
        return None
    loaded = rows[0][1]
    jobs = _job.objects(job=waiting.id)
    now = timezone.now()
    if not jobs or not (job := jobs[0]).move(
        JobStatus.DISPATCHED,
        dispatched_at=now,
        attempts_left=max(0, jobs[0].attempts_left - 1),
        progress={},
    ):
        return None
    job.version = kept_versions.get(job.version_id)
    job.workflow = job.version.workflow
    attempt = Attempt.objects.create(
        id=uuid.uuid4(),
        job=job,
        server=server,
        number=(job.last or 0) + 1,  # type: ignore[attr-defined]
        client_id=client_id,
        bridge=bridge,
        lease_until=now + LEASE,
        cold=not set(job.model_names) <= set(loaded),
    )
    if job.model_names and job.model_names != loaded:
        Server.objects.filter(pk=server.pk).update(loaded_models=job.model_names)
    usage.note_turn(job.owner_id, now)
    return Claim(job, attempt, server)


def _job_and_last() -> QuerySet[Job]:
    last = Attempt.objects.filter(job=OuterRef("pk")).order_by("-number")
    job = Job.objects.filter(pk=Slot("job", UUIDField()))
    return job.annotate(last=Subquery(last.values("number")[:1]))


def _open_attempts(**having: Slot) -> QuerySet[Attempt, Any]:
    rows = Attempt.objects.exclude(state=AttemptState.ENDED).filter(**having)
    return rows.order_by().values_list("pk")


_SERVER, _PERSON = Slot("server", BigIntegerField()), Slot("person", BigIntegerField())
_lock_server = Prepared(
    lambda: (
        Server.taking_jobs()
        .select_for_update()
        .filter(pk=_SERVER)
        .values_list("max_in_flight", "loaded_models")
    )
)
_at_server = Prepared(lambda: _open_attempts(server=_SERVER))
_in_flight = Prepared(lambda: _open_attempts(job__owner=_PERSON))
_job = Prepared(_job_and_last)


def adopt(
    bridge: str, is_dead: Callable[[str], bool], driven: Collection[uuid.UUID] = ()
) -> list[Claim]:
    """Take over the attempts whose bridge is dead or no longer renews its leases.

    Also this bridge's own, should it have stopped to drive them by a fault; `driven`
    are those that it drives.
    """
    now = timezone.now()
    is_open = Attempt.objects.exclude(state=AttemptState.ENDED)
    foreign = is_open.exclude(bridge=bridge)
    names = foreign.order_by().values_list("bridge", flat=True).distinct()
    dead = [name for name in names if is_dead(name)]
    orphans = is_open.exclude(pk__in=list(driven)).filter(
        Q(lease_until__lt=now) | Q(bridge__in=dead)
    )
    return [
        Claim(attempt.job, attempt, attempt.server, adopted=True)
        for attempt in orphans.select_related("job__workflow", "job__version", "server")
        if attempt.adopt(bridge, now + LEASE)
    ]


def let_go(bridge: str) -> None:
    """End the leases of a bridge that stops: another may adopt at once."""
    held = Attempt.objects.filter(bridge=bridge).exclude(state=AttemptState.ENDED)
    held.update(lease_until=timezone.now())
    wake("changed")


def renew(bridge: str, attempts: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Renew the leases of these attempts; return those still held by this bridge."""
    held = Attempt.objects.filter(pk__in=list(attempts), bridge=bridge).exclude(
        state=AttemptState.ENDED
    )
    held.update(lease_until=timezone.now() + LEASE)
    return set(held.values_list("pk", flat=True))

"""The queue and the servers as they are now, in the shapes that `fair` takes.

What it costs grows with the people who wait and the jobs it is asked for, not with
the length of the queue.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from accounts.models import User
from generation import durations, fair, usage
from generation.models import Attempt, Job, QueueState, Server
from generation.models.job import AttemptState, JobStatus
from generation.models.limits import allowances
from generation.models.server import parsed_catalog

# Where a template was never measured; it then only shares out the turns.
GUESS_SECONDS = 30.0
# A turn often takes one job of a person, a forecast all: each chunk is so much larger.
CHUNK_GROWTH = 8
MAX_CHUNK = 512
MAX_KNOWN = 10_000

# The row of each person's first job, by their primary keys.
Firsts = dict[int, tuple[Any, ...]]

# Whether a catalog has all that a kind of job needs. Both are digests, so an entry
# is true for ever.
_known: dict[tuple[str, str], bool] = {}


def _runs(catalog: str, kind: str, job_id: UUID) -> bool:
    key = (catalog, kind)
    if kind and key in _known:
        return _known[key]
    graph = Job.objects.values_list("graph", flat=True).get(pk=job_id)
    able = not parsed_catalog(catalog).lacks(graph)
    if len(_known) > MAX_KNOWN:
        _known.clear()
    _known[key] = able
    return able


@dataclass(frozen=True, slots=True)
class Flying:
    """An open attempt."""

    attempt: UUID
    job: UUID
    server: int
    owner: int
    seconds: float
    elapsed: float

    @property
    def remaining(self) -> float:
        return max(0.0, self.seconds - self.elapsed)


class Snapshot:
    """Servers that take jobs, what is in flight, and who waits."""

    def __init__(self, reachable: Collection[int] | None = None) -> None:
        """`reachable`: primary keys of the servers that count; None: all."""
        self.now = timezone.now()
        self.stamp = self.now.timestamp()
        self.paused = QueueState.load().paused
        servers = Server.taking_jobs()
        if reachable is not None:
            servers = servers.filter(pk__in=reachable)
        self.servers = {server.pk: server for server in servers}
        self.durations = durations.current()
        self.flying = list(self._flying())
        self._waiting: dict[UUID, tuple[int, int]] = {}

    def places(self) -> list[fair.Place]:
        places = []
        for server in self.servers.values():
            here = [f for f in self.flying if f.server == server.pk]
            places.append(
                fair.Place(
                    server.pk,
                    free=max(0, server.max_in_flight - len(here)),
                    loaded=frozenset(server.loaded_models),
                    ready_in=sum(f.remaining for f in here),
                    in_flight=len(here),
                )
            )
        return places

    def line(self) -> fair.Line:
        """Everybody who waits; their jobs are read as their turns come."""
        firsts, people = self._people()
        queues = {person.id: self._jobs_of(person.id, firsts) for person in people}
        return fair.Line(people, queues, self.stamp, len(self.servers))

    def fits(self, job: fair.Waiting, server_id: int) -> bool:
        server = self.servers.get(server_id)
        if server is None or server.catalog_id is None:
            return False
        kind, tags = cast("tuple[str, tuple[str, ...]]", job.kind)
        if server.lacks_tags(tags):
            return False
        return _runs(str(server.catalog_id), kind, cast("UUID", job.id))

    def expected(self, job: fair.Waiting, server: int, cold: bool) -> float | None:
        workflow, size = self._waiting[cast("UUID", job.id)]
        return self.durations.expected(workflow, size, server, cold=cold)

    # Reading ------------------------------------------------------------------

    def _flying(self) -> Iterator[Flying]:
        rows = Attempt.objects.exclude(state=AttemptState.ENDED).values_list(
            "pk",
            "job_id",
            "server_id",
            "cold",
            "job__owner_id",
            "job__workflow_id",
            "job__size",
            "job__started_at",
        )
        for pk, job, server, cold, owner, workflow, size, started in rows:
            expected = self.durations.expected(workflow, size, server, cold=cold)
            elapsed = (self.now - started).total_seconds() if started else 0.0
            seconds = GUESS_SECONDS if expected is None else expected
            yield Flying(pk, job, server, owner, max(seconds, elapsed), elapsed)

    def _people(self) -> tuple[Firsts, list[fair.Person]]:
        """Who waits, and the row of each one's first job, all in one go."""
        first = (
            Job.objects.filter(owner=OuterRef("pk"), status=JobStatus.QUEUED)
            .order_by("rank", "id")
            .values("pk")[:1]
        )
        # (id, GPU-seconds, at, last turn, first job); no row of usage: None
        waiting = (
            User.objects.annotate(first=Subquery(first))
            .filter(first__isnull=False)
            .values_list(
                "pk", "usage__gpu_seconds", "usage__at", "usage__last_turn", "first"
            )
        )
        rows: list[Any] = list(waiting)
        jobs = Job.objects.filter(pk__in=[row[-1] for row in rows])
        firsts = {pk: tuple(row) for pk, *row in jobs.values_list("owner_id", *_FIELDS)}
        allowed = allowances(row[0] for row in rows)
        held = usage.over_the_day(allowed, self.now)
        people = []
        for pk, used, at, last_turn, _ in rows:
            own = [f for f in self.flying if f.owner == pk]
            past = (
                fair.decayed(used, at.timestamp(), self.stamp)
                if at is not None
                else 0.0
            )
            people.append(
                fair.Person(
                    pk,
                    weight=max(0.01, allowed[pk].weight),
                    used=past + sum(f.seconds for f in own),
                    last_turn=last_turn.timestamp() if last_turn else 0.0,
                    in_flight=len(own),
                    max_in_flight=allowed[pk].max_in_flight,
                    held=pk in held,
                )
            )
        return firsts, people

    def _jobs_of(self, owner: int, firsts: Firsts) -> Iterator[fair.Waiting]:
        """Their queued jobs by rank, a chunk at a time; ends where they end."""
        rows, size = [firsts[owner]] if owner in firsts else [], 1
        while True:
            for row in rows:
                yield self._job(owner, row)
            if len(rows) < size:
                return
            pk, rank, *_ = rows[-1]
            size = min(MAX_CHUNK, size * CHUNK_GROWTH)
            queued = Job.objects.filter(owner=owner, status=JobStatus.QUEUED)
            after = Q(rank__gt=rank) | Q(rank=rank, pk__gt=pk)
            rest = queued.filter(after, rank__gte=rank).order_by("rank", "id")
            rows = list(rest.values_list(*_FIELDS)[:size])

    def _job(self, owner: int, row: tuple[Any, ...]) -> fair.Waiting:
        pk, rank, created, kind, models, size, workflow, tags, avoid = row
        self._waiting[pk] = (workflow, size)
        expected = self.durations.expected(workflow, size)
        return fair.Waiting(
            pk,
            owner,
            since=cast("datetime", created).timestamp(),
            seconds=GUESS_SECONDS if expected is None else expected,
            rank=rank,
            kind=(kind, tuple(tags)),
            models=frozenset(models),
            avoid=frozenset(avoid),
        )


_FIELDS = (
    "pk",
    "rank",
    "created",
    "kind",
    "model_names",
    "size",
    "workflow_id",
    "workflow__server_tags",
    "avoid",
)

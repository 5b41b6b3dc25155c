"""The queue and the servers as they are now, in the shapes that `fair` takes.

What it costs grows with the people who wait and the jobs it is asked for, not with
the length of the queue.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, Subquery
from django.utils import timezone

from accounts.models import User
from generation import durations, fair, usage
from generation.models import Attempt, Job, QueueState, Server
from generation.models.job import AttemptState, JobStatus
from generation.models.limits import allowances
from generation.models.server import parsed_catalog

# Where a template was never measured; it then only shares out the turns.
GUESS_SECONDS = 30.0
CHUNK = 25
MAX_KNOWN = 10_000

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
        paused = QueueState.objects.filter(paused=True)
        servers = Server.taking_jobs().annotate(queue_paused=Exists(paused))
        if reachable is not None:
            servers = servers.filter(pk__in=reachable)
        self.servers = {server.pk: server for server in servers}
        self.paused = (
            any(server.queue_paused for server in self.servers.values())
            if self.servers
            else QueueState.load().paused
        )
        self.durations = durations.current()
        self.flying = list(self._flying())
        # Who may not run anything now; known with the line.
        self.held: set[int] = set()
        self._first: dict[int, UUID] = {}
        self._waiting: dict[UUID, tuple[int, int]] = {}

    def places(self) -> list[fair.Place]:
        places = []
        for server in self.servers.values():
            here = [f for f in self.flying if f.server == server.pk]
            here.sort(key=lambda f: -f.elapsed)  # what runs, then what waits there
            places.append(
                fair.Place(
                    server.pk,
                    free=max(0, server.max_in_flight - len(here)),
                    loaded=frozenset(server.loaded_models),
                    flying=[(f.owner, f.remaining) for f in here],
                )
            )
        return places

    def line(self, ahead: int = CHUNK) -> fair.Line:
        """Everybody who waits; their jobs are read as their turns come, `ahead` first.

        A tick has few places to give: what it does not read is much of what it costs.
        """
        people = self._people()
        first = Job.objects.filter(pk__in=self._first.values())
        rows = {row[1]: row for row in first.values_list(*_FIELDS)}
        own = ((p.id, rows[p.id]) for p in people if p.id in rows)
        queues = {pk: self._jobs_of(first, ahead) for pk, first in own}
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
            "server__state",
        )
        for pk, job, server, cold, owner, workflow, size, started, state in rows:
            expected = self.durations.expected(workflow, size, server, cold=cold)
            # How long a server has been away is nobody's use of it.
            begun = (state == Server.State.ONLINE and started) or self.now
            elapsed = (self.now - begun).total_seconds()
            seconds = GUESS_SECONDS if expected is None else expected
            yield Flying(pk, job, server, owner, max(seconds, elapsed), elapsed)

    def _people(self) -> list[fair.Person]:
        queued = Job.objects.filter(owner=OuterRef("pk"), status=JobStatus.QUEUED)
        first = queued.order_by("rank", "id").values("pk")[:1]
        # No row of usage: None.
        waiting = User.objects.filter(Exists(queued)).values_list(
            "pk",
            Subquery(first),
            "usage__gpu_seconds",
            "usage__at",
            "usage__last_turn",
        )
        rows: list[Any] = list(waiting)
        self._first = {row[0]: row[1] for row in rows}
        allowed = allowances(self._first)
        self.held = usage.over_the_day(allowed, self.now)
        flying: dict[int, list[float]] = defaultdict(list)
        for one in self.flying:
            flying[one.owner].append(one.seconds)
        people = []
        for pk, _, used, at, last_turn in rows:
            past = fair.decayed(used, at, self.stamp) if at else 0.0
            turn = last_turn.timestamp() if last_turn else 0.0
            people.append(
                fair.Person(
                    pk,
                    weight=max(0.01, allowed[pk].weight),
                    used=past + sum(flying[pk]),
                    served=max(at or 0.0, turn),
                    in_flight=len(flying[pk]),
                    max_in_flight=allowed[pk].max_in_flight,
                    held=pk in self.held,
                )
            )
        return people

    def _jobs_of(self, first: tuple[Any, ...], ahead: int) -> Iterator[fair.Waiting]:
        """From the first on by rank, a chunk at a time; ends where they end."""
        row, size = first, ahead
        yield self._job(row)
        # Most people's second job is never asked for.
        queued = Job.objects.filter(owner=first[1], status=JobStatus.QUEUED)
        while True:
            pk, rank = row[0], row[2]
            after = Q(rank__gt=rank) | Q(rank=rank, pk__gt=pk)
            rest = queued.filter(after, rank__gte=rank).order_by("rank", "id")
            rows = list(rest.values_list(*_FIELDS)[:size])
            for row in rows:
                yield self._job(row)
            if len(rows) < size:
                return
            size = min(500, size * 4)

    def _job(self, row: tuple[Any, ...]) -> fair.Waiting:
        pk, owner, rank, created, kind, models, size, workflow, tags, avoid = row
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
    "owner_id",
    "rank",
    "created",
    "kind",
    "model_names",
    "size",
    "workflow_id",
    "workflow__server_tags",
    "avoid",
)

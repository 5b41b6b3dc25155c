"""The queue and the servers as they are now, in the shapes that `fair` takes.

What it costs grows with the people who wait and the jobs it is asked for, not with
the length of the queue.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

from django.db.models import (
    BigIntegerField,
    Exists,
    FloatField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    UUIDField,
)
from django.utils import timezone

from accounts.models import User
from accounts.prepared import Prepared, Slot
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
        servers = [
            server
            for server in _servers.objects()
            if reachable is None or server.pk in reachable
        ]
        self.servers = {server.pk: server for server in servers}
        self.paused = (
            any(server.queue_paused for server in servers)  # type: ignore[attr-defined]
            if servers
            else QueueState.load().paused
        )
        self.durations = durations.current()
        self.flying: list[Flying] = list(self._flying())
        # Who may not run anything now; known with the line.
        self.held: set[int] = set()
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
        first = {row[1]: row for row in _first_jobs.rows()}
        people = self._people(first)
        queues = {pk: self._jobs_of(row, ahead) for pk, row in first.items()}
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
        for row in _open_attempts.rows():
            pk, job, server, cold, owner, workflow, size, started, state = row
            expected = self.durations.expected(workflow, size, server, cold=cold)
            # How long a server has been away is nobody's use of it.
            begun = (state == Server.State.ONLINE and started) or self.now
            elapsed = (self.now - begun).total_seconds()
            seconds = GUESS_SECONDS if expected is None else expected
            yield Flying(pk, job, server, owner, max(seconds, elapsed), elapsed)

    def _people(self, first: Mapping[int, Sequence[Any]]) -> list[fair.Person]:
        allowed = allowances(first)
        self.held = usage.over_the_day(allowed, self.now)
        flying: dict[int, list[float]] = defaultdict(list)
        for one in self.flying:
            flying[one.owner].append(one.seconds)
        people = []
        for pk, row in first.items():
            used, at, last_turn, _ = row[len(_FIELDS) :]
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

    def _jobs_of(self, first: Sequence[Any], ahead: int) -> Iterator[fair.Waiting]:
        """From the first on by rank, a chunk at a time; ends where they end."""
        row, size = first, ahead
        yield self._job(row)
        if row[0] == first[-1]:
            return
        # Most people's second job is never asked for.
        while True:
            pk, owner, rank = row[:3]
            rows = _jobs_after(size).rows(pk=pk, owner=owner, rank=rank)
            for row in rows:
                yield self._job(row)
            if len(rows) < size:
                return
            size = min(500, size * 4)

    def _job(self, row: Sequence[Any]) -> fair.Waiting:
        pk, owner, rank, created, kind, models, size, workflow, tags, avoid = row[
            : len(_FIELDS)
        ]
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


def _taking() -> QuerySet[Server]:
    paused = QueueState.objects.filter(paused=True)
    return Server.taking_jobs().annotate(queue_paused=Exists(paused))


def _flights() -> QuerySet[Attempt, Any]:
    return Attempt.objects.exclude(state=AttemptState.ENDED).values_list(
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


def _firsts() -> QuerySet[Job, Any]:
    """Of everybody who waits the first job, then what they have used (no row: None),
    and the id of their last job.
    """
    queued = Job.objects.filter(owner=OuterRef("pk"), status=JobStatus.QUEUED)
    first = queued.order_by("rank", "id").values("pk")[:1]
    waiting = User.objects.filter(Exists(queued)).values_list(Subquery(first))
    own = Job.objects.filter(owner=OuterRef("owner"), status=JobStatus.QUEUED)
    return Job.objects.filter(pk__in=waiting).values_list(
        *_FIELDS,
        "owner__usage__gpu_seconds",
        "owner__usage__at",
        "owner__usage__last_turn",
        Subquery(own.order_by("-rank", "-id").values("pk")[:1]),
    )


@lru_cache(maxsize=64)
def _jobs_after(size: int) -> Prepared[Job]:
    """The next `size` jobs of `owner` after the one with this `rank` and `pk`."""
    pk, owner = Slot("pk", UUIDField()), Slot("owner", BigIntegerField())
    rank = Slot("rank", FloatField())

    def build() -> QuerySet[Job, Any]:
        after = Q(rank__gt=rank) | Q(rank=rank, pk__gt=pk)
        queued = Job.objects.filter(owner=owner, status=JobStatus.QUEUED)
        rest = queued.filter(after, rank__gte=rank).order_by("rank", "id")
        return rest.values_list(*_FIELDS)[:size]

    return Prepared(build)


_servers = Prepared(_taking)
_open_attempts = Prepared(_flights)
_first_jobs = Prepared(_firsts)

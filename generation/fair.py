"""The fair order, as pure functions over a snapshot. Times are epoch seconds.

Who has used the fewest GPU-seconds for their weight comes first. What was used decays
(`decayed`), what runs now counts as if it were over (`Person.used` includes it), and a
person's own jobs come in the order of their ranks (`rank`). Somebody who waits for a
turn gains a little of what an equal share would have given them meanwhile: too little
to bend the shares (at most AGEING of them), enough that nobody waits for ever.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

HALF_LIFE = 12 * 3600.0
# What a turn missed is worth: this part of an equal share of the servers.
AGEING = 0.08
# A job whose models are loaded may go before one whose are not, if it is its person's
# turn within this many GPU-seconds. Each such step uses them up, so it stays a bound.
WARM_LEAD = 30.0
# How far into one person's jobs a tick looks for one that a free server can run.
LOOK_AHEAD = 200
DAY = 86_400.0
# A job of one's own with another priority counts as asked for earlier or later.
PRIORITY_SHIFT = {"high": -DAY, "normal": 0.0, "low": DAY}


def rank(asked: float, priority: str) -> float:
    """Where a job stands among its owner's: the smallest first.

    Below zero are the jobs that an administrator moved to the front (`front_rank`).
    """
    return asked + PRIORITY_SHIFT[priority]


def front_rank(now: float) -> float:
    """Before everything else; the one moved last is first."""
    return -now


def decayed(used: float, at: float, now: float) -> float:
    """GPU-seconds of the past by what they count for now: half after HALF_LIFE."""
    return float(used * 0.5 ** (max(0.0, now - at) / HALF_LIFE))


@dataclass(slots=True)
class Person:
    """Somebody with waiting jobs. `used` counts what they have in flight as well."""

    id: int
    weight: float = 1.0
    used: float = 0.0
    last_turn: float = 0.0
    in_flight: int = 0
    max_in_flight: int | None = None
    # May not run anything now, for example because the day's GPU minutes are used up.
    held: bool = False

    @property
    def share(self) -> float:
        return self.used / self.weight

    @property
    def is_full(self) -> bool:
        limit = self.max_in_flight
        return self.held or (limit is not None and self.in_flight >= limit)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued job. `kind` is equal for jobs that the same servers can run."""

    id: Hashable
    owner: int
    since: float
    seconds: float
    rank: float = 0.0
    kind: Hashable = ""
    models: frozenset[str] = frozenset()
    # Servers that lost this job before: another is better if there is one.
    avoid: frozenset[int] = frozenset()

    @property
    def is_front(self) -> bool:
        return self.rank < 0


@dataclass(slots=True)
class Place:
    """A server: how many prompts it takes now, and the models of its last one.

    `ready_in`: seconds until what is in flight there should be over.
    """

    id: int
    free: int
    loaded: frozenset[str] = frozenset()
    ready_in: float = 0.0
    in_flight: int = 0

    def is_warm_for(self, job: Waiting) -> bool:
        return job.models <= self.loaded


Fits = Callable[[Waiting, int], bool]
Queues = Mapping[int, Iterable[Waiting]]
Turn = tuple[Person, Waiting]


class Line:
    """The people who wait, by whose turn it is; each with their next job."""

    def __init__(
        self, people: Iterable[Person], queues: Queues, now: float, places: int = 1
    ) -> None:
        self._now = now
        self._queues = {p.id: iter(queues.get(p.id, ())) for p in people}
        self._people = {p.id: p for p in people}
        self._ageing = AGEING * max(1, places) / max(1, len(self._people))
        self._seen = dict.fromkeys(self._people, 0)
        self._heap: list[tuple[tuple[float, ...], int, Waiting]] = []
        for person in self._people.values():
            self._push(person)

    def _push(self, person: Person) -> None:
        job = next(self._queues[person.id], None)
        if job is not None:
            heapq.heappush(self._heap, (self._key(person, job), person.id, job))

    def _key(self, person: Person, job: Waiting) -> tuple[float, ...]:
        if job.is_front:
            return (0.0, job.rank)
        return (1.0, self.score(person, job), person.last_turn, job.since)

    def score(self, person: Person, job: Waiting) -> float:
        """GPU-seconds for their weight, less what the waiting is worth."""
        waited = self._now - max(job.since, person.last_turn)
        return person.share - self._ageing * max(0.0, waited)

    def pop(self) -> Turn | None:
        """Whose turn it is, with their next job. Then call `took` or `passed`."""
        if not self._heap:
            return None
        _, person_id, job = heapq.heappop(self._heap)
        return self._people[person_id], job

    def took(self, person: Person, job: Waiting) -> None:
        """The job was given a place: it counts as used from now on."""
        person.used += job.seconds
        person.in_flight += 1
        person.last_turn = self._now
        self._push(person)

    def passed(self, person: Person) -> None:
        """No server can take the job now: the person's next one may fit."""
        self._seen[person.id] += 1
        if self._seen[person.id] < LOOK_AHEAD:
            self._push(person)

    def put_back(self, turn: Turn) -> None:
        person, job = turn
        heapq.heappush(self._heap, (self._key(person, job), person.id, job))


def plan(
    line: Line, places: Sequence[Place], fits: Fits
) -> Iterator[tuple[Waiting, int]]:
    """(job, server) for the free places, in fair order, until none is left."""
    while any(place.free for place in places):
        turn = line.pop()
        if turn is None:
            return
        person, job = turn
        if person.is_full and not job.is_front:
            continue  # none of their jobs has a turn now
        place = _choose(job, places, fits)
        if place is None:
            line.passed(person)
            continue
        if not job.is_front and not place.is_warm_for(job):
            person, job = _warmer(line, (person, job), place, fits)
        place.free -= 1
        place.in_flight += 1
        place.loaded = job.models or place.loaded
        line.took(person, job)
        yield job, place.id


def _choose(job: Waiting, places: Sequence[Place], fits: Fits) -> Place | None:
    """Of the free servers that can run it: a warm one, then the emptiest."""
    able = [p for p in places if p.free > 0 and fits(job, p.id)]
    if job.avoid:
        elsewhere = any(fits(job, p.id) for p in places if p.id not in job.avoid)
        if elsewhere:
            able = [p for p in able if p.id not in job.avoid]
    return min(
        able,
        key=lambda p: (p.in_flight > 0, not p.is_warm_for(job), p.in_flight, p.id),
        default=None,
    )


def _warmer(line: Line, first: Turn, place: Place, fits: Fits) -> Turn:
    """Another person's job for which the server is warm, if its turn is near."""
    limit = line.score(*first) + WARM_LEAD
    looked_at: list[Turn] = []
    found = first
    while (turn := line.pop()) is not None:
        person, job = turn
        if line.score(person, job) > limit or len(looked_at) >= 16:
            looked_at.append(turn)
            break
        if not person.is_full and place.is_warm_for(job) and fits(job, place.id):
            found = turn
            break
        looked_at.append(turn)
    for other in looked_at:
        line.put_back(other)
    if found is not first:
        line.put_back(first)
    return found


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where a job stands and what is before it; seconds from now, None if unknown."""

    position: int
    others_before: int
    own_before: int
    starts_in: float | None = None
    done_in: float | None = None
    cold: bool = False


@dataclass(slots=True)
class _Lane:
    place: Place
    ready: float
    loaded: frozenset[str] = field(default_factory=frozenset)


def forecast(
    line: Line,
    places: Sequence[Place],
    fits: Fits,
    expected: Callable[[Waiting, int, bool], float | None],
    horizon: int = 1000,
) -> dict[Hashable, Forecast]:
    """The order as it will be if nobody else comes, for the first `horizon` jobs.

    `expected(job, server, cold)` gives seconds. A server runs one prompt at a time
    however many it holds, so it is one lane.
    """
    lanes = [_Lane(p, p.ready_in, p.loaded) for p in places]
    found: dict[Hashable, Forecast] = {}
    own: dict[int, int] = {}
    while len(found) < horizon and (turn := line.pop()) is not None:
        person, job = turn
        line.took(person, job)
        before = own.get(job.owner, 0)
        own[job.owner] = before + 1
        position = len(found) + 1
        start, done, cold = _run(job, lanes, fits, expected)
        found[job.id] = Forecast(
            position, position - 1 - before, before, start, done, cold
        )
    return found


def _run(
    job: Waiting,
    lanes: list[_Lane],
    fits: Fits,
    expected: Callable[[Waiting, int, bool], float | None],
) -> tuple[float | None, float | None, bool]:
    able = [lane for lane in lanes if fits(job, lane.place.id)]
    if not able:
        return None, None, False
    lane = min(able, key=lambda lane: (lane.ready, not job.models <= lane.loaded))
    cold = bool(job.models) and not job.models <= lane.loaded
    seconds = expected(job, lane.place.id, cold)
    start = lane.ready
    lane.ready += job.seconds if seconds is None else seconds
    lane.loaded = job.models or lane.loaded
    return start, None if seconds is None else lane.ready, cold

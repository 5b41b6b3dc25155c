"""The fair order, as pure functions over a snapshot. Times are epoch seconds.

Who has used the fewest GPU-seconds for their weight comes first. What was used decays
(`decayed`), what is in flight counts as if it were over (`Person.used` includes it),
and a person's own jobs come in the order of their ranks (`rank`).

Before them comes whoever is late (`Line.is_late`). So nobody starves: whatever
somebody has used, and whoever else comes, they start a job after PATIENCE times what
an equal share takes to earn it, and one job each of those who were late before.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

HALF_LIFE = 12 * 3600.0
# Somebody is late after this many times what an equal share takes to earn the job.
PATIENCE = 4.0
# A job whose models are loaded may go before one whose are not, if its person is still
# within this many GPU-seconds of their turn afterwards. So it stays a bound.
WARM_LEAD = 60.0
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
    """Somebody with waiting jobs. `used` counts what they have in flight as well.

    `served`: when they had their last turn, or the last of their jobs was over.
    """

    id: int
    weight: float = 1.0
    used: float = 0.0
    served: float = 0.0
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

    `flying`: (owner, seconds left) of each prompt that it holds, in their order.
    """

    id: int
    free: int
    loaded: frozenset[str] = frozenset()
    flying: list[tuple[int, float]] = field(default_factory=list)

    @property
    def ready_in(self) -> float:
        return sum(seconds for _, seconds in self.flying)

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
        self.now = now
        self.people = {p.id: p for p in people}
        self._queues = {pk: iter(queues.get(pk, ())) for pk in self.people}
        self._places = max(1, places)
        self._weights = sum(p.weight for p in self.people.values())
        self._seen = dict.fromkeys(self.people, 0)
        # An entry counts as long as its job is its person's next.
        self._next: dict[int, Waiting] = {}
        self._heap: list[tuple[tuple[float, ...], int, int, Waiting]] = []
        self._deadlines: list[tuple[float, int, int, Waiting]] = []
        self._tie = count()
        for person in self.people.values():
            self._step(person)

    def _step(self, person: Person) -> None:
        job = next(self._queues[person.id], None)
        if job is not None:
            self.put_back((person, job))

    def put_back(self, turn: Turn) -> None:
        person, job = turn
        self._next[person.id] = job
        tie = next(self._tie)
        heapq.heappush(self._heap, (self._key(person, job), tie, person.id, job))
        if (late := self._late_from(person, job)) > self.now:
            heapq.heappush(self._deadlines, (late, tie, person.id, job))

    def _key(self, person: Person, job: Waiting) -> tuple[float, ...]:
        if job.is_front:
            return (0.0, job.rank)
        if self.is_late(person, job):
            return (1.0, self._late_from(person, job))
        return (2.0, person.share, person.served, job.since)

    def _late_from(self, person: Person, job: Waiting) -> float:
        """When PATIENCE is over: the longer the job, the later."""
        earned_in = max(1.0, job.seconds) * self._weights / person.weight / self._places
        return max(job.since, person.served) + PATIENCE * earned_in

    def is_late(self, person: Person, job: Waiting) -> bool:
        """Nothing of theirs runs, and by an equal share it would have long ago."""
        return not person.in_flight and self._late_from(person, job) <= self.now

    def pop(self) -> Turn | None:
        """Whose turn it is, with their next job. Then call `took` or `passed`."""
        while self._heap:
            *_, person_id, job = heapq.heappop(self._heap)
            if self._next.get(person_id) is job:
                del self._next[person_id]
                return self.people[person_id], job
        return None

    def took(self, person: Person, job: Waiting) -> None:
        """The job was given a place: it counts as used from now on."""
        person.used += job.seconds
        person.in_flight += 1
        person.served = self.now
        self._step(person)
        if person.id not in self._next and not self._seen[person.id]:
            self._leave(person)

    def _leave(self, person: Person) -> None:
        """They have nothing more to run: an equal share is larger from now on."""
        self._weights -= person.weight
        for person_id, job in list(self._next.items()):
            self.put_back((self.people[person_id], job))

    def passed(self, person: Person) -> None:
        """No server can take the job now: the person's next one may fit."""
        self._seen[person.id] += 1
        if self._seen[person.id] < LOOK_AHEAD:
            self._step(person)

    def advance(self, now: float) -> None:
        """Let time pass: somebody may be late by then."""
        self.now = max(self.now, now)
        while self._deadlines and self._deadlines[0][0] <= self.now:
            *_, person_id, job = heapq.heappop(self._deadlines)
            if self._next.get(person_id) is job:
                self._look_again(self.people[person_id], job)

    def ended(self, person_id: int, at: float) -> None:
        """One of the person's jobs was over at this time."""
        if person := self.people.get(person_id):
            person.in_flight -= 1
            person.served = max(person.served, at)
            if job := self._next.get(person_id):
                self._look_again(person, job)

    def _look_again(self, person: Person, job: Waiting) -> None:
        if not person.in_flight:
            self.put_back((person, job))


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
        able = [p for p in able_places(job, places, fits) if p.free > 0]
        if not able:
            line.passed(person)
            continue
        place = min(able, key=lambda p: _preference(job, p, bool(p.flying), p.ready_in))
        person, job = _warmer(line, (person, job), place, places, fits)
        place.free -= 1
        place.flying.append((person.id, job.seconds))
        place.loaded = job.models or place.loaded
        if any(other.free for other in places):
            # It reads the person's next job, which nobody needs after the last place.
            line.took(person, job)
        yield job, place.id


def able_places(job: Waiting, places: Sequence[Place], fits: Fits) -> list[Place]:
    """Those that can run it, free or not; without those to avoid, if any is left."""
    able = [place for place in places if fits(job, place.id)]
    return [place for place in able if place.id not in job.avoid] or able


def _preference(
    job: Waiting, place: Place, busy: bool, ready_in: float
) -> tuple[float, ...]:
    """An idle server; then where it runs soonest, a model load counted in."""
    load = 0.0 if place.is_warm_for(job) else WARM_LEAD
    return (busy, ready_in + load, place.id)


def _warmer(
    line: Line, first: Turn, place: Place, places: Sequence[Place], fits: Fits
) -> Turn:
    """Another person's job for which the server is warm, if their turn is near.

    Nobody is kept from a first job, nor who is late already.
    """
    person, job = first
    settled = job.is_front or not person.used or line.is_late(person, job)
    if settled or place.is_warm_for(job):
        return first
    limit = person.share + WARM_LEAD
    found = first
    looked_at: list[Turn] = []
    while len(looked_at) < 16 and (turn := line.pop()) is not None:
        other, warm = turn
        if (
            not other.is_full
            and place.is_warm_for(warm)
            and other.share + warm.seconds / other.weight <= limit
            and place in able_places(warm, places, fits)
        ):
            found = turn
            looked_at.append(first)
            break
        looked_at.append(turn)
        if other.share > limit:
            break
    for turn in looked_at:
        line.put_back(turn)
    return found


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where a job stands and what is before it; seconds from now, None if unknown.

    No position: only other jobs find a server that can run them. `done_in` is None
    where nothing was measured.
    """

    position: int | None = None
    others_before: int = 0
    own_before: int = 0
    server: int | None = None
    starts_in: float | None = None
    done_in: float | None = None
    cold: bool = False


Expected = Callable[[Waiting, int, bool], float | None]


def forecast(
    line: Line,
    places: Sequence[Place],
    fits: Fits,
    expected: Expected,
    horizon: int = 1000,
) -> dict[Hashable, Forecast]:
    """What `plan` will do if nobody else comes, for the first `horizon` jobs.

    `expected(job, server, cold)` gives seconds. Jobs of people who are held are left
    out: nobody knows when they go on.
    """
    course = _Course(line, places, fits, expected)
    found: dict[Hashable, Forecast] = {}
    while len(found) < horizon and (turn := course.turn()) is not None:
        job, seen = course.run(turn)
        found[job.id] = seen
    return found


@dataclass(slots=True)
class _Lane:
    """A server in the time to come: it runs one prompt at a time, in their order."""

    place: Place
    ready: float
    # When each of its places is free, the next one first.
    slots: deque[float]


class _Course:
    """Runs a line forward in time. All times are seconds from its start."""

    def __init__(
        self, line: Line, places: Sequence[Place], fits: Fits, expected: Expected
    ) -> None:
        self.line, self.fits, self.expected = line, fits, expected
        self.begun, self.clock = line.now, 0.0
        self.places = [place for place in places if place.free or place.flying]
        self.lanes: dict[int, _Lane] = {}
        self.ends: list[tuple[float, int]] = []
        # People who are full, with their next job: back when one of theirs is over.
        self.parked: dict[int, Turn] = {}
        self.position = 0
        self.own: dict[int, int] = {}
        for place in self.places:
            lane = _Lane(place, 0.0, deque([0.0] * place.free))
            for owner, seconds in place.flying:
                self._occupy(lane, owner, seconds)
            self.lanes[place.id] = lane

    def _occupy(self, lane: _Lane, owner: int, seconds: float) -> None:
        lane.ready = max(lane.ready, self.clock) + seconds
        lane.slots.append(lane.ready)
        heapq.heappush(self.ends, (lane.ready, owner))

    def turn(self) -> Turn | None:
        """Whose turn is next, at the time when the next place is free."""
        self._advance(min((lane.slots[0] for lane in self.lanes.values()), default=0))
        while True:
            turn = self.line.pop()
            if turn is None:
                if not (self.parked and self.ends):
                    return None
                self._advance(self.ends[0][0])
            elif turn[0].is_full and not turn[1].is_front:
                if not turn[0].held:
                    self.parked[turn[0].id] = turn
            else:
                return turn

    def _advance(self, to: float) -> None:
        self.clock = max(self.clock, to)
        while self.ends and self.ends[0][0] <= self.clock:
            at, owner = heapq.heappop(self.ends)
            self.line.ended(owner, self.begun + at)
            if turn := self.parked.pop(owner, None):
                self.line.put_back(turn)
        self.line.advance(self.begun + self.clock)

    def run(self, turn: Turn) -> tuple[Waiting, Forecast]:
        able = able_places(turn[1], self.places, self.fits)
        if self.lanes and not able:
            self.line.passed(turn[0])
            return turn[1], Forecast()
        person, job = turn
        place, start, done, cold = None, None, None, False
        if able:
            place = min(able, key=lambda place: self._soonest(job, place))
            person, job = _warmer(self.line, turn, place, self.places, self.fits)
            start, done, cold = self._start(person, job, place)
        self.line.took(person, job)
        self.position += 1
        own = self.own.get(person.id, 0)
        self.own[person.id] = own + 1
        others = self.position - 1 - own
        server = place.id if place else None
        return job, Forecast(self.position, others, own, server, start, done, cold)

    def _start(
        self, person: Person, job: Waiting, place: Place
    ) -> tuple[float, float | None, bool]:
        """When it starts there and is done, and whether a model is loaded first."""
        lane = self.lanes[place.id]
        cold = not place.is_warm_for(job)
        seconds = self.expected(job, place.id, cold)
        start = max(lane.ready, lane.slots.popleft(), self.clock)
        self._occupy(lane, person.id, job.seconds if seconds is None else seconds)
        place.loaded = job.models or place.loaded
        return start, None if seconds is None else lane.ready, cold

    def _soonest(self, job: Waiting, place: Place) -> tuple[float, ...]:
        lane = self.lanes[place.id]
        at = max(lane.slots[0], self.clock)
        busy = lane.ready > at
        return (at, *_preference(job, place, busy, max(0.0, lane.ready - at)))

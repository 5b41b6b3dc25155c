"""GPU servers and a queue in simulated time, driven by `fair.plan`.

Each server holds up to `places` prompts and runs them one after another, in the order
in which it was given them. Whenever one is over the free places are planned anew.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from dataclasses import dataclass, field

from generation import fair

# Some day; ranks below zero are for jobs that were moved to the front.
BEGIN = 1_700_000_000.0


@dataclass
class Gpu:
    id: int
    places: int = 2
    loaded: frozenset = frozenset()
    holds: list = field(default_factory=list)  # jobs, the running one first
    over_at: float = 0.0  # the running one


class Farm:
    """`people` are `fair.Person`s whose `used` is what they used before."""

    def __init__(self, people, servers=1, places=2, fits=lambda job, server: True):
        self.now = BEGIN
        self.people = {person.id: person for person in people}
        self.gpus = {pk: Gpu(pk, places) for pk in range(1, servers + 1)}
        self.fits = fits
        self.queues = defaultdict(list)
        self.claims, self.starts, self.ends = [], [], []  # (time, job, server)
        self._number = 0

    def submit(self, owner, seconds=10.0, priority="normal", front=False, **fields):
        self._number += 1
        rank = fair.front_rank(self.now) if front else fair.rank(self.now, priority)
        job = fair.Waiting(self._number, owner, self.now, seconds, rank, **fields)
        insort(self.queues[owner], job, key=lambda job: (job.rank, job.id))
        return job

    # What a tick sees ---------------------------------------------------------

    def line(self):
        people = []
        for person in self.people.values():
            held = [
                j for g in self.gpus.values() for j in g.holds if j.owner == person.id
            ]
            if self.queues[person.id]:
                used = person.used + sum(job.seconds for job in held)
                people.append(
                    fair.Person(
                        person.id,
                        person.weight,
                        used,
                        person.served,
                        len(held),
                        person.max_in_flight,
                        person.held,
                    )
                )
        queues = {pk: tuple(jobs) for pk, jobs in self.queues.items()}
        return fair.Line(people, queues, self.now, len(self.gpus))

    def _held(self, owner):
        return [j for gpu in self.gpus.values() for j in gpu.holds if j.owner == owner]

    def places(self):
        return [
            fair.Place(gpu.id, gpu.places - len(gpu.holds), gpu.loaded, self._left(gpu))
            for gpu in self.gpus.values()
        ]

    def _left(self, gpu):
        left = [job.seconds for job in gpu.holds]
        if left:
            left[0] = gpu.over_at - self.now
        return list(zip([job.owner for job in gpu.holds], left, strict=True))

    # Time ---------------------------------------------------------------------

    def tick(self):
        for job, server in fair.plan(self.line(), self.places(), self.fits):
            gpu = self.gpus[server]
            self.queues[job.owner].remove(job)
            self.people[job.owner].served = self.now
            self.claims.append((self.now, job, server))
            gpu.loaded = job.models or gpu.loaded
            gpu.holds.append(job)
            if len(gpu.holds) == 1:
                self._begin(gpu)

    def _begin(self, gpu):
        job = gpu.holds[0]
        self.starts.append((self.now, job, gpu.id))
        gpu.over_at = self.now + job.seconds

    def step(self):
        """Plan, then go on to the next end of a run. False: nothing runs."""
        self.tick()
        busy = [gpu for gpu in self.gpus.values() if gpu.holds]
        if not busy:
            return False
        gpu = min(busy, key=lambda gpu: gpu.over_at)
        self.now = gpu.over_at
        job = gpu.holds.pop(0)
        person = self.people[job.owner]
        person.used += job.seconds
        person.served = self.now
        self.ends.append((self.now, job, gpu.id))
        if gpu.holds:
            self._begin(gpu)
        return True

    def run(self, until=lambda: False):
        while not until() and self.step():
            pass
        return self

    def run_for(self, seconds):
        end = self.now + seconds
        return self.run(lambda: self.now >= end)

    # What came of it ----------------------------------------------------------

    def started(self, job):
        """When this job started; None if it has not."""
        return next((at for at, other, _ in self.starts if other is job), None)

    def gpu_seconds(self, owner):
        """Until now, what runs included."""
        over = sum(job.seconds for _, job, _ in self.ends if job.owner == owner)
        running = [
            g for g in self.gpus.values() if g.holds and g.holds[0].owner == owner
        ]
        return over + sum(g.holds[0].seconds - (g.over_at - self.now) for g in running)

    def order(self, of=None):
        """Ids in the order in which they were given to servers."""
        return [j.id for _, j, _ in self.claims if of is None or j.owner == of]

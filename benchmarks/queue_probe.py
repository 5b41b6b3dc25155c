"""Fills a database with waiting jobs and times the scheduler in it: see `tick`.

`python -m benchmarks.queue_probe ROUNDS SIZE…` prints the seconds as JSON, for each
size.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lifeos.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import User  # noqa: E402
from generation import (  # noqa: E402
    durations,
    fair,
    offers,
    outlook,
    parameters,
    scheduling,
)
from generation.models import Duration, Job, Server, Workflow  # noqa: E402
from generation.snapshot import Snapshot  # noqa: E402
from tests import make  # noqa: E402

PEOPLE = 50
COPIED = (
    "workflow",
    "version",
    "parameters",
    "graph",
    "kind",
    "model_names",
    "size",
)


def main() -> None:
    call_command("migrate", interactive=False, verbosity=0)
    names = [f"person-{n}" for n in range(PEOPLE)]
    people = User.objects.bulk_create([User(username=name) for name in names])
    server = make.server(name="gpu-1", max_in_flight=1)
    workflows = [make.workflow(slug) for slug in ("test-card", "text-to-image")]
    for workflow in workflows:
        key = {"workflow": workflow, "server": server, "size": 40}
        Duration.objects.create(**key, cold=False, seconds=4.0)
    rounds, *sizes = map(int, sys.argv[1:])
    found, there = [], 0
    for size in sizes:
        fill(people, workflows, size - there)
        there = size
        found.append(measure(server, rounds))
    json.dump(found, sys.stdout)


def fill(people: list[User], workflows: list[Workflow], count: int) -> None:
    """Waiting jobs of all people, asked for in the last ten hours."""
    chance = random.Random(count)
    patterns = [pattern(people[0], workflow) for workflow in workflows]
    now = timezone.now()
    for begin in range(0, count, 2_000):
        jobs = []
        for n in range(begin, min(count, begin + 2_000)):
            created = now - timedelta(seconds=chance.uniform(0, 36_000))
            fields = dict(chance.choice(patterns))
            rank = fair.rank(created.timestamp(), "normal")
            person = people[n % len(people)]
            jobs.append(Job(owner=person, created=created, rank=rank, **fields))
        Job.objects.bulk_create(jobs)
    with connection.cursor() as cursor:
        # As autovacuum does it on PostgreSQL after so many new rows.
        cursor.execute("ANALYZE")
        if connection.vendor == "postgresql":
            cursor.execute("CHECKPOINT")  # or it writes them while the clock runs


def pattern(person: User, workflow: Workflow) -> dict[str, object]:
    """The fields of a job of this template, as the form makes them."""
    version = workflow.current
    assert version is not None
    fields = version.parameters
    given = {"prompt": "a lighthouse at dusk"}
    values = parameters.clean(fields, given, offers.choices_of(version)).values
    graph = parameters.resolve(version.graph, fields, values)
    job = Job.build(person, version, values, graph)
    return {name: getattr(job, name) for name in COPIED}


def measure(server: Server, rounds: int) -> dict[str, list[float]]:
    waiting = list(Job.objects.filter(status=Job.Status.QUEUED)[: rounds // 5])
    for job in waiting:
        job.workflow  # noqa: B018 - read now, not while the clock runs
    return {
        "claim": [claim(server) for _ in range(rounds)],
        "plan": [timed(plan) for _ in range(rounds)],
        "look": [look(job) for job in waiting],
        "page": [timed(lambda job=job: outlook.of(job)) for job in waiting],  # type: ignore[misc]
    }


def timed(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def claim(server: Server) -> float:
    """Take a job as a bridge does; then put it back."""
    taken: list[scheduling.Claim] = []

    def take() -> None:
        taken.extend(scheduling.claim("bench", lambda _: "bench", [server.pk]))

    seconds = timed(take)
    [one] = taken
    one.attempt.delete()
    Job.objects.filter(pk=one.job.pk).update(status=Job.Status.QUEUED)
    return seconds


def plan() -> None:
    snapshot = Snapshot()
    places = snapshot.places()
    line = snapshot.line(ahead=sum(place.free for place in places))
    list(fair.plan(line, places, snapshot.fits))


def look(job: Job) -> float:
    outlook.forget()
    durations.forget()
    return timed(lambda: outlook.of(job))


if __name__ == "__main__":
    main()

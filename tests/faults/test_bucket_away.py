"""The S3 server is killed under load, on deployments that keep their pictures there."""

from __future__ import annotations

import io
import itertools
import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from PIL import Image

from tests.faults.conftest import DEPLOYMENTS, lacking
from tests.stack import Missing, Simulator, until
from tests.stack.services import Bucket

# How long it is away; the suite has less time than an operator who looks for a fault.
OUTAGE = float(os.environ.get("TEST_OUTAGE", "8"))
PEOPLE, JOBS = 4, 16
# What each person sees of a picture.
PARTS = ("url", "thumbnail_url")
ALL_THERE = "Every file is there and of the right size."
AFTERWARDS = (
    "from django.core.management import call_command;"
    "from gallery.models import Image;"
    "call_command('storage', 'verify', '--deep');"
    "print(Image.objects.exclude(home='s3').count(), 'elsewhere')"
)


@pytest.fixture(scope="module", params=list(DEPLOYMENTS))
def stack(request, tmp_path_factory):
    """Instead of the one for all other faults: whose pictures are in a bucket."""
    folder = tmp_path_factory.mktemp(f"s3-{request.param}")
    simulators = [Simulator(f"gpu-{n}", speed=4.0) for n in (1, 2)]
    try:
        bucket = Bucket(folder)
        made = DEPLOYMENTS[request.param]
        deployment = made(
            folder, simulators=simulators, LIFEOS_STORAGE="s3", **bucket.env
        )
    except Missing as exc:
        lacking(str(exc))
    deployment.files = bucket.root / "lifeos"
    bucket.start()
    try:
        with deployment:
            deployment.bucket = bucket
            yield deployment
    finally:
        bucket.stop()


class Person:
    """Asks for a picture, looks at those that are there, and so on."""

    def __init__(self, visitor, pause):
        self.visitor, self._pause = visitor, pause
        self.jobs, self.seen = [], []

    def work(self, over):
        number = 0
        while number < JOBS or not over.is_set():
            number += 1
            self.jobs += self.visitor.generate(steps=2, seed=number, width=256)
            self._look()
            time.sleep(self._pause)

    def _look(self):
        """At the newest and the oldest, without trying again."""
        shown = self.visitor.images()
        for image, part in itertools.product(shown[:1] + shown[1:][-1:], PARTS):
            begun = time.time()
            answer = self.visitor.api.get(image[part])
            self.seen.append((begun, answer.status_code))
            if answer.is_success:
                Image.open(io.BytesIO(answer.content)).load()


def test_the_bucket_is_killed_under_load(stack, fault):
    """S3 killed under the load of four people, and back on the same data"""
    names = [f"person-{number}" for number in range(1, PEOPLE)]
    visitors = [stack.visitor, *map(stack.person, names)]
    # They have begun before it goes and end after it is back.
    people = [Person(visitor, (OUTAGE + 4) / JOBS) for visitor in visitors]
    over = threading.Event()
    with ThreadPoolExecutor(PEOPLE) as pool:
        working = [pool.submit(person.work, over) for person in people]
        try:
            until(lambda: len(stack.stored_files()) >= PEOPLE, "the first pictures")
            away = time.time()
            asked = sum(len(person.jobs) for person in people)
            stack.bucket.kill()
            time.sleep(OUTAGE)
            until(lambda: goes_on(people, asked, away), "work goes on")
            stack.bucket.start()
            fault.is_over()
            back = time.time()
        finally:
            over.set()
        for one in working:
            one.result()
    for person in people:
        fault.adopt(person.jobs, person.visitor)
        person.visitor.wait_all(person.jobs)
    # Each minute the task process moves what waits, by itself.
    until(lambda: not waiting(stack), "the spool is empty")
    drained = time.time() - back
    jobs = fault.check()
    seen = Counter(status for _, status in looks(people, away, back))
    # From the spool, or a word that it is away; what is in the bucket is not gone.
    assert set(seen) <= {200, 503}, seen
    said = stack.manage("shell", "-v", "0", "-c", AFTERWARDS)
    assert said.splitlines() == [ALL_THERE, "0 elsewhere"], said
    check_thumbnails(stack, len(jobs))
    ended = [datetime.fromisoformat(job["finished"]).timestamp() for job in jobs]
    fault.outcome += (
        f", {sum(away < at < back for at in ended)} of them while it was away for"
        f" {back - away:.0f} s, all in the bucket after {drained:.0f} s"
    )


def looks(people, begin, end):
    """When people looked at a picture, and what came."""
    every = [look for person in people for look in person.seen]
    return [(at, status) for at, status in every if begin < at < end]


def goes_on(people, asked, away):
    """More jobs were taken than were on their way, and a picture was seen."""
    taken = sum(len(person.jobs) for person in people)
    seen = any(status == 200 for _, status in looks(people, away, time.time()))
    return taken > asked + PEOPLE and seen


def waiting(stack):
    return [path for path in (stack.data / "spool").rglob("*") if path.is_file()]


def check_thumbnails(stack, pictures):
    """Of originals the rows know the hash; these must be whole pictures."""
    found = list(stack.files.glob("images/**/*.webp"))
    assert len(found) == 2 * pictures
    for path in found:
        with Image.open(path) as picture:
            picture.load()

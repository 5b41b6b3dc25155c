"""How things stood: written down once a minute, thinned out, shown at /status/."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from gallery.keeping import disks
from generation import history, status_page
from generation.models import Job, Sample
from tests import make
from tests.conftest import signed_in

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock(monkeypatch, db):
    """A function that sets the time."""

    def set_to(moment):
        monkeypatch.setattr(history.timezone, "now", lambda: moment)

    set_to(NOON + timedelta(seconds=9))
    return set_to


@pytest.fixture
def root(db):
    return signed_in(make.user("root", is_staff=True))


def waits(owner, since):
    Job.objects.filter(pk=make.job(owner).pk).update(created=since)


def sample(at, **fields):
    defaults = {"busy": {"gpu-1": 0.5}, "free": {"data": 10 * 1024**3}}
    return Sample.objects.create(at=at, **(defaults | fields))


def test_a_sample_says_how_things_stand(clock, alice, monkeypatch):
    here = [disks.Disk("data", 100, 40)]
    monkeypatch.setattr(history.disks, "survey", lambda: here)
    server, idle = make.server(name="gpu-1"), make.server(name="gpu-2")
    waits(alice, NOON - timedelta(minutes=7))
    waits(alice, NOON - timedelta(minutes=2))
    for seconds, status in ((50, "done"), (40, "done"), (30, "failed"), (90, "done")):
        end = NOON - timedelta(seconds=seconds)
        job = make.job(alice, status=status, finished_at=end)
        times = {"started_at": end - timedelta(seconds=10), "finished_at": end}
        make.attempt(job, server, state="ended", outcome="succeeded", **times)
    history.keep()
    one = Sample.objects.get()
    assert (one.at, one.queued, one.oldest_seconds) == (NOON, 2, 420)
    # What ended more than a minute ago is another minute's.
    assert (one.done, one.failed, one.cancelled) == (2, 1, 0)
    assert one.busy == {"gpu-1": 0.5, idle.name: 0.0}
    assert one.free == {"data": 40}


def test_a_gpu_is_busy_while_a_long_job_runs(clock, alice):
    server = make.server(name="gpu-1")
    job = make.job(alice, status="running", started_at=NOON - timedelta(seconds=45))
    make.attempt(job, server, state="submitted")
    waits_there = make.job(alice, status="dispatched")
    make.attempt(waits_there, server, state="submitted")
    history.keep()
    assert Sample.objects.get().busy == {"gpu-1": 0.75}
    clock(NOON + MINUTE)
    history.keep()
    assert Sample.objects.get(at=NOON + MINUTE).busy == {"gpu-1": 1.0}


def test_one_a_minute_and_nothing_is_left_out_between(clock, alice):
    history.keep()
    history.keep()
    assert Sample.objects.count() == 1
    # No consumer ran for three minutes: what ended then is in the next sample.
    make.job(alice, status="cancelled", finished_at=NOON + MINUTE)
    clock(NOON + 4 * MINUTE)
    history.keep()
    assert [(s.at, s.cancelled) for s in Sample.objects.all()] == [
        (NOON, 0),
        (NOON + 4 * MINUTE, 1),
    ]


def test_after_a_day_ten_minutes_are_one_and_after_a_fortnight_none(clock):
    old = NOON - timedelta(days=2)
    for i in range(10):
        sample(old + i * MINUTE, queued=i, done=1, busy={"gpu-1": i % 2})
    sample(NOON - timedelta(days=15), minutes=10)
    sample(NOON - timedelta(hours=3))
    history.keep()
    history.keep()
    first, *others = Sample.objects.all()
    assert (first.at, first.minutes, first.queued, first.done) == (old, 10, 9, 10)
    assert first.busy == {"gpu-1": 0.5}
    assert [one.minutes for one in others] == [1, 1]


def test_together_forgets_no_server_and_no_disk():
    rows = [
        Sample(at=NOON, busy={"a": 1.0}, free={"data": 5}),
        Sample(at=NOON, minutes=3, busy={"a": 0.0, "b": 0.2}, free={"data": 3, "x": 1}),
    ]
    one = history.together(rows)
    assert one.busy == {"a": 0.25, "b": 0.2}
    assert one.free == {"data": 3, "x": 1}


# The page --------------------------------------------------------------------------


@pytest.mark.parametrize("span", status_page.SPANS)
def test_each_span_is_drawn_with_one_query(span, db):
    for back in range(0, 200, 7):
        sample(NOON - back * MINUTE, queued=3, failed=back == 0)
    with CaptureQueriesContext(connection) as asked:
        drawn = status_page.status_plots(status_page.SPANS[span], NOON)
    assert len(asked) == 1
    queue, _, ended, busy, free = drawn
    assert queue.series[0].values[-1] == 3
    assert ended.series[2].values[-1] == 1
    assert busy.series[0].name == "gpu-1" and busy.series[0].values[-1] == 50
    assert free.series[0].values[-1] == 10
    ticks = [place.tick for place in queue.places if place.tick]
    assert 3 <= len(ticks) <= 7


def test_where_no_sample_is_the_line_is_broken(db):
    sample(NOON - 2 * MINUTE)
    sample(NOON)
    queue, *_ = status_page.status_plots(status_page.SPANS["1h"], NOON)
    assert queue.series[0].values[-3:] == [0, None, 0]


def test_the_page_says_when_nothing_is_written_down(root):
    page = root.get("/status/").content.decode()
    assert "The first numbers come within a minute" in page
    sample(timezone.now() - timedelta(minutes=9), queued=2)
    page = root.get("/status/?span=1h").content.decode()
    assert "Does a task consumer run?" in page
    assert page.count('class="card-plain plot"') == 5
    assert root.get("/status/?span=1y").status_code == 404

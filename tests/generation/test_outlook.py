"""What a person is told of their job: its place, how long it takes, and why."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from generation import durations, outlook, usage
from generation.models import Duration, Job, PersonLimits, QueueState, Server
from tests import make

SD15 = "random-sd15.safetensors"


@pytest.fixture(autouse=True)
def server(db):
    return make.server(name="gpu-1", max_in_flight=1)


def picture(owner, model=SD15, **fields):
    return make.job(owner, "text-to-image", {"prompt": "x", "model": model}, **fields)


def measured(job, seconds, cold=False, server=None):
    """As if runs like this had taken so long."""
    Duration.objects.create(
        workflow=job.workflow,
        server=server or Server.objects.get(name="gpu-1"),
        size=job.size,
        cold=cold,
        seconds=seconds,
    )


def running(owner, server, elapsed=10.0, **fields):
    """A job that is at the server and began so long ago."""
    started = timezone.now() - timedelta(seconds=elapsed)
    job = make.job(owner, status="running", started_at=started, **fields)
    make.attempt(job, server, state="submitted")
    return job


def seen(job):
    """Position, seconds and reason, as a page shows them."""
    durations.forget()
    outlook.forget()
    found = outlook.of(Job.objects.get(pk=job.pk))
    return found.position, found.eta_seconds, found.why


# Position -------------------------------------------------------------------------


def test_the_position_is_the_fair_one_not_the_oldest_first(alice, bob):
    jobs = [make.job(alice) for _ in range(3)]
    late = make.job(bob)
    assert [seen(job)[0] for job in jobs] == [1, 3, 4]
    assert seen(late)[0] == 2


def test_who_used_more_stands_farther_back(alice, bob):
    usage.charge(alice.pk, 500)
    mine, theirs = make.job(alice), make.job(bob)
    assert (seen(mine)[0], seen(theirs)[0]) == (2, 1)


def test_after_a_move_to_the_front_it_is_the_first(alice, bob):
    make.job(bob)
    job = make.job(alice)
    job.move_to_front()
    assert seen(job)[0] == 1


def test_a_job_of_this_very_moment_is_seen(alice):
    """Its row may be committed after somebody else's look at the queue."""
    before = timezone.now()
    first = make.job(alice)
    outlook.of(first)
    second = make.job(alice, created=before)
    assert outlook.of(second).position == 2


def test_one_look_serves_many_pages(alice, django_assert_num_queries):
    jobs = [make.job(alice) for _ in range(4)]
    outlook.of(jobs[-1])
    with django_assert_num_queries(0):
        assert [outlook.of(job).position for job in jobs] == [1, 2, 3, 4]


def test_behind_the_horizon_it_says_so(alice, monkeypatch):
    monkeypatch.setattr(outlook, "HORIZON", 2)
    jobs = [make.job(alice) for _ in range(4)]
    assert seen(jobs[0])[0] == 1
    assert seen(jobs[3]) == (None, None, "More than 2 jobs are before it.")


# How long -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "about 1 s"),
        (8, "about 8 s"),
        (42, "about 40 s"),
        (88, "about 90 s"),
        (118, "about 2 min"),
        (3000, "about 50 min"),
        (3900, "about 1 h 05 min"),
        (3599, "about 1 h 00 min"),
    ],
)
def test_an_estimate_is_no_finer_than_it_is_known(seconds, text):
    assert outlook.Outlook(eta_seconds=seconds).eta_text == text


def test_what_was_never_measured_has_no_estimate(alice):
    job = make.job(alice)
    assert seen(job) == (1, None, "")
    assert outlook.of(job).eta_text == ""


def test_the_estimate_is_the_wait_and_the_own_run(alice, bob):
    usage.charge(alice.pk, 100)
    jobs = [make.job(bob) for _ in range(2)]
    mine = make.job(alice)
    measured(mine, 40)
    assert seen(jobs[0])[1] == 40
    assert seen(mine) == (3, 120, "2 jobs of others before yours")
    assert outlook.of(mine).eta_text == "about 2 min"


def test_a_model_load_is_counted_in_and_told(alice):
    job = picture(alice)
    measured(job, 30), measured(job, 50, cold=True)
    assert seen(job) == (1, 50, "A model load first")
    Server.objects.update(loaded_models=[SD15])
    assert seen(job) == (1, 30, "")


def test_as_in_three_jobs_of_others_then_a_model_load(alice, bob, server):
    usage.charge(alice.pk, 1000)
    busy = running(bob, server)
    for _ in range(2):
        make.job(bob)
    mine = picture(alice)
    measured(busy, 20), measured(mine, 30), measured(mine, 50, cold=True)
    position, eta, why = seen(mine)
    assert why == "3 jobs of others before yours, then a model load"
    # What is left of the first, two more, and the own run.
    assert (position, eta) == (3, pytest.approx(10 + 20 + 20 + 50, abs=1))


def test_ones_own_jobs_are_told_apart(alice, bob):
    make.job(bob)
    jobs = [make.job(alice) for _ in range(3)]
    assert seen(jobs[1])[2] == "1 job of others and 1 of your own before this one"
    bob.jobs.all().delete()
    assert seen(jobs[2])[2] == "2 of your own before this one"


def test_what_runs_at_another_server_is_not_before_it(alice, bob, server):
    running(bob, server)
    make.server(name="gpu-2")
    assert seen(make.job(alice)) == (1, None, "")


# Why not --------------------------------------------------------------------------


def test_a_paused_queue_is_told_with_its_reason(alice):
    job = make.job(alice)
    QueueState.objects.create(pk=1, paused=True, reason="The cooling is repaired.")
    assert seen(job) == (1, None, "The queue is paused: The cooling is repaired.")
    QueueState.objects.update(reason="")
    assert seen(job)[2] == "The queue is paused."


def test_what_the_servers_lack_is_named(alice, server):
    Server.objects.update(name="gpu-3")
    job = picture(alice, model="flux-dev.safetensors")
    why = "No server can run it now: gpu-3 lacks flux-dev.safetensors."
    assert seen(job) == (None, None, why)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"state": "offline"}, "gpu-1 does not answer"),
        ({"paused": True}, "gpu-1 is paused"),
        ({"draining": True}, "gpu-1 is being drained"),
        ({"catalog_id": None}, "gpu-1 was not looked at yet"),
    ],
)
def test_where_the_servers_are_is_told(alice, state, why):
    Server.objects.update(**state)
    job = make.job(alice)
    assert seen(job) == (1, None, f"No server can run it now: {why}.")


def test_missing_tags_are_told(alice):
    job = make.job(alice)
    job.workflow.server_tags = ["24gb"]
    job.workflow.save(update_fields=["server_tags"])
    assert seen(job)[2] == "No server can run it now: gpu-1 is not tagged 24gb."


def test_without_servers_it_says_so(alice, server):
    server.delete()
    assert seen(make.job(alice))[2] == "There is no server yet."


def test_used_up_minutes_are_told_and_block_nobody_else(alice, bob, server):
    PersonLimits.objects.create(person=alice, gpu_minutes_per_day=1)
    ended = make.job(alice, status="done")
    start, end = timezone.now() - timedelta(seconds=90), timezone.now()
    make.attempt(ended, server, state="ended", started_at=start, finished_at=end)
    mine, theirs = make.job(alice), make.job(bob)
    position, eta, why = seen(mine)
    assert (position, eta) == (None, None)
    assert why.startswith("Your GPU time of 1 min a day is used up. It goes on at ")
    assert seen(theirs) == (1, None, "")


# At a server ----------------------------------------------------------------------


def test_at_the_server_what_runs_there_is_before_it(alice, bob, server):
    busy = running(bob, server, elapsed=15)
    mine = make.job(alice, status="dispatched")
    make.attempt(mine, server)
    measured(busy, 20)
    why = "One job before it at its server"
    assert seen(mine) == (None, pytest.approx(25, abs=1), why)


def test_a_run_has_left_what_it_has_not_taken_yet(alice, server):
    job = running(alice, server, elapsed=15)
    assert seen(job) == (None, None, "")
    measured(job, 40)
    assert seen(job)[1] == pytest.approx(25, abs=1)


def test_a_runs_own_pace_counts_more_and_more(alice, server):
    job = running(alice, server, elapsed=30, progress={"fraction": 0.5})
    measured(job, 40)
    # By its pace 60 s, by the measured mean 40 s: half of each.
    assert seen(job)[1] == pytest.approx(20, abs=1)


def test_an_overdue_run_is_still_said_to_end(alice, server):
    job = running(alice, server, elapsed=500)
    measured(job, 40)
    assert seen(job)[1] == 1


@pytest.mark.parametrize("status", ["saving", "done", "failed", "cancelled"])
def test_afterwards_there_is_nothing_to_wait_for(alice, status):
    assert seen(make.job(alice, status=status)) == (None, None, "")


# Nothing leaks --------------------------------------------------------------------


def test_others_are_counted_never_named(as_alice, alice, bob, server):
    running(bob, server)
    theirs = picture(bob)
    job = make.job(alice)
    for address in (f"/jobs/{job.pk}/", f"/api/comfyui/jobs/{job.pk}", "/jobs/", "/"):
        content = as_alice.get(address).content.decode()
        assert "of others before" in content
        for secret in ("bob", str(theirs.pk), SD15):
            # As a word: a CSRF token has any three letters some day.
            assert not re.search(rf"\b{re.escape(secret)}\b", content)


def test_the_page_shows_place_time_and_reason(as_alice, alice, bob):
    make.job(bob)
    job = make.job(alice)
    measured(job, 60)
    page = " ".join(as_alice.get(f"/jobs/{job.pk}/").content.decode().split())
    assert "2nd in the queue" in page
    assert "about 2 min" in page
    assert "1 job of others before yours" in page


def test_the_api_tells_the_same(as_alice, alice, bob):
    make.job(bob)
    job = make.job(alice)
    measured(job, 60)
    answer = as_alice.get(f"/api/comfyui/jobs/{job.pk}").json()
    assert (answer["position"], answer["eta_seconds"]) == (2, 120)
    assert answer["why"] == "1 job of others before yours"


def test_many_waiting_jobs_cost_no_more_queries(
    as_alice, alice, django_assert_max_num_queries
):
    for _ in range(12):
        make.job(alice)
    outlook.forget()
    with django_assert_max_num_queries(22):
        assert as_alice.get("/jobs/").status_code == 200

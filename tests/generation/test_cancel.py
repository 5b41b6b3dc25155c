"""Cancelling one's own job in every state, exactly that one, and trying again."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from django.utils import timezone

from generation.comfy.client import ComfyClient
from generation.models import Job
from generation.simulator import Simulator
from tests import make
from tests.simulator.conftest import flat

HTMX = {"HX-Request": "true"}
TOO_LATE = ["saving", "done", "failed", "cancelled"]


def api(client, job, deed):
    return client.post(f"/api/comfyui/jobs/{job.pk}/{deed}")


def fresh(job):
    return Job.objects.get(pk=job.pk)


# In each state --------------------------------------------------------------------


def test_what_waits_is_cancelled_at_once(as_alice, alice):
    job = make.job(alice)
    assert api(as_alice, job, "cancel").json()["status"] == "cancelled"
    assert fresh(job).finished_at is not None


@pytest.mark.parametrize("status", ["dispatched", "running"])
def test_what_is_at_a_server_is_asked_to_stop(as_alice, alice, status):
    job = make.job(alice, status=status)
    response = api(as_alice, job, "cancel")
    assert response.status_code == 200
    assert response.json()["status"] == status
    assert fresh(job).cancel_requested
    assert "Stopping" in as_alice.get(f"/jobs/{job.pk}/").content.decode()


def test_asking_twice_changes_nothing_more(as_alice, alice):
    job = make.job(alice, status="running")
    assert [api(as_alice, job, "cancel").status_code for _ in range(2)] == [200, 200]
    assert fresh(job).status == "running"
    assert "Cancel</button>" not in as_alice.get(f"/jobs/{job.pk}/").content.decode()


@pytest.mark.parametrize("status", TOO_LATE)
def test_too_late_is_409(as_alice, alice, status):
    job = make.job(alice, status=status)
    response = api(as_alice, job, "cancel")
    assert response.status_code == 409
    assert response.json()["detail"] == "This job can no longer be cancelled."
    assert (fresh(job).status, fresh(job).cancel_requested) == (status, False)


@pytest.mark.parametrize("status", TOO_LATE)
def test_the_page_offers_no_cancel_when_it_is_too_late(as_alice, alice, status):
    job = make.job(alice, status=status)
    assert "Cancel</button>" not in as_alice.get(f"/jobs/{job.pk}/").content.decode()


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_the_page_cancels(as_alice, alice, headers):
    job = make.job(alice)
    response = as_alice.post(f"/jobs/{job.pk}/cancel/", headers=headers)
    assert response.status_code == (200 if headers else 302)
    assert fresh(job).status == "cancelled"


def test_nobody_cancels_anothers(as_bob, alice):
    job = make.job(alice)
    assert api(as_bob, job, "cancel").status_code == 404
    assert as_bob.post(f"/jobs/{job.pk}/cancel/").status_code == 404
    assert fresh(job).status == "queued"


def test_a_bridge_is_woken_only_after_the_wish_is_written(alice, monkeypatch):
    job = make.job(alice, status="running")
    seen = []

    def wake(why):
        seen.append(why == "cancelled" and fresh(job).cancel_requested)

    monkeypatch.setattr("generation.models.job.wake", wake)
    job.cancel()
    assert seen == [True]


# All of mine ----------------------------------------------------------------------


def one_in_each_state(owner):
    return {status: make.job(owner, status=status) for status in Job.Status.values}


def test_all_of_mine_are_cancelled_and_nobody_elses(as_alice, alice, bob):
    mine, theirs = one_in_each_state(alice), one_in_each_state(bob)
    response = as_alice.post("/api/comfyui/jobs/cancel")
    assert response.json() == {"cancelled": 3}
    assert fresh(mine["queued"]).status == "cancelled"
    stopping = [s for s, job in mine.items() if fresh(job).cancel_requested]
    assert sorted(stopping) == ["dispatched", "running"]
    for status, job in theirs.items():
        assert (fresh(job).status, fresh(job).cancel_requested) == (status, False)


def test_the_page_says_how_many_were_cancelled(as_alice, alice):
    make.job(alice), make.job(alice)
    page = as_alice.get("/jobs/").content.decode()
    assert "Cancel all 2" in page
    page = as_alice.post("/jobs/cancel/", follow=True).content.decode()
    assert "2 jobs are cancelled." in page
    assert as_alice.get("/jobs/cancel/").status_code == 405


def test_cancelling_all_needs_somebody(client, db):
    assert client.post("/api/comfyui/jobs/cancel").status_code == 401
    assert client.post("/jobs/cancel/").status_code == 302


# Again ----------------------------------------------------------------------------


def spent(owner, status):
    """A job that has been through everything."""
    now = timezone.now()
    return make.job(
        owner,
        status=status,
        attempts_left=0,
        cancel_requested=True,
        avoid=[1, 2],
        progress={"fraction": 0.5},
        preview=3,
        error="It failed.",
        error_detail="details",
        field_errors={"width": "Too large"},
        dispatched_at=now,
        started_at=now,
        finished_at=now,
        rank=-1.0,
    )


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_trying_again_starts_afresh(as_alice, alice, status):
    job = spent(alice, status)
    assert api(as_alice, job, "retry").json()["status"] == "queued"
    again, new = fresh(job), make.job(alice)
    names = ["attempts_left", "cancel_requested", "avoid", "progress", "preview"]
    names += ["error", "error_detail", "field_errors"]
    names += ["dispatched_at", "started_at", "finished_at"]
    assert [getattr(again, n) for n in names] == [getattr(new, n) for n in names]
    assert 0 < again.rank <= new.rank
    assert again.sequence > job.sequence
    assert again.parameters == job.parameters


def test_trying_again_goes_to_the_end_of_ones_own_queue(as_alice, alice):
    job = spent(alice, "failed")
    make.job(alice)
    assert api(as_alice, job, "retry").json()["position"] == 2


@pytest.mark.parametrize(
    "status", ["queued", "dispatched", "running", "saving", "done"]
)
def test_what_has_not_failed_is_not_tried_again(as_alice, alice, status):
    job = make.job(alice, status=status)
    response = api(as_alice, job, "retry")
    assert response.status_code == 409
    assert "Only a failed or cancelled job" in response.json()["detail"]
    assert fresh(job).status == status


# Exactly one's own, at the server -------------------------------------------------


@pytest.fixture(params=[True, False], ids=["new server", "old server"])
async def simulator(request):
    async with Simulator(speed=0, modern=request.param) as simulator:
        yield simulator


@pytest.fixture
async def comfy(simulator):
    async with ComfyClient(simulator.url, client_id="ours") as comfy:
        yield comfy


async def submit(comfy, color=1):
    prompt = str(uuid.uuid4())
    await comfy.submit(prompt, flat(color=color))
    return prompt


async def until(condition):
    async with asyncio.timeout(5):
        while not await condition():
            await asyncio.sleep(0.01)


async def runs(comfy, prompt):
    async def is_running():
        return prompt in (await comfy.queue()).running

    await until(is_running)


async def ended(comfy, prompt):
    """Wait for it; how it ended."""

    async def is_over():
        return await comfy.history(prompt) is not None

    await until(is_over)
    return (await comfy.history(prompt)).status


async def test_ours_that_waits_is_taken_out_and_the_running_one_goes_on(
    simulator, comfy
):
    simulator.faults.hang = True
    theirs = await submit(comfy, 1)
    await runs(comfy, theirs)
    ours, last = await submit(comfy, 2), await submit(comfy, 3)
    assert await comfy.cancel(ours)
    queue = await comfy.queue()
    assert theirs in queue.running
    assert ours not in queue
    assert last in queue.pending
    assert simulator.executions[ours] == 0


async def test_ours_that_is_over_stays_over_and_the_running_one_goes_on(
    simulator, comfy
):
    ours = await submit(comfy, 1)
    assert await ended(comfy, ours) == "success"
    simulator.faults.hang = True
    theirs = await submit(comfy, 2)
    await runs(comfy, theirs)
    assert not await comfy.cancel(ours)
    assert theirs in (await comfy.queue()).running
    assert (await comfy.history(ours)).status == "success"


async def test_ours_that_runs_is_stopped_and_the_next_one_runs(simulator, comfy):
    simulator.faults.hang = True
    ours = await submit(comfy, 1)
    await runs(comfy, ours)
    theirs = await submit(comfy, 2)
    simulator.faults.hang = False
    assert await comfy.cancel(ours)
    assert await ended(comfy, ours) != "success"
    assert await ended(comfy, theirs) == "success"
    assert simulator.executions[theirs] == 1


async def test_a_prompt_that_the_server_never_had_stops_nobody(simulator, comfy):
    simulator.faults.hang = True
    theirs = await submit(comfy, 1)
    await runs(comfy, theirs)
    assert not await comfy.cancel(str(uuid.uuid4()))
    assert theirs in (await comfy.queue()).running

"""One attempt driven against a simulator, where the outcome is decided early."""

from __future__ import annotations

import asyncio

import pytest
from asgiref.sync import sync_to_async

from generation import scheduling
from generation.bridge.drive import Drive
from generation.bridge.sockets import Switchboard
from generation.comfy.client import ComfyClient
from generation.models import Attempt, Job, Version
from generation.simulator import Simulator
from tests import make

MODEL = "random-sd15.safetensors"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def simulator():
    async with Simulator(speed=0) as simulator:
        yield simulator


@sync_to_async
def claimed(url, slug="test-card", values=None, **fields):
    """A job of Alice's that was claimed for the server at this address."""
    server = make.server(url=url)
    make.job(make.user("alice"), slug, values, **fields)
    [claim] = scheduling.claim("bridge", lambda server: "client", [server.pk])
    return claim


async def drive(claim):
    """Drive it to its end; the job and the attempt as they are then."""
    switchboard = Switchboard()
    async with ComfyClient(claim.server.url, client_id="client") as client:
        lease_until = asyncio.get_running_loop().time() + 60
        one = Drive(claim, client, switchboard, lease_until)
        if claim.job.cancel_requested:
            one.cancel_requested.set()
        async with asyncio.timeout(20):
            await one.run()
    await switchboard.close()
    job = await Job.objects.aget(pk=claim.job.pk)
    return job, await Attempt.objects.filter(pk=claim.attempt.pk).afirst()


async def test_a_picture_that_is_gone_fails_the_job_with_a_sentence(simulator):
    values = {"prompt": "x", "image": "inputs/1/gone.png", "model": MODEL}
    claim = await claimed(simulator.url, "image-to-image", values)
    job, attempt = await drive(claim)
    assert (job.status, attempt.outcome) == ("failed", "failed")
    assert job.error == "The picture that this job starts from is gone."
    assert not simulator.executions


async def test_what_was_never_sent_goes_back_to_the_queue(simulator):
    claim = await claimed("http://127.0.0.1:1")
    job, attempt = await drive(claim)
    assert (job.status, job.attempts_left) == ("queued", 3)
    assert attempt is None


async def test_what_a_dead_bridge_may_have_sent_waits_for_its_server(simulator):
    """The server cannot be asked: it may run there, so nobody else gets it."""
    claim = await claimed("http://127.0.0.1:1")
    adopted = scheduling.Claim(claim.job, claim.attempt, claim.server, adopted=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):
            await drive(adopted)
    job = await Job.objects.aget(pk=claim.job.pk)
    assert job.status == "dispatched"


async def test_cancelled_before_it_was_sent_it_is_not_sent(simulator):
    claim = await claimed(simulator.url)
    await Job.objects.filter(pk=claim.job.pk).aupdate(cancel_requested=True)
    claim.job.cancel_requested = True
    job, attempt = await drive(claim)
    assert (job.status, attempt.outcome) == ("cancelled", "interrupted")
    assert not simulator.executions


async def test_it_runs_once_and_its_outputs_are_named(simulator):
    claim = await claimed(simulator.url)
    job, attempt = await drive(claim)
    assert job.status in ("saving", "done")
    assert len(attempt.outputs) == 1
    assert simulator.executions == {str(claim.attempt.pk): 1}


async def test_a_fault_of_ours_is_tried_again_but_not_for_ever(simulator):
    claim = await claimed(simulator.url)
    await Version.objects.aupdate(fields=[{"name": "no field at all"}])
    claim.job.version = await Version.objects.aget(pk=claim.job.version_id)
    for _ in range(4):
        job, attempt = await drive(claim)
        assert (job.status, attempt.outcome) == ("dispatched", "")
    job, attempt = await drive(claim)
    assert (job.status, attempt.outcome) == ("failed", "failed")
    assert "its log says why" in job.error
    assert not simulator.executions

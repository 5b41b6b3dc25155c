"""One attempt driven against a simulator in this process; who lives, who is dead."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from generation import events, scheduling
from generation.border import in_thread
from generation.bridge import drive as driving
from generation.bridge import service, sockets, watch
from generation.bridge.drive import Drive
from generation.bridge.presence import Presence
from generation.bridge.sockets import Switchboard
from generation.comfy.client import ComfyClient
from generation.models import Attempt, Job, Server
from generation.simulator import Simulator
from generation.wake import wake
from tests import make


@pytest.fixture
async def simulator():
    async with Simulator(speed=0) as simulator:
        yield simulator


@pytest.fixture
def claimed(simulator, transactional_db):
    """A job of alice, claimed for the simulator's server."""
    make.job(make.user("alice"))
    server = make.server(url=simulator.url)
    [claim] = scheduling.claim("here", lambda _: "lifeos-test", [server.pk])
    return claim


async def eventually(condition):
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.02)


@pytest.fixture
async def begin():
    """A function that drives a claim, for as long as the test lasts."""
    switchboard, tasks, clients = Switchboard(), [], []

    def begin(claim):
        client = claim.server.client(claim.attempt.client_id)
        clients.append(client)
        until = asyncio.get_running_loop().time() + 12
        tasks.append(
            asyncio.create_task(Drive(claim, client, switchboard, until).run())
        )
        return tasks[-1]

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await switchboard.close()
    for client in clients:
        await client.aclose()


@in_thread
def row(job):
    return Job.objects.get(pk=job.pk)


async def test_a_claim_is_posted_once_and_its_outputs_are_named(
    simulator, claimed, begin
):
    await begin(claimed)
    job = await row(claimed.job)
    assert job.status == Job.Status.SAVING
    attempt = await in_thread(Attempt.objects.get)(job=job)
    assert attempt.outcome == Attempt.Outcome.SUCCEEDED
    assert [o["kind"] for o in attempt.outputs] == ["images"]
    assert simulator.executions == {str(attempt.pk): 1}


async def test_a_prompt_that_is_listed_twice_is_taken_back_once(
    simulator, claimed, begin
):
    simulator.faults.hang = True
    prompt_id = str(claimed.attempt.pk)
    async with claimed.server.client("lifeos-test") as client:
        await client.submit(prompt_id, claimed.job.graph)
        await client.submit(prompt_id, claimed.job.graph)
        assert (await client.queue()).count(prompt_id) == 2
        begin(scheduling.Claim(claimed.job, claimed.attempt, claimed.server, True))

        async def once():
            return (await client.queue()).count(prompt_id) == 1

        await eventually(once)
        assert (await client.queue()).running == (prompt_id,)
    assert simulator.executions[prompt_id] == 1


async def test_a_stall_is_shown_and_nothing_is_killed(
    simulator, claimed, begin, monkeypatch
):
    monkeypatch.setattr(driving, "WATCHDOG", 0.05)
    monkeypatch.setattr(driving, "STALLED_AFTER", 0.3)
    simulator.faults.hang = True
    task = begin(claimed)

    async def told():
        return "No sign of progress" in (await row(claimed.job)).progress.get(
            "note", ""
        )

    await eventually(told)
    assert (await row(claimed.job)).status == Job.Status.RUNNING
    assert not task.done()


async def test_a_job_that_was_never_sent_leaves_no_attempt(claimed, begin, simulator):
    await simulator.stop()
    await begin(claimed)
    job = await row(claimed.job)
    assert (job.status, job.attempts_left) == (Job.Status.QUEUED, Job.MAX_ATTEMPTS)
    assert not await in_thread(Attempt.objects.exists)()


async def test_an_adopted_attempt_counts_as_sent(claimed, begin, simulator):
    await simulator.stop()
    adopted = scheduling.Claim(claimed.job, claimed.attempt, claimed.server, True)
    task = begin(adopted)

    async def noted():
        return "Asking again" in (await row(claimed.job)).progress.get("note", "")

    await eventually(noted)
    assert not task.done(), "it may run there, so it is waited for"


async def test_nothing_is_posted_once_somebody_else_holds_the_attempt(
    simulator, claimed, begin, monkeypatch
):
    monkeypatch.setattr(driving, "POST_MARGIN", 60.0)  # as after a long pause
    await in_thread(Attempt.objects.update)(bridge="elsewhere")
    await begin(claimed)
    assert simulator.executions == {}
    assert (await row(claimed.job)).status == Job.Status.DISPATCHED


async def test_a_server_that_only_another_bridge_reaches_stays_online(transactional_db):
    from django.utils import timezone

    server = await in_thread(make.server)(seen_at=timezone.now(), seen_by="other")
    visits = watch.Watch("here", lambda s: s.client("lifeos-test"), lambda _: None)
    await visits.visit(server)
    assert not visits.reachable
    seen = await in_thread(Server.objects.get)(pk=server.pk)
    assert seen.state == Server.State.ONLINE


# Who is dead ----------------------------------------------------------------------

DIES = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lifeos.settings")
import django
django.setup()
from pathlib import Path
from generation.bridge.presence import Presence
bridge = Presence(Path(sys.argv[1]))
bridge.announce()
print(bridge.name, flush=True)
sys.stdin.read()
os._exit(9)
"""


def test_a_bridge_is_dead_when_its_process_is_and_not_before(tmp_path):
    other = subprocess.Popen(
        [sys.executable, "-c", DIES, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "LIFEOS_DATA": str(tmp_path)},
    )
    name = other.stdout.readline().strip()
    ours = Presence(tmp_path)
    ours.announce()
    assert not ours.is_dead(name)
    other.communicate()
    assert ours.is_dead(name)
    assert not ours.is_dead(ours.name)
    ours.tidy()
    assert not ours.is_dead(name), "its file is gone, so nothing is known of it"
    ours.withdraw()
    assert list(tmp_path.glob("*.lock")) == []


def test_of_other_machines_only_the_lease_tells(tmp_path):
    (tmp_path / "elsewhere-12-abcdef.lock").touch()
    assert not Presence(tmp_path).is_dead("elsewhere-12-abcdef")


# The loop that claims -------------------------------------------------------------


@pytest.fixture
async def looks(monkeypatch, settings, tmp_path, transactional_db):
    """A bridge that looks only when it is told to; here is what each look found."""
    found = []
    claim = scheduling.claim

    def looked(*args):
        found.append("full")
        found[-1] = list(claim(*args))
        return found[-1]

    monkeypatch.setattr(scheduling, "claim", looked)
    monkeypatch.setattr(service, "LOOK_EVERY", 1e9)
    settings.DATA = tmp_path
    events.use_loop(asyncio.get_running_loop())
    running = asyncio.create_task(service.Bridge().run())
    yield found
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_while_all_is_full_a_job_more_is_no_look(simulator, looks):
    simulator.faults.hang = True
    alice = await in_thread(make.user)("alice")
    server = await in_thread(make.server)(url=simulator.url, max_in_flight=1)
    _, second = [await in_thread(make.job)(alice) for _ in range(2)]

    async def first_is_there():
        return simulator.executions

    async def full():
        await in_thread(wake)("queued")
        return looks[-1:] == ["full"]

    await eventually(first_is_there)
    await eventually(full)
    before = len(looks)
    for _ in range(10):
        await in_thread(wake)("queued")
    await asyncio.sleep(0.2)
    assert len(looks) == before

    # Somebody raises what it may have: that is worth a look.
    await in_thread(Server.objects.filter(pk=server.pk).update)(max_in_flight=2)
    await in_thread(wake)("changed")

    async def second_is_there():
        return await in_thread(second.attempts.first)()

    await eventually(second_is_there)
    assert len(looks) == before + 1


async def test_a_place_that_becomes_free_is_a_look(simulator, looks):
    simulator.faults.hang = True
    alice = await in_thread(make.user)("alice")
    await in_thread(make.server)(url=simulator.url, max_in_flight=1)
    first, second = [await in_thread(make.job)(alice) for _ in range(2)]

    async def ran(job):
        attempt = await in_thread(job.attempts.first)()
        return attempt and str(attempt.pk) in simulator.executions

    await eventually(lambda: ran(first))
    async with (await in_thread(Server.objects.get)()).client("test") as client:
        await client.cancel(str((await in_thread(first.attempts.get)()).pk))
    await eventually(lambda: ran(second))


async def test_new_credentials_are_used_from_the_next_visit_on(
    simulator, looks, monkeypatch
):
    monkeypatch.setattr(watch, "VISIT_EVERY", 0.2)
    asked, heard = [], []
    send, listen = ComfyClient._send, sockets.listen

    def sending(client, *args, **options):
        asked.append(client._http.headers.get("Authorization"))
        return send(client, *args, **options)

    def listening(url, client_id, auth):
        heard.append(auth.headers().get("Authorization"))
        return listen(url, client_id, auth)

    monkeypatch.setattr(ComfyClient, "_send", sending)
    monkeypatch.setattr(sockets, "listen", listening)
    secret = {"auth_kind": "bearer", "auth_secret": {"token": "first"}}
    server = await in_thread(make.server)(url=simulator.url, **secret)

    async def used(said):
        return said in asked and said in heard

    await eventually(lambda: used("Bearer first"))
    server.auth_secret = {"token": "second"}
    await in_thread(server.save)()
    await eventually(lambda: used("Bearer second"))
    assert "first" not in server.way


async def test_who_came_too_late_lets_the_others_go_first(
    simulator, looks, monkeypatch
):
    monkeypatch.setattr(service, "AFTER_YOU", 60.0)
    # Nothing ends, so nothing but news is a reason to look.
    simulator.faults.hang = True
    alice = await in_thread(make.user)("alice")
    await in_thread(make.server)(url=simulator.url, max_in_flight=9)

    async def took(count):
        return await in_thread(Attempt.objects.count)() == count

    async def looked_in_vain():
        await in_thread(wake)("queued")
        return looks[-1:] == [[]]

    await in_thread(make.job)(alice)
    await in_thread(wake)("queued")
    await eventually(lambda: took(1))
    # Another bridge was faster: told of a job, this one finds none.
    await eventually(looked_in_vain)
    await asyncio.sleep(0.5)
    before = len(looks)

    await in_thread(make.job)(alice)
    await in_thread(wake)("queued")
    await asyncio.sleep(0.2)
    assert len(looks) == before
    # The others are gone: as soon as it looks for whatever reason, it is the first.
    await in_thread(wake)("changed")
    await eventually(lambda: took(2))
    await in_thread(make.job)(alice)
    await in_thread(wake)("queued")
    await eventually(lambda: took(3))

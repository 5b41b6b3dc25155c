"""`?wait=`: the answer comes with the end of the job, and holds nothing meanwhile."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator

from accounts.models import ApiKey
from generation import events
from generation.models import Job
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)


class Call:
    """One request to the real application, as daphne makes it."""

    def __init__(self, path, token, query=b""):
        from lifeos.asgi import application

        headers = [(b"host", b"testserver")]
        headers.append((b"authorization", f"Bearer {token}".encode()))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query,
            "headers": headers,
            "server": ("testserver", 80),
            "client": ("127.0.0.1", 1234),
        }
        self.peer = ApplicationCommunicator(application, scope)

    async def begin(self):
        await self.peer.send_input({"type": "http.request", "body": b""})

    async def answer(self, patience=10):
        start = await self.peer.receive_output(patience)
        body, more = b"", True
        while more:
            part = await self.peer.receive_output(patience)
            body, more = body + part["body"], part.get("more_body", False)
        # Only then has Django given its connection back.
        await self.peer.wait(patience)
        headers = {k.decode().lower(): v.decode() for k, v in start["headers"]}
        return start["status"], json.loads(body), headers

    async def leave(self):
        await self.peer.send_input({"type": "http.disconnect"})
        await self.peer.wait(5)


@sync_to_async
def prepare(**fields):
    alice = make.user("alice")
    key, token = ApiKey.issue(alice, "script", ["read"])
    # The tests' database in memory knows no waiting for another's write.
    key.note_use()
    return make.job(alice, **fields), token


async def ask(job, token, query=b"wait=20"):
    call = Call(f"/api/comfyui/jobs/{job.pk}", token, query)
    await call.begin()
    return call


async def test_it_answers_when_the_job_is_over():
    job, token = await prepare()
    call = await ask(job, token)
    assert await call.peer.receive_nothing(0.5)
    begun = time.monotonic()
    await sync_to_async(job.cancel)()
    status, body, headers = await call.answer()
    assert (status, body["status"]) == (200, "cancelled")
    # By the event, before the next look at the row.
    assert time.monotonic() - begun < 0.9
    # The two looks at the job are one call.
    limit, left = headers["ratelimit-limit"], headers["ratelimit-remaining"]
    assert int(limit) - int(left) == 1


async def test_it_sees_the_end_also_when_no_event_comes(monkeypatch):
    monkeypatch.setattr(events, "send", lambda *_: None)
    job, token = await prepare()
    call = await ask(job, token)
    assert await call.peer.receive_nothing(0.5)
    await sync_to_async(job.cancel)()
    assert (await call.answer(5))[1]["status"] == "cancelled"


async def test_a_change_is_not_the_end():
    job, token = await prepare()
    call = await ask(job, token)
    assert await call.peer.receive_nothing(0.4)
    await sync_to_async(job.move)(Job.Status.DISPATCHED)
    assert await call.peer.receive_nothing(0.6)
    await sync_to_async(job.move)(Job.Status.FAILED, error="It broke.")
    assert (await call.answer())[1]["error"] == "It broke."


async def test_after_the_time_it_answers_as_it_is():
    job, token = await prepare()
    begun = time.monotonic()
    status, body, _ = await (await ask(job, token, b"wait=1")).answer()
    assert (status, body["status"]) == (200, "queued")
    assert 0.9 < time.monotonic() - begun < 5


@pytest.mark.parametrize("query", [b"", b"wait=0"])
async def test_without_waiting_it_answers_at_once(query):
    job, token = await prepare()
    assert (await (await ask(job, token, query)).answer(2))[0] == 200


@pytest.mark.parametrize("query", [b"wait=51", b"wait=-1", b"wait=x", b"wait=1e1"])
async def test_a_wrong_time_is_named(query):
    job, token = await prepare()
    status, body, _ = await (await ask(job, token, query)).answer(5)
    assert (status, body["errors"][0]["field"]) == (422, "wait")


async def test_a_job_that_is_over_is_not_waited_for():
    job, token = await prepare(status="done")
    assert (await (await ask(job, token)).answer(2))[1]["status"] == "done"


async def test_anothers_job_is_404_at_once():
    job, _ = await prepare()
    bob = await sync_to_async(make.user)("bob")
    _, token = await sync_to_async(ApiKey.issue)(bob, "script", ["read"])
    status, _, _ = await (await ask(job, token)).answer(2)
    assert status == 404


async def test_a_key_revoked_meanwhile_learns_nothing():
    job, token = await prepare()
    call = await ask(job, token)
    assert await call.peer.receive_nothing(0.4)
    await sync_to_async(lambda: ApiKey.objects.get().revoke())()
    await sync_to_async(job.cancel)()
    assert (await call.answer())[0] == 401


async def test_who_leaves_is_let_go():
    job, token = await prepare()
    call = await ask(job, token)
    assert await call.peer.receive_nothing(0.4)
    await call.leave()
    assert call.peer.future.done()


async def test_many_wait_without_a_thread_each():
    job, token = await prepare()
    before = threading.active_count()
    calls = [await ask(job, token) for _ in range(40)]
    for call in calls:
        assert await call.peer.receive_nothing(0.05)
    await asyncio.sleep(1)
    assert threading.active_count() - before < 25
    await sync_to_async(job.cancel)()
    answers = [await call.answer(30) for call in calls]
    assert {body["status"] for _, body, _ in answers} == {"cancelled"}

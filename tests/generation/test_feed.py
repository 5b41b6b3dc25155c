"""The socket: my jobs, nobody else's; nobody without signing in."""

from __future__ import annotations

import json

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from tests import make

pytestmark = pytest.mark.django_db(transaction=True)


def communicator(user=None, origin="http://testserver"):
    from lifeos.asgi import application

    headers = [(b"host", b"testserver"), (b"origin", origin.encode())]
    if user is not None:
        client = Client()
        client.force_login(user)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        name = settings.SESSION_COOKIE_NAME
        headers.append((b"cookie", f"{name}={cookie}".encode()))
    return WebsocketCommunicator(application, "/ws/", headers=headers)


async def test_it_shows_my_active_jobs_and_their_changes():
    alice = await sync_to_async(make.user)("alice")
    job = await sync_to_async(make.job)(alice)
    socket = await sync_to_async(communicator)(alice)
    assert (await socket.connect())[0]
    first = json.loads(await socket.receive_from())
    assert (first["job"], first["sequence"]) == (str(job.pk), 1)
    assert "in the queue" in first["content"]
    await sync_to_async(job.cancel)()
    news = json.loads(await socket.receive_from())
    assert (news["target"], news["sequence"]) == (f"#job-{job.pk}", 2)
    assert "Cancelled" in news["content"]
    await socket.disconnect()


async def test_it_never_shows_anothers_jobs():
    alice = await sync_to_async(make.user)("alice")
    bob = await sync_to_async(make.user)("bob")
    job = await sync_to_async(make.job)(alice)
    socket = await sync_to_async(communicator)(bob)
    assert (await socket.connect())[0]
    await sync_to_async(job.cancel)()
    assert await socket.receive_nothing()
    await socket.disconnect()


async def test_it_refuses_the_anonymous_and_foreign_origins():
    anonymous = await sync_to_async(communicator)()
    assert not (await anonymous.connect())[0]
    alice = await sync_to_async(make.user)("alice")
    foreign = await sync_to_async(communicator)(alice, "http://evil.example")
    assert not (await foreign.connect())[0]


async def test_a_deactivated_person_hears_nothing_more():
    alice = await sync_to_async(make.user)("alice")
    socket = await sync_to_async(communicator)(alice)
    assert (await socket.connect())[0]
    alice.is_active = False
    await sync_to_async(alice.save)(update_fields=["is_active"])
    await sync_to_async(make.job)(alice)
    job = await sync_to_async(lambda: alice.jobs.get())()
    await sync_to_async(job.cancel)()
    closed = await socket.receive_output()
    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)

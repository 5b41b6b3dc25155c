"""Devices that are signed in: listed, ended, and their sockets with them."""

from __future__ import annotations

import pytest
from allauth.usersessions.models import UserSession
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from generation import consumers
from tests import make

CLOSED = {"type": "websocket.close", "code": 4401}


def real_sign_in(name="alice", agent="Mozilla/5.0 (Windows NT 10) Firefox/140"):
    client = Client(headers={"User-Agent": agent})
    client.post("/accounts/login/", {"login": name, "password": f"{name}-password"})
    return client


def socket_of(client):
    from lifeos.asgi import application

    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    headers = [(b"host", b"testserver"), (b"origin", b"http://testserver")]
    headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()))
    return WebsocketCommunicator(application, "/ws/", headers=headers)


def test_devices_are_listed_with_what_they_are(alice):
    phone = real_sign_in(agent="Mozilla/5.0 (iPhone) Safari/605")
    page = real_sign_in().get("/accounts/sessions/").content.decode()
    assert "Firefox on Windows" in page and "Safari on iPhone" in page
    assert page.count("This one") == 1
    assert phone.get("/gallery/").status_code == 200


def test_one_is_ended_and_the_others_stay(alice):
    here, there, third = real_sign_in(), real_sign_in(), real_sign_in()
    row = UserSession.objects.get(session_key=there.session.session_key)
    here.post(f"/accounts/sessions/{row.pk}/end/")
    statuses = [c.get("/gallery/").status_code for c in (here, there, third)]
    assert statuses == [200, 302, 200]
    here.post("/accounts/sessions/")
    statuses = [c.get("/gallery/").status_code for c in (here, there, third)]
    assert statuses == [200, 302, 302]


def test_a_script_is_a_device_too_and_its_token_ends_with_it(alice):
    client = Client()
    values = {"username": "alice", "password": "alice-password"}
    address = "/_allauth/app/v1/auth/login"
    answer = client.post(address, values, content_type="application/json").json()
    headers = {"Authorization": f"Bearer {answer['meta']['access_token']}"}
    assert Client().get("/api/comfyui/jobs", headers=headers).status_code == 200
    here = real_sign_in()
    assert here.get("/accounts/sessions/").context["session_count"] == 2
    here.post("/accounts/sessions/")
    assert Client().get("/api/comfyui/jobs", headers=headers).status_code == 401


def test_a_new_password_ends_the_others(alice):
    here, there = real_sign_in(), real_sign_in()
    new = "quite-another-one-9"
    values = {"oldpassword": "alice-password", "password1": new, "password2": new}
    here.post("/accounts/password/change/", values)
    assert here.get("/gallery/").status_code == 200
    assert there.get("/gallery/").status_code == 302


async def opened(client):
    socket = socket_of(client)
    assert (await socket.connect())[0]
    return socket


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["end", "others", "sign-out", "password", "deactivate"])
async def test_an_open_socket_closes_with_its_session(way):
    alice = await sync_to_async(make.user)("alice")
    root = await sync_to_async(make.user)("root", is_staff=True, is_superuser=True)
    here = await sync_to_async(real_sign_in)()
    there = await sync_to_async(real_sign_in)()
    kept, ended = await opened(here), await opened(there)

    def act():
        if way == "end":
            row = UserSession.objects.get(session_key=there.session.session_key)
            here.post(f"/accounts/sessions/{row.pk}/end/")
        elif way == "others":
            here.post("/accounts/sessions/")
        elif way == "sign-out":
            there.post("/accounts/logout/")
        elif way == "password":
            new = "quite-another-one-9"
            values = {"oldpassword": "alice-password", "password1": new}
            here.post("/accounts/password/change/", values | {"password2": new})
        else:
            client = Client()
            client.force_login(root)
            client.post(f"/people/{alice.pk}/do/", {"do": "deactivate"})

    await sync_to_async(act)()
    closed = await ended.receive_output(timeout=5)
    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)
    if way == "deactivate":
        closed = await kept.receive_output(timeout=5)
        assert closed["code"] == 4401
    elif way != "password":
        assert await kept.receive_nothing()
        await kept.disconnect()


@pytest.mark.django_db(transaction=True)
async def test_a_lost_message_costs_a_minute(monkeypatch):
    """The session is gone and nobody said so: the socket finds out itself."""
    from django.contrib.sessions.models import Session

    monkeypatch.setattr(consumers, "CHECK_EVERY", 0.1)
    await sync_to_async(make.user)("alice")
    socket = await opened(await sync_to_async(real_sign_in)())
    quiet = await socket.receive_nothing(timeout=0.4)
    assert quiet, await socket.receive_output()
    await sync_to_async(Session.objects.all().delete)()
    closed = await socket.receive_output(timeout=5)
    assert closed["code"] == 4401


@pytest.mark.django_db(transaction=True)
async def test_who_looks_as_somebody_gets_no_socket():
    alice = await sync_to_async(make.user)("alice")
    await sync_to_async(make.user)("root", is_staff=True)
    client = await sync_to_async(real_sign_in)("root")
    reason = {"reason": "to see what is wrong"}
    await sync_to_async(client.post)(f"/people/{alice.pk}/look/", reason)
    assert not (await socket_of(client).connect())[0]

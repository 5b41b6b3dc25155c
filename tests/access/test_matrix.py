"""Every address × everybody who may knock, by the one table of table.py."""

from __future__ import annotations

import json
import re
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.test import Client
from django.urls import get_resolver

from generation.models import Job
from lifeos.api import api
from tests import make
from tests.access import world as worlds
from tests.access.table import (
    ADMIN_MODELS,
    KEYS,
    LOGIN,
    OPERATIONS,
    PAGES,
    PEOPLE,
    SOCKET,
)

TOKEN = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]+\)")
ADMIN = "admin/"
EVERYBODY = (*PEOPLE, *KEYS)


@pytest.fixture
def world(db, settings):
    for name in ("READS", "GENERATES", "CHANGES"):
        setattr(settings, f"LIFEOS_API_{name}_PER_MINUTE", 0)
    return worlds.build()


def patterns(resolver=None, prefix=""):
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + str(entry.pattern)
        if hasattr(entry, "url_patterns"):
            yield from patterns(entry, path)
        else:
            yield path


def address(pattern, values):
    plain = pattern.replace("^", "").replace("$", "")
    return "/" + TOKEN.sub(lambda m: str(values[m[1] or m[2]]), plain)


def in_a_moment_undone(call):
    """The answer, read; whatever it did to the rows is taken back."""
    with transaction.atomic():
        answer = call()
        if answer.streaming:
            content = b"".join(answer.streaming_content)
        else:
            content = answer.content
        transaction.set_rollback(True)
    return answer, content.decode(errors="replace")


def told(answer):
    """The status; a redirect to the sign-in page by its name."""
    where = answer.headers.get("Location", "")
    if answer.status_code == 302 and where.startswith("/accounts/login/"):
        return LOGIN
    return answer.status_code


def complain(what, who, expected, found):
    return f"{what} as {who}: expected {expected}, was {found}"


# That the table is whole ----------------------------------------------------------


def test_every_page_has_a_row_and_every_row_a_page():
    ours = {p for p in patterns() if not p.startswith((ADMIN, "api/"))}
    ours |= {"api/", "api/openapi.json", "api/docs"}
    assert {row.pattern for row in PAGES} == ours
    assert len({row.pattern for row in PAGES}) == len(PAGES)


def test_every_operation_has_a_row_and_every_row_an_operation():
    known = {
        f"{method.upper()} {path}"
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method in methods
    }
    assert {row.name.partition("#")[0] for row in OPERATIONS} == known


def test_every_model_of_the_administration_has_a_row():
    found = {
        "/".join(p.split("/")[1:3])
        for p in patterns()
        if re.match(r"admin/\w+/\w+/$", p) and "password_change" not in p
    }
    assert found == ADMIN_MODELS


# That it holds --------------------------------------------------------------------


def test_pages(world):
    wrong = []
    for row in PAGES:
        path = address(row.pattern, world.fill(row.args))
        for method, statuses in row.methods.items():
            for who in EVERYBODY:
                send = getattr(world.clients[who], method.lower())
                data = world.fill(row.data) if method == "POST" else {}
                answer, text = in_a_moment_undone(lambda: send(path, data))  # noqa: B023
                what = f"{method} {row.pattern}"
                if told(answer) != statuses[who]:
                    wrong.append(complain(what, who, statuses[who], told(answer)))
                if _leaks(world, who, path, text, row.shown):
                    wrong.append(f"{what} as {who}: it tells of the owner's")
    assert not wrong, "\n" + "\n".join(wrong)


def _leaks(world, who, path, text, shown=()):
    """Whether somebody else's answer has anything of the owner's in it.

    What the caller wrote into the address themselves is no news to them.
    """
    ours = ("owner", "read", "generate", "manage")
    return who not in ours and any(
        secret in text for secret in world.secrets(shown) if secret not in path
    )


def test_what_no_row_lists_is_refused(world):
    """GET of a deed, POST of a list: 405, also for the one who may do the rest."""
    wrong = []
    for row in PAGES:
        theirs = row.pattern.startswith(("accounts/", "_allauth/"))
        ours = row.pattern.startswith(
            ("accounts/keys", "accounts/webhooks", "accounts/notices")
        )
        if (theirs and not ours) or row.pattern.startswith("api/"):
            continue
        for method in {"GET", "POST"} - set(row.methods):
            may = next(iter(row.methods.values()))
            who = "owner" if may["owner"] not in (404, LOGIN) else "admin"
            path = address(row.pattern, world.fill(row.args))
            send = getattr(world.clients[who], method.lower())
            answer, _ = in_a_moment_undone(lambda: send(path))  # noqa: B023
            if answer.status_code != 405:
                wrong.append(complain(f"{method} {path}", who, 405, told(answer)))
    assert not wrong, "\n" + "\n".join(wrong)


def test_operations(world):
    wrong = []
    for row in OPERATIONS:
        method, path = row.name.partition("#")[0].split(" ")
        path = path.format(**world.fill(row.args))
        for who in EVERYBODY:
            answer, text = in_a_moment_undone(
                lambda: _call(world, world.clients[who], method, path, row)  # noqa: B023
            )
            if answer.status_code != row.statuses[who]:
                found = f"{answer.status_code} {text[:120]}"
                wrong.append(complain(row.name, who, row.statuses[who], found))
            if _leaks(world, who, path, text):
                wrong.append(f"{row.name} as {who}: it tells of the owner's")
    assert not wrong, "\n" + "\n".join(wrong)


def _call(world, client, method, path, row):
    send = getattr(client, method.lower())
    if row.files:
        return send(path, {row.files: ContentFile(make.png(color="red"), "a.png")})
    if row.body is None:
        return send(path)
    body = json.dumps(world.fill(row.body), default=str)
    return send(path, body, content_type="application/json")


def test_what_is_anothers_looks_like_what_never_was(world):
    """Guessing ids teaches nothing: same status, same words."""
    nothing = {"name": "0" * 64 + ".png"}
    wrong = []
    for row in [r for r in PAGES if str(r.args.get("pk", "")).startswith("@")]:
        for method in row.methods:
            for who in ("stranger", "member", "staff", "admin"):
                if row.methods[method][who] != row.methods[method]["stranger"]:
                    continue
                if row.methods[method]["anonymous"] == 200:
                    continue  # it is shown to everybody
                never = {"pk": UUID(int=1) if "uuid" in row.pattern else 987654321}
                send = getattr(world.clients[who], method.lower())
                paths = [
                    address(row.pattern, world.fill(row.args) | some)
                    for some in ({}, never | nothing)
                ]
                # A message of the page before would be shown on the first of them.
                world.clients[who].cookies.pop("messages", None)
                if len({_words(send, path) for path in paths}) != 1:
                    wrong.append(f"{method} {row.pattern} as {who}: they differ")
    for row in OPERATIONS:
        if row.statuses["stranger"] != 404:
            continue
        method, path = row.name.partition("#")[0].split(" ")
        [(name, thing)] = row.args.items()
        if not str(thing).startswith("@"):
            continue
        real = world.fill(row.args)[name]
        never = 987654321 if isinstance(real, int) else UUID(int=1)
        stranger = world.clients["stranger"]

        def send(path, method=method, row=row, client=stranger):
            return _call(world, client, method, path, row)

        paths = [path.format(**{name: value}) for value in (real, never)]
        told = {_words(send, one) for one in paths}
        if len(told) != 1:
            wrong.append(f"{row.name}: they differ")
    assert not wrong, "\n" + "\n".join(wrong)


def _words(send, path):
    """Status and text of the answer, without what the caller wrote and the token."""
    answer, text = in_a_moment_undone(lambda: send(path))
    text = re.sub(
        r'"X-CSRFToken": "\w+"|name="csrfmiddlewaretoken" value="\w+"', "", text
    )
    return answer.status_code, text.replace(path, "")


def test_the_administration_is_for_who_has_the_permission(world):
    """Without it nothing but the index; who does not administer is asked to sign in."""
    wrong = []
    for pattern in patterns():
        if not pattern.startswith(ADMIN):
            continue
        values = {"object_id": "1", "content_type_id": "1", "id": "1", "url": "x"}
        path = address(pattern, values | {"app_label": "generation"})
        of_a_model = any(pattern.startswith(f"{ADMIN}{m}/") for m in ADMIN_MODELS)
        for who in EVERYBODY:
            client = world.clients[who]
            answer, _ = in_a_moment_undone(lambda: client.get(path))  # noqa: B023
            status = answer.status_code
            outside = who not in ("staff", "admin")
            open_ = pattern in ("admin/login/", "admin/jsi18n/")
            good = (
                (status in (200, 302, 404) if outside and open_ else status == 302)
                if outside
                else status in (302, 403, 404)
                if who == "staff" and of_a_model
                else status in (200, 302, 403, 404, 405)
            )
            if not good:
                wrong.append(f"{pattern} as {who}: {status}")
    assert not wrong, "\n" + "\n".join(wrong)


def test_every_deed_of_a_page_wants_its_token(world):
    """CSRF: a cookie alone changes nothing."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(world.people["owner"])
    wrong = []
    for row in PAGES:
        if "POST" in row.methods:
            path = address(row.pattern, world.fill(row.args))
            answer, _ = in_a_moment_undone(lambda: client.post(path))  # noqa: B023
            if answer.status_code != 403:
                wrong.append(complain(f"POST {row.pattern}", "csrf", 403, told(answer)))
    for row in OPERATIONS:
        method, path = row.name.partition("#")[0].split(" ")
        if method != "GET":
            path = path.format(**world.fill(row.args))
            answer, _ = in_a_moment_undone(
                lambda: _call(world, client, method, path, row)  # noqa: B023
            )
            if answer.status_code != 403:
                wrong.append(complain(row.name, "csrf", 403, answer.status_code))
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("who", EVERYBODY)
async def test_the_socket(who):
    world = await sync_to_async(worlds.build)()
    socket = await sync_to_async(_socket)(world, who)
    accepted, _ = await socket.connect()
    assert accepted == (SOCKET[who] != "refused")
    if not accepted:
        return
    if SOCKET[who] == "told":
        first = await socket.receive_from()
        assert worlds.MARK in first or str(world.things["waiting"]) in first
    else:
        job = await sync_to_async(Job.objects.get)(pk=world.things["waiting"])
        await sync_to_async(job.cancel)()
        assert await socket.receive_nothing()
    await socket.disconnect()


def _socket(world, who):
    from lifeos.asgi import application

    headers = [(b"host", b"testserver"), (b"origin", b"http://testserver")]
    client = world.clients[who]
    name = settings.SESSION_COOKIE_NAME
    if name in client.cookies:
        headers.append((b"cookie", f"{name}={client.cookies[name].value}".encode()))
    if token := client.defaults.get("HTTP_AUTHORIZATION"):
        headers.append((b"authorization", token.encode()))
    return WebsocketCommunicator(application, "/ws/", headers=headers)

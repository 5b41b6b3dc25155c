"""Personal API keys: shown once, good for what they name, refused at once."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts import access
from accounts.models import ApiKey, Scope
from accounts.models.keys import MAX_KEYS
from tests import make

JOBS = "/api/comfyui/jobs"


def key_of(owner, *scopes, **fields):
    return ApiKey.issue(owner, "script", scopes or Scope.values, **fields)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def ask(token, path=JOBS):
    return Client().get(path, headers=bearer(token))


def test_the_page_shows_the_secret_once_and_the_row_keeps_none(as_alice, alice):
    form = {"name": "Blender", "scopes": ["read"], "lasts": "30"}
    page = as_alice.post("/accounts/keys/", form)
    token = re.search(r"lo_[\w-]{43}", page.content.decode())[0]
    assert ask(token).status_code == 200
    assert page["Cache-Control"].count("no-store")
    key = alice.api_keys.get()
    assert token not in str(vars(key))
    assert (key.prefix, key.scopes) == (token[:11], ["read"])
    assert timedelta(days=29) < key.expires - timezone.now() < timedelta(days=31)
    again = as_alice.get("/accounts/keys/").content.decode()
    assert key.prefix in again
    assert token not in again


def test_what_is_missing_is_told_beside_its_field(as_alice, alice):
    page = as_alice.post("/accounts/keys/", {"name": "", "lasts": "30"})
    assert page.status_code == 422
    assert "Give the key a name." in page.content.decode()
    assert "Choose at least one thing" in page.content.decode()
    assert not alice.api_keys.exists()


def test_nobody_has_more_keys_than_the_limit(as_alice, alice):
    for _ in range(MAX_KEYS):
        key_of(alice)
    form = {"name": "one more", "scopes": ["read"], "lasts": ""}
    page = as_alice.post("/accounts/keys/", form)
    assert page.status_code == 422
    assert alice.api_keys.count() == MAX_KEYS


@pytest.mark.parametrize("end", ["revoke", "expire", "deactivate", "delete"])
def test_it_is_refused_at_once(alice, end):
    key, token = key_of(alice)
    assert ask(token).status_code == 200
    if end == "revoke":
        key.revoke()
    elif end == "expire":
        ApiKey.objects.update(expires=timezone.now())
    elif end == "deactivate":
        type(alice).objects.update(is_active=False)
    else:
        key.delete()
    assert ask(token).status_code == 401


def test_revoking_on_the_page(as_alice, as_bob, alice):
    key, token = key_of(alice)
    assert as_bob.post(f"/accounts/keys/{key.pk}/revoke/").status_code == 404
    assert ask(token).status_code == 200
    assert as_alice.post(f"/accounts/keys/{key.pk}/revoke/").status_code == 302
    assert ask(token).status_code == 401


def test_a_scope_that_is_missing_is_403_before_anything_is_read(alice):
    make.workflow()
    _, token = key_of(alice, "read")
    answer = Client().post(
        "/api/comfyui/generate", "{not json", "application/json", headers=bearer(token)
    )
    assert answer.status_code == 403
    assert "generate" in answer.json()["detail"]


def test_a_key_is_nobodys_session(alice):
    """No page is opened by a key, least of all the one that makes keys."""
    _, token = key_of(alice)
    for page in ("/jobs/", "/accounts/keys/", "/gallery/"):
        assert ask(token, page).status_code == 302


@pytest.mark.parametrize(
    "token", ["lo_", "lo_" + "x" * 43, "lo_é", "LO_x", "lo_ x", "x" * 9000]
)
def test_what_is_no_key_is_401(db, token):
    assert ask(token.encode().decode("latin-1")).status_code == 401


def test_the_last_use_is_written_once_a_minute(alice):
    _, token = key_of(alice)
    ask(token)
    first = alice.api_keys.get().last_used
    assert first is not None
    ask(token)
    assert alice.api_keys.get().last_used == first
    ApiKey.objects.update(last_used=timezone.now() - timedelta(minutes=2))
    cache.clear()
    ask(token)
    assert timezone.now() - alice.api_keys.get().last_used < timedelta(minutes=1)


def operations():
    from lifeos.api import api

    for bound in api._get_bound_routers():
        for path, view in bound.path_operations.items():
            for operation in view.operations:
                yield bound.prefix + path, operation


def test_every_operation_says_its_scope():
    """`auth=READ`, `GENERATE` or `MANAGE` beside it; the default says nothing."""
    silent = [
        f"{operation.methods} {path}"
        for path, operation in operations()
        if access.scope_of(
            operation.auth_param if isinstance(operation.auth_param, list) else []
        )
        is None
    ]
    assert silent == []


def test_what_changes_something_does_not_ask_for_reading_alone():
    lax = [
        f"{operation.methods} {path}"
        for path, operation in operations()
        if set(operation.methods) - {"GET"}
        and access.scope_of(operation.auth_callbacks) == Scope.READ
    ]
    assert lax == []

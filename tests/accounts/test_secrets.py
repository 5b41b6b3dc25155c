"""Secrets of servers: encrypted at rest, and never shown again."""

from __future__ import annotations

import io
import logging

import pytest
from cryptography.fernet import InvalidToken
from django.core import serializers
from django.core.management import call_command
from django.db import connection

from accounts import secrets
from generation.models import Server
from tests import make

SECRET = {"username": "comfy", "password": "hunter2-hunter2"}


@pytest.fixture
def server(db):
    return make.server(auth_kind="basic", auth_secret=SECRET)


def stored(server):
    with connection.cursor() as cursor:
        sql = "SELECT auth_secret FROM generation_server WHERE id = %s"
        cursor.execute(sql, [server.pk])
        return cursor.fetchone()[0]


def test_the_database_holds_no_secret_in_clear(server):
    assert "hunter2" not in stored(server) and "comfy" not in stored(server)
    assert Server.objects.get().auth.headers()["Authorization"].startswith("Basic ")
    out = io.StringIO()
    call_command("dumpdata", "generation.Server", stdout=out)
    assert "hunter2" not in out.getvalue()
    row = next(serializers.deserialize("json", out.getvalue())).object
    assert row.auth_secret == SECRET


def test_what_was_stored_in_clear_is_still_read(server):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE generation_server SET auth_secret = %s", ['{"token": "t"}']
        )
    row = Server.objects.get()
    assert row.auth_secret == {"token": "t"}
    row.save()
    assert stored(row).startswith("enc:")


def test_no_page_shows_it_again(server, as_root):
    for address in (f"/admin/generation/server/{server.pk}/change/", "/servers/"):
        page = as_root.get(address).content.decode()
        assert "hunter2" not in page and "enc:" not in page
    assert "hunter2" not in repr(server.auth) and "hunter2" not in repr(server)


def test_keys_rotate(server, settings):
    old = stored(server)
    settings.LIFEOS_SECRETS_KEYS = ["a-new-key"]
    assert Server.objects.get().auth_secret == SECRET  # SECRET_KEY still reads
    call_command("rotate_secrets", stdout=io.StringIO())
    assert stored(server) != old
    settings.SECRET_KEY = "another"
    assert Server.objects.get().auth_secret == SECRET
    settings.LIFEOS_SECRETS_KEYS = ["newer", "a-new-key"]
    assert Server.objects.get().auth_secret == SECRET


def test_a_lost_key_opens_pages_all_the_same(server, settings, caplog):
    settings.SECRET_KEY = "another"
    with caplog.at_level(logging.ERROR):
        assert Server.objects.get().auth_secret == {}
    assert "can't be decrypted" in caplog.text
    with pytest.raises(InvalidToken):
        secrets.decrypt(stored(server))

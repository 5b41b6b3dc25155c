"""A copy of everything, and the end of an account."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta

import pytest
from django.core import mail
from django.core.files.storage import default_storage
from django.utils import timezone

from accounts import tasks
from accounts.models import AuditEvent, Export, User
from gallery.models import Image
from generation.models import Job
from tests import make
from tests.accounts.conftest import signed_in


@pytest.fixture(autouse=True)
def _now(monkeypatch, settings):
    """Tasks run by hand here."""
    monkeypatch.setattr(tasks, "make_export", tasks.make_export.call_local)
    monkeypatch.setattr(tasks, "delete_account", tasks.delete_account.call_local)


def prove(client, name="alice"):
    client.post("/accounts/reauthenticate/", {"password": f"{name}-password"})


def content(response):
    return b"".join(response.streaming_content)


# The copy -------------------------------------------------------------------------


def test_the_copy_has_everything_that_is_mine_and_nothing_else(
    alice, as_alice, bob, django_capture_on_commit_callbacks
):
    User.objects.filter(pk=alice.pk).update(email="alice@example.org")
    mine = make.made_image(alice, values={"color": "#ff0000"})
    trashed = make.image(alice, deleted_at=timezone.now())
    theirs = make.image(bob, prompt="a secret of bob")
    assert "/accounts/reauthenticate/" in as_alice.post("/accounts/export/")["Location"]
    assert not Export.objects.exists()
    prove(as_alice)
    with django_capture_on_commit_callbacks(execute=True):
        as_alice.post("/accounts/export/")
    export = Export.objects.get()
    assert (export.state, mail.outbox[0].to) == ("ready", ["alice@example.org"])
    response = as_alice.get(f"/accounts/export/{export.pk}/")
    packed = zipfile.ZipFile(io.BytesIO(content(response)))
    assert packed.testzip() is None
    names = packed.namelist()
    assert {"profile.json", "jobs.json", "albums.json", "presets.json"} <= set(names)
    assert {"webhooks.json", "notices.json", "api-keys.json"} <= set(names)
    with mine.file.open() as file:
        assert packed.read(f"pictures/{mine.name}") == file.read()
    assert f"trash/{trashed.name}" in names
    described = json.loads(packed.read(f"pictures/{mine.name.rpartition('.')[0]}.json"))
    assert described["parameters"]["color"] == "#ff0000" and described["workflow"]
    everything = b"".join(packed.read(name) for name in names)
    assert (
        b"secret of bob" not in everything and str(theirs.pk).encode() not in everything
    )
    assert json.loads(packed.read("profile.json"))["user_name"] == "alice"


def test_one_copy_at_a_time(alice, as_alice):
    prove(as_alice)
    as_alice.post("/accounts/export/")
    page = as_alice.post("/accounts/export/", follow=True)
    assert "is being made already" in page.content.decode()
    assert Export.objects.count() == 1


def test_a_copy_that_was_left_lying_is_made_by_the_sweep(alice):
    export = Export.objects.create(owner=alice)
    tasks.sweep_accounts.call_local()
    export.refresh_from_db()
    assert export.state == "ready"
    before = (export.bytes, export.tries)
    tasks.make_export(str(export.pk))
    export.refresh_from_db()
    assert (export.bytes, export.tries) == before


def test_a_copy_that_fails_is_told_after_some_tries(alice, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tasks, "_write", full)
    export = Export.objects.create(owner=alice)
    for _ in range(3):
        Export.objects.update(lease_until=timezone.now())
        tasks.make_export(str(export.pk))
    export.refresh_from_db()
    assert export.state == "failed" and "could not be made" in export.error


def test_a_copy_expires_with_its_file(alice, as_alice):
    export = Export.objects.create(owner=alice)
    tasks.make_export(str(export.pk))
    export.refresh_from_db()
    assert default_storage.exists(export.file)
    Export.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    prove(as_alice)
    assert as_alice.get(f"/accounts/export/{export.pk}/").status_code == 404
    tasks.forget_exports()
    assert not default_storage.exists(export.file)
    assert not Export.objects.exists()


# Leaving --------------------------------------------------------------------------


def leave(client, name="alice"):
    prove(client, name)
    return client.post("/accounts/delete/", {"username": name})


def test_it_takes_a_proof_and_the_own_name(alice, as_alice):
    answer = as_alice.post("/accounts/delete/", {"username": "alice"})
    assert "/accounts/reauthenticate/" in answer["Location"]
    prove(as_alice)
    page = as_alice.post("/accounts/delete/", {"username": "bob"})
    assert "Write alice to confirm." in page.content.decode()
    alice.refresh_from_db()
    assert alice.is_active


def test_everything_goes_with_its_files_and_others_stay(
    alice, as_alice, bob, django_capture_on_commit_callbacks
):
    image, other = make.image(alice), make.image(bob)
    job = make.job(alice)
    key = f"inputs/{alice.pk}/upload.png"
    default_storage.save(key, io.BytesIO(b"x"))
    prove(as_alice)
    page = as_alice.get("/accounts/delete/").content.decode()
    assert "1 picture" in page and "1 job" in page
    there = signed_in(alice)
    with django_capture_on_commit_callbacks(execute=True):
        assert leave(as_alice)["Location"] == "/accounts/gone/"
    assert there.get("/gallery/").status_code == 302
    assert not User.objects.filter(username="alice").exists()
    assert not Job.objects.filter(pk=job.pk).exists()
    assert not Image.objects.filter(pk=image.pk).exists()
    for name in (image.file.name, image.thumb_small.name, image.thumb_large.name, key):
        assert not default_storage.exists(name)
    assert default_storage.exists(other.file.name)
    actions = AuditEvent.objects.values_list("action", flat=True)
    assert {"account.deletion", "account.deleted"} <= set(actions)


def test_it_waits_for_what_a_server_still_holds(alice, as_alice):
    job = make.job(alice, status="running")
    attempt = make.attempt(job, make.server(), state="running")
    leave(as_alice)
    tasks.delete_account(alice.pk)
    alice.refresh_from_db()
    job.refresh_from_db()
    assert job.cancel_requested and not alice.is_active
    # What the bridge does when the server has let go of it.
    job.move(Job.Status.CANCELLED)
    type(attempt).objects.update(state="ended")
    tasks.sweep_accounts.call_local()
    assert not User.objects.filter(pk=alice.pk).exists()


def test_an_administrator_deletes_who_is_switched_off(
    alice, as_root, django_capture_on_commit_callbacks
):
    image = make.image(alice)
    for deed, left in (("delete", True), ("deactivate", True), ("delete", False)):
        with django_capture_on_commit_callbacks(execute=True):
            as_root.post(f"/people/{alice.pk}/do/", {"do": deed})
        assert User.objects.filter(pk=alice.pk).exists() is left
    assert not default_storage.exists(image.file.name)
    # The administration has no button that would leave the files behind.
    other = make.user("other")
    answer = as_root.post(f"/admin/accounts/user/{other.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 403


def test_nobody_active_is_deleted_by_the_task(alice):
    tasks.delete_account(alice.pk)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    tasks.delete_account(alice.pk)
    assert User.objects.filter(pk=alice.pk).exists()


def test_the_last_administrator_stays(root, as_root):
    page = leave(as_root, "root")
    assert "You are the last administrator" in page.content.decode()
    root.refresh_from_db()
    assert root.is_active
    make.user("second", is_staff=True, is_superuser=True)
    assert leave(as_root, "root")["Location"] == "/accounts/gone/"

"""Quotas, retention, the end of the trash, full disks, and the page that tells."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from gallery.keeping import disks, emptying, quota
from gallery.models import Album, AlbumItem, Image, StorageUse
from generation import usage
from generation.models import GroupLimits, Job, PersonLimits
from tests import make

pytestmark = pytest.mark.django_db
API = "/api/comfyui/generate"
MB = 1024**2


@pytest.fixture
def full(alice):
    """Alice may keep 1 MB and does."""
    PersonLimits.objects.create(person=alice, storage_mb=1)
    StorageUse.objects.update_or_create(person=alice, defaults={"bytes": MB})
    return alice


@pytest.fixture
def a_server(db):
    return make.server()


def ask(client):
    body = {"template": "test-card", "parameters": {}}
    make.workflow()
    return client.post(API, body, content_type="application/json")


# Quotas ---------------------------------------------------------------------------


def test_a_full_storage_takes_no_job_and_says_what_to_do(full, a_server, as_alice):
    answer = ask(as_alice)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == "storage"
    assert error["message"].replace("\xa0", " ").startswith("You use 1.0 MB of your")
    assert "empty the trash" in error["message"]
    assert not Job.objects.exists()
    values = {"width": 64, "height": 48, "color": "#336699", "batch_size": 1}
    page = as_alice.post("/generate/test-card/", values | {"count": 1})
    assert page.status_code == 422
    assert "empty the trash" in page.content.decode()


def test_a_full_storage_takes_no_retry(full, a_server, as_alice, alice):
    job = make.job(alice, status="failed", error="x")
    as_alice.post(f"/jobs/{job.pk}/retry/")
    job.refresh_from_db()
    assert job.status == "failed"


def test_a_full_storage_takes_no_upload(full, a_server, as_alice):
    make.workflow("image-to-image")
    values = {"prompt": "x", "image": make.upload(), "count": 1}
    page = as_alice.post("/generate/image-to-image/", values)
    assert page.status_code == 422
    assert "empty the trash" in page.content.decode()


def test_an_upload_must_fit_into_what_is_left(alice):
    PersonLimits.objects.create(person=alice, storage_mb=1)
    quota.check(alice, MB)
    with pytest.raises(quota.Full):
        quota.check(alice, MB + 1)


def test_others_are_not_touched(full, a_server, as_bob):
    assert ask(as_bob).status_code == 202


def test_the_most_generous_group_counts_and_ones_own_before_it(alice):
    for name, megabytes in (("a", 1), ("b", 3)):
        GroupLimits.objects.create(group=make.group(name, alice), storage_mb=megabytes)
    assert quota.quota_of(alice).bytes == 3 * MB
    PersonLimits.objects.create(person=alice, storage_mb=2)
    assert quota.quota_of(alice).bytes == 2 * MB


def test_a_quota_costs_no_sum_over_the_pictures(
    alice, django_assert_max_num_queries, django_assert_num_queries
):
    PersonLimits.objects.create(person=alice, storage_mb=1)
    with django_assert_max_num_queries(5) as few:
        quota.check(alice)
    assert not [q for q in few.captured_queries if "SUM(" in q["sql"].upper()]


# Retention ------------------------------------------------------------------------


def test_old_pictures_that_nobody_chose_go_to_the_trash(alice, bob):
    PersonLimits.objects.create(person=alice, keep_days=30)
    old = timezone.now() - timedelta(days=31)
    plain = make.image(alice, created=old)
    kept = [
        make.image(alice),
        make.image(alice, created=old, favourite=True),
        make.image(alice, created=old, rating=1),
        make.image(bob, created=old),
    ]
    in_album = make.image(alice, created=old)
    album = Album.objects.create(owner=alice, title="a")
    AlbumItem.objects.create(album=album, image=in_album, position=1)
    assert quota.retire() == 1
    plain.refresh_from_db()
    assert plain.deleted_at
    left = Image.objects.filter(deleted_at=None)
    assert set(left) == {*kept, in_album}
    assert quota.retire() == 0


# The trash ------------------------------------------------------------------------


def in_trash(owner, days):
    return make.image(owner, deleted_at=timezone.now() - timedelta(days=days))


def test_the_trash_is_emptied_after_its_days(storage, alice, settings):
    settings.LIFEOS_TRASH_DAYS = 30
    old, new, kept = in_trash(alice, 31), in_trash(alice, 29), make.image(alice)
    assert emptying.empty_old() == 1
    assert set(Image.objects.all()) == {new, kept}
    for file in (old.file, old.thumb_small, old.thumb_large):
        assert not storage.exists(file.name)
    assert storage.exists(new.file.name)
    row = StorageUse.objects.get(person=alice)
    assert (row.bytes, row.pictures) == (new.bytes + kept.bytes, 2)


def test_only_the_owners_trash_is_emptied(alice, bob):
    make.image(alice)
    mine, other = in_trash(alice, 0), in_trash(bob, 0)
    assert emptying.empty(bob, [mine.pk]) == 0
    assert emptying.empty(alice, [mine.pk, other.pk]) == 1
    assert Image.objects.count() == 2


def test_a_crash_between_rows_and_files_leaves_orphans_alone(
    storage, alice, monkeypatch
):
    image = in_trash(alice, 31)

    def crash(names):
        raise KeyboardInterrupt

    monkeypatch.setattr(emptying, "_delete_files", crash)
    with pytest.raises(KeyboardInterrupt):
        emptying.empty_old()
    assert not Image.objects.exists()
    assert storage.exists(image.file.name)


def test_a_bucket_that_is_away_does_not_hold_the_trash_up(use, bucket, alice):
    use("s3", s3=bucket)
    in_trash(alice, 31)
    bucket.kill()
    assert emptying.empty_old() == 1
    assert not Image.objects.exists()


# Disks ----------------------------------------------------------------------------


def with_free(monkeypatch, settings, free):
    """As if so many bytes were free, and the defaults counted."""
    import shutil
    from collections import namedtuple

    usage_of = namedtuple("usage", "total used free")
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: usage_of(100 * 1024**3, 0, free)
    )
    disks.forget()


def test_a_full_disk_takes_no_job_before_it_is_full(
    monkeypatch, settings, a_server, as_alice, caplog
):
    with_free(monkeypatch, settings, settings.LIFEOS_DISK_STOP_BYTES - 1)
    answer = ask(as_alice)
    assert answer.status_code == 422
    assert "nearly full" in answer.json()["errors"][0]["message"]
    disks.tell()
    assert "New jobs and uploads are refused" in caplog.text


def test_staff_is_warned_first_and_nobody_else(
    monkeypatch, settings, a_server, as_alice, client
):
    with_free(monkeypatch, settings, settings.LIFEOS_DISK_WARN_BYTES - 1)
    assert ask(as_alice).status_code == 202
    assert "free on the disk" not in as_alice.get("/usage/").content.decode()
    root = Client()
    root.force_login(make.user("root", is_staff=True, is_superuser=True))
    for page in ("/servers/", "/usage/"):
        assert "free on the disk" in root.get(page).content.decode()
    ready = client.get("/readyz")
    assert "free on the disk" in ready.json()["warnings"][0]
    assert ready.status_code == 200


def test_with_room_nobody_is_warned(monkeypatch, settings, client, a_server):
    with_free(monkeypatch, settings, 90 * 1024**3)
    assert client.get("/readyz").json()["warnings"] == []
    assert disks.no_room() == ""


def test_without_its_bucket_the_site_is_ready_and_says_what_is_wrong(
    use, bucket, client, a_server
):
    use("s3", s3=bucket)
    bucket.kill()
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert "Files wait in the spool" in str(ready.json()["warnings"])


# The page -------------------------------------------------------------------------


def test_the_page_tells_ones_own_numbers(alice, as_alice):
    PersonLimits.objects.create(
        person=alice, storage_mb=10, gpu_minutes_per_day=60, pictures_per_day=100
    )
    StorageUse.objects.create(person=alice, bytes=4 * MB, pictures=3)
    end = timezone.now()
    job = make.job(alice, status="done")
    times = {"started_at": end - timedelta(minutes=6), "finished_at": end}
    make.attempt(job, make.server(), state="ended", outcome="succeeded", **times)
    page = as_alice.get("/usage/").content.decode().replace("\xa0", " ")
    for told in ("4.0 MB of 10.0 MB", "6.0 MB left", "6 min of 60 min", "54 min left"):
        assert told in page
    assert "99 left" in page


def test_only_staff_sees_others(alice, bob, as_alice):
    make.image(bob)
    make.image(alice)
    # As a word: a CSRF token has any three letters some day.
    assert not re.search(r"\bbob\b", as_alice.get("/usage/").content.decode())
    root = Client()
    root.force_login(make.user("root", is_staff=True, is_superuser=True))
    page = root.get("/usage/").content.decode()
    assert "bob" in page
    assert "alice" in page


def test_the_page_costs_the_same_for_many_people(django_assert_num_queries):
    root = Client()
    root.force_login(make.user("root", is_staff=True, is_superuser=True))
    root.get("/usage/")  # the first visit of a session is written down
    for number in range(3):
        StorageUse.objects.create(person=make.user(f"p{number}"), bytes=number)
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as few:
        root.get("/usage/")
    for number in range(3, 30):
        StorageUse.objects.create(person=make.user(f"p{number}"), bytes=number)
    with django_assert_num_queries(len(few)):
        root.get("/usage/")


def test_a_stranger_signs_in_first():
    assert Client().get("/usage/").status_code == 302


def test_the_days_use_is_what_the_limits_count(alice):
    make.job(alice, status="failed")
    make.job(alice, status="done", pictures=4)
    assert usage.of_the_day(alice).pictures == 4

"""The bucket goes away, killed for real: nothing that was accepted is lost."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from django.core.files.base import ContentFile

from gallery.keeping import spool
from gallery.models import Image
from gallery.storage import LOCAL, S3, SPOOL
from tests import make

NAME = "images/1/ab/abcd/original.png"
pytestmark = pytest.mark.django_db


@pytest.fixture
def s3(use, bucket):
    return use("s3", s3=bucket)


def awake(storage):
    """As if its rest after a failure were over."""
    storage._away_until = 0.0


def test_what_is_saved_while_the_bucket_is_away_is_there_at_once(s3, bucket):
    bucket.kill()
    s3.save(NAME, ContentFile(b"content"))
    assert s3.locate(NAME) == SPOOL
    assert s3.exists(NAME)
    assert s3.size(NAME) == 7
    with s3.open(NAME) as file:
        assert file.read() == b"content"


def test_the_second_file_does_not_wait_for_the_bucket_again(s3, bucket):
    bucket.kill()
    s3.save(NAME, ContentFile(b"content"))
    begun = time.monotonic()
    s3.save(f"{NAME}2", ContentFile(b"content"))
    assert time.monotonic() - begun < 0.5


def test_a_picture_goes_to_the_bucket_when_it_is_back(s3, bucket, as_alice, alice):
    bucket.kill()
    image = make.image(alice)
    assert image.home == SPOOL
    shown = as_alice.get(f"/gallery/{image.pk}/file/")
    assert shown.status_code == 200
    assert b"".join(shown.streaming_content) == make.png()
    assert spool.drain().moved == 0
    bucket.start()
    done = spool.drain()
    assert (done.moved, done.failed) == (3, 0)
    image.refresh_from_db()
    assert image.home == S3
    assert spool.waiting() == (0, 0)
    assert s3.locate(image.file.name) == S3
    with image.file.open() as file:
        assert file.read() == make.png()


def test_inputs_without_a_row_go_there_too(s3, bucket):
    bucket.kill()
    s3.save("inputs/1/a.png", ContentFile(b"input"))
    bucket.start()
    assert spool.drain().moved == 1
    assert s3.s3.exists("inputs/1/a.png")
    assert not list(Path(s3.spool.location).iterdir())


def test_a_row_that_comes_after_its_files_have_gone_is_settled(s3, alice):
    image = make.image(alice)
    Image.objects.update(home=SPOOL)
    spool.drain()
    image.refresh_from_db()
    assert image.home == S3


def test_what_another_machine_has_in_its_spool_is_not_called_arrived(s3, alice):
    image = make.image(alice)
    for file in (image.file, image.thumb_small, image.thumb_large):
        s3.s3.delete(file.name)
    Image.objects.update(home=SPOOL)
    spool.drain()
    image.refresh_from_db()
    assert image.home == SPOOL


def test_without_a_bucket_nothing_is_drained(use):
    storage = use("local")
    storage.save(NAME, ContentFile(b"x"))
    assert storage.locate(NAME) == LOCAL
    assert spool.drain().moved == 0
    assert storage.exists(NAME)


def test_a_file_that_is_damaged_on_its_way_stays_in_the_spool(s3, bucket, monkeypatch):
    bucket.kill()
    s3.save(NAME, ContentFile(b"content"))
    bucket.start()
    monkeypatch.setattr(type(s3.s3), "_put", lambda *_: None)
    done = spool.drain()
    assert (done.moved, done.failed) == (0, 1)
    assert s3.locate(NAME) == SPOOL


def test_killed_under_load_all_ends_in_the_bucket(s3, bucket):
    """Four threads save without a pause; the server is killed and comes back."""
    saved, wrong, over = [], [], threading.Event()

    def work(number):
        turn = 0
        while not over.is_set():
            name = f"images/{number}/ab/{turn:06}/original.png"
            content = f"{number} {turn} ".encode() * 500
            try:
                s3.save(name, ContentFile(content))
            except Exception as exc:
                wrong.append(exc)
            saved.append((name, content))
            turn += 1
            # Not all of them within the first second.
            over.wait(0.1)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        time.sleep(1)
        bucket.kill()
        time.sleep(3)  # how long it is away is a part of the fault
        bucket.start()
        awake(s3)
        spool.drain()
    over.set()
    for thread in threads:
        thread.join()
    assert not wrong
    awake(s3)
    while spool.waiting()[0]:
        assert not spool.drain().failed
    assert len(saved) > 100
    listed = {f.name for f in s3.s3.walk()}
    assert listed >= {name for name, _ in saved}
    for name, content in saved[::10] + saved[-4:]:
        with s3.s3.open(name) as file:
            assert file.read() == content

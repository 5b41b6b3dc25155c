"""move, verify, gc: also killed in the middle, also under a running site."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from datetime import timedelta
from io import StringIO

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.utils import timezone

from gallery.keeping import collecting, moving, totals, verifying
from gallery.models import Image, StorageUse
from gallery.storage import LOCAL, S3, homes
from generation.keeping import UsedInputs
from generation.models import Preset
from tests import make
from tests.stack.process import ROOT, Process, until

pytestmark = pytest.mark.django_db


def names(image):
    files = (image.file, image.thumb_small, image.thumb_large)
    return [file.name for file in files]


def problems(**options):
    return sorted((p.kind, p.name) for p in verifying.verify(**options))


def age(path, days):
    then = (timezone.now() - timedelta(days=days)).timestamp()
    os.utime(path, (then, then))


# Moving ---------------------------------------------------------------------------


def test_everything_moves_to_the_bucket_and_back(use, bucket, alice):
    storage = use("local", s3=bucket)
    images = [make.image(alice) for _ in range(5)]
    # What belongs to a picture without a column of its own comes along.
    extra = images[0].file.name.replace("original.png", "320.avif")
    storage.save(extra, ContentFile(b"avif"))
    storage.save("inputs/1/a.png", ContentFile(b"input"))

    done = moving.move(S3)
    assert (done.pictures, done.others, done.errors) == (5, 1, [])
    assert set(Image.objects.values_list("home", flat=True)) == {S3}
    assert not list(storage.local.walk())
    for name in [*names(images[0]), extra, "inputs/1/a.png"]:
        assert storage.s3.exists(name)
        assert storage.exists(name)
    assert problems(deep=True) == []

    done = moving.move(LOCAL)
    assert (done.pictures, done.others, done.errors) == (5, 1, [])
    assert set(Image.objects.values_list("home", flat=True)) == {LOCAL}
    with images[0].file.open() as file:
        assert file.read() == make.png()
    # Signed addresses that are out there still work; gc takes the copies later.
    assert storage.s3.exists(images[0].file.name)
    assert problems(deep=True) == []


def test_moving_again_moves_nothing(use, bucket, alice):
    use("local", s3=bucket)
    make.image(alice)
    moving.move(S3)
    done = moving.move(S3)
    assert (done.pictures, done.others) == (0, 0)


def test_a_picture_that_cannot_be_moved_is_named_and_stays(use, bucket, alice):
    storage = use("local", s3=bucket)
    good, bad = make.image(alice), make.image(alice)
    storage.local.delete(bad.file.name)
    done = moving.move(S3)
    assert done.pictures == 1
    assert len(done.errors) == 1
    assert str(bad.pk) in done.errors[0]
    bad.refresh_from_db()
    assert bad.home == LOCAL
    assert storage.local.exists(bad.thumb_small.name)
    good.refresh_from_db()
    assert good.home == S3


def test_a_copy_that_is_wrong_costs_no_original(use, bucket, alice, monkeypatch):
    storage = use("local", s3=bucket)
    image = make.image(alice)
    put = type(storage.s3)._put

    def damaged(self, name, data, sent, about):
        client = self.client
        client.put_object(Bucket=self.bucket_name, Key=name, Body=b"?" * len(data))

    monkeypatch.setattr(type(storage.s3), "_put", damaged)
    done = moving.move(S3)
    assert done.pictures == 0
    assert len(done.errors) == 1
    assert storage.local.exists(image.file.name)
    # The next run does not take the damaged copy for the file.
    monkeypatch.setattr(type(storage.s3), "_put", put)
    assert moving.move(S3).pictures == 1
    with homes().s3.open(image.file.name) as file:
        assert file.read() == make.png()


def test_a_picture_is_shown_while_it_moves(use, bucket, alice, as_alice):
    """Whatever a reader knew of the row, the file is found."""
    use("local", s3=bucket)
    image = make.image(alice)
    before = Image.objects.get(pk=image.pk)
    moving.move(S3)
    with before.file.open() as file:
        assert file.read() == make.png()


def test_the_command_says_what_to_do(use, bucket, alice):
    use("local", s3=bucket)
    make.image(alice)
    out = StringIO()
    call_command("storage", "move", "--to", "s3", stdout=out)
    assert "1 pictures and 0 files moved." in out.getvalue()
    assert "LIFEOS_STORAGE=s3" in out.getvalue()


def test_without_a_bucket_the_command_says_so(use):
    use("local")
    with pytest.raises(CommandError, match="No bucket is set up"):
        call_command("storage", "move", "--to", "s3")


def test_killed_in_the_middle_it_goes_on(bucket, tmp_path):
    """Real processes: kill -9 once some pictures have moved, then once more."""
    env = {**os.environ, **bucket.env, "LIFEOS_DATA": str(tmp_path)}
    env |= {"DJANGO_SETTINGS_MODULE": "lifeos.settings"}
    env.pop("DATABASE_URL", None)
    env.pop("REDIS_URL", None)
    python = [sys.executable]

    def run(*words):
        done = subprocess.run(
            python + list(words), env=env, cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def moved():
        database = sqlite3.connect(tmp_path / "db.sqlite3")
        found = database.execute("SELECT count(*) FROM gallery_image WHERE home='s3'")
        (count,) = found.fetchone()
        database.close()
        return count

    run("manage.py", "migrate", "-v0")
    run("-m", "tests.storage.fill", "60")
    command = [*python, "manage.py", "storage", "move", "--to", "s3", "--workers", "2"]
    process = Process("move", command, env, tmp_path)
    for target in (5, 20):
        process.start()
        until(lambda least=target: moved() >= least, "some pictures moved")
        process.kill()
    assert moved() < 60
    # Every picture is whole at this moment, wherever it is.
    assert "corrupt" not in run("manage.py", "storage", "verify", "--deep")
    run("manage.py", "storage", "move", "--to", "s3")
    assert moved() == 60
    assert "missing" not in run("manage.py", "storage", "verify", "--deep")


# Verifying ------------------------------------------------------------------------


def test_all_well_is_said_with_a_status_of_zero(storage, alice):
    make.image(alice)
    out = StringIO()
    call_command("storage", "verify", "--deep", stdout=out)
    assert "Every file is there" in out.getvalue()


def test_what_is_missing_or_damaged_is_found(storage, alice):
    gone, short, other = (make.image(alice) for _ in range(3))
    storage.delete(gone.file.name)
    storage.save(short.file.name, ContentFile(b"short"))
    storage.save(other.file.name, ContentFile(b"?" * other.bytes))
    expected = [("corrupt", short.file.name), ("missing", gone.file.name)]
    assert problems() == expected
    assert problems(deep=True) == sorted([*expected, ("corrupt", other.file.name)])
    with pytest.raises(SystemExit) as ended:
        call_command("storage", "verify", stdout=StringIO())
    assert ended.value.code == 1


def test_an_empty_thumbnail_is_damaged(storage, alice):
    image = make.image(alice)
    storage.save(image.thumb_small.name, ContentFile(b""))
    assert problems() == [("corrupt", image.thumb_small.name)]


def test_a_file_that_is_being_stored_is_no_orphan(storage):
    storage.save(f"images/1/ab/{'ab' * 16}/original.png", ContentFile(b"x"))
    assert problems() == []


def test_an_old_file_without_a_row_is_an_orphan(use):
    storage = use("local")
    name = storage.save(f"images/1/ab/{'ab' * 16}/original.png", ContentFile(b"x"))
    age(storage.path(name), 2)
    assert problems() == [("orphaned", name)]


def test_wrong_sums_are_put_right(storage, alice):
    image = make.image(alice)
    StorageUse.objects.filter(person=alice).update(bytes=5, pictures=9)
    assert problems() == [("total", f"person {alice.pk}")]
    row = StorageUse.objects.get(person=alice)
    assert (row.bytes, row.pictures) == (image.bytes, 1)
    assert problems() == []


# Sums -----------------------------------------------------------------------------


def sums(person):
    row = StorageUse.objects.filter(person=person).first()
    return (row.bytes, row.pictures) if row else (0, 0)


def test_sums_follow_every_picture(alice, bob):
    images = [make.image(alice) for _ in range(3)]
    make.image(bob)
    assert sums(alice) == (3 * images[0].bytes, 3)
    images[0].delete_softly()
    assert sums(alice) == (3 * images[0].bytes, 3)
    images[0].delete()
    assert sums(alice) == (2 * images[0].bytes, 2)
    Image.objects.filter(owner=alice).delete()
    assert sums(alice) == (0, 0)
    assert not totals.repair(bob.pk)


def test_a_person_can_be_deleted_with_all_their_pictures(alice):
    make.image(alice)
    alice.delete()
    assert not StorageUse.objects.exists()


def test_a_picture_that_was_not_stored_does_not_count(alice):
    image = make.image(alice)
    before = sums(alice)
    with pytest.raises(Exception, match=r"(?i)unique"):
        make.image(alice, id=image.pk)
    # The failed statement may have broken the test's transaction.
    from django.db import connection

    connection.needs_rollback = False
    if connection.vendor == "sqlite":
        assert sums(alice) == before


# Garbage --------------------------------------------------------------------------


def test_gc_takes_old_orphans_and_leaves_the_rest(use, alice):
    storage = use("local")
    image = make.image(alice)
    old = storage.save(f"images/1/ab/{'ab' * 16}/original.png", ContentFile(b"old"))
    new = storage.save(f"images/1/ac/{'ac' * 16}/original.png", ContentFile(b"new"))
    age(storage.path(old), 2)
    for name in names(image):
        age(storage.path(name), 2)
    out = StringIO()
    call_command("storage", "gc", "--dry-run", stdout=out)
    assert "1 files" in out.getvalue()
    assert storage.exists(old)
    call_command("storage", "gc", stdout=out)
    assert not storage.exists(old)
    assert storage.exists(new)
    assert all(storage.exists(name) for name in names(image))


def test_gc_takes_what_a_move_left_in_the_bucket(use, bucket, alice, monkeypatch):
    storage = use("s3", s3=bucket)
    image = make.image(alice)
    moving.move(LOCAL)
    assert storage.s3.exists(image.file.name)
    collect = collecting.collect
    assert collect(used_inputs=UsedInputs()).files == 0
    monkeypatch.setattr(collecting, "OLD", timedelta(0))
    assert collect(used_inputs=UsedInputs()).files == 3
    assert not storage.s3.exists(image.file.name)
    assert storage.local.exists(image.file.name)


def test_gc_keeps_inputs_that_a_job_preset_or_picture_names(use, alice):
    storage = use("local")
    folder = f"inputs/{alice.pk}/"
    kept = [f"{folder}{letter * 64}.png" for letter in "abc"]
    unused = [f"{folder}{letter * 64}.png" for letter in "de"]
    for name in [*kept, *unused]:
        storage.save(name, ContentFile(b"input"))
    for name in [*kept, unused[0]]:
        age(storage.path(name), 8)
    make.job(alice, parameters={"image": kept[0]})
    workflow = make.workflow()
    Preset.objects.create(
        owner=alice, workflow=workflow, name="a", values={"image": kept[1]}
    )
    image = make.made_image(alice)
    made = image.provenance
    made.parameters_json = made.text({"image": kept[2]})
    made.save()
    assert collecting.collect(used_inputs=UsedInputs()).files == 1
    assert [storage.exists(n) for n in [*kept, *unused]] == [True] * 3 + [False, True]

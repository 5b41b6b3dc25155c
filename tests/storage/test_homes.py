"""Both homes behave the same; the bucket's own promises; signed addresses."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.core.files.base import ContentFile, File

from gallery.storage import signed_url
from gallery.storage_base import Damaged, StorageAway, said_sha256
from gallery.storage_s3 import PART, S3Home

NAME = "images/1/ab/abcd/original.png"
DAMAGE = b"other content, as long"


def read(storage, name=NAME):
    with storage.open(name) as file:
        return file.read()


def test_what_is_saved_is_read_back(storage):
    assert storage.save(NAME, ContentFile(b"content")) == NAME
    assert storage.exists(NAME)
    assert storage.size(NAME) == 7
    assert read(storage) == b"content"


def test_the_same_name_again_is_the_new_content(storage):
    storage.save(NAME, ContentFile(b"first"))
    assert storage.save(NAME, ContentFile(b"the second")) == NAME
    assert read(storage) == b"the second"


def test_what_is_not_there_is_not_found(storage):
    assert not storage.exists(NAME)
    with pytest.raises(FileNotFoundError):
        storage.open(NAME)
    with pytest.raises(FileNotFoundError):
        storage.size(NAME)
    storage.delete(NAME)


def test_a_file_can_be_sought_in(storage):
    content = os.urandom(3_000_000)
    storage.save(NAME, ContentFile(content))
    with storage.open(NAME) as file:
        for at in (2_500_000, 0, 1, 2_999_999, 1_000_000):
            file.seek(at)
            assert file.read(5) == content[at : at + 5]
        assert file.seek(0, io.SEEK_END) == len(content)
        assert file.read() == b""


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 3 * PART + 5])
def test_every_size_arrives_whole(storage, size):
    content = os.urandom(size)
    storage.save(NAME, ContentFile(content))
    assert storage.size(NAME) == size
    assert hashlib.sha256(read(storage)).digest() == hashlib.sha256(content).digest()


def test_a_file_that_is_not_at_its_beginning_is_saved_whole(storage):
    with tempfile.TemporaryFile() as file:
        file.write(b"content")
        storage.save(NAME, File(file))
        assert not file.closed
    assert read(storage) == b"content"


def test_a_deleted_folder_takes_all_its_files_and_no_others(storage):
    other = "images/1/ab/abce/original.png"
    for name in (NAME, "images/1/ab/abcd/320.webp", other):
        storage.save(name, ContentFile(b"x"))
    assert storage.delete_folder("images/1/ab/abcd/") == 2
    assert not storage.exists(NAME)
    assert storage.exists(other)


@pytest.mark.parametrize("folder", ["", "/", "images/", "images/1", "a/../b/"])
def test_no_more_than_a_picture_is_deleted_at_once(storage, folder):
    with pytest.raises(ValueError, match="no folder"):
        storage.delete_folder(folder)


def test_many_threads_save_and_read_at_once(storage):
    wrong = []

    def work(number):
        name = f"images/1/ab/{number:04}/a.png"
        content = str(number).encode() * 1000
        storage.save(name, ContentFile(content))
        if read(storage, name) != content:
            wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# The bucket -----------------------------------------------------------------------


@pytest.fixture
def s3(use, bucket):
    return use("s3", s3=bucket)


def test_a_large_file_goes_through_little_memory(s3, tmp_path):
    """In a child of its own, since a process's peak is never forgotten."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(300 * 1024**2)
    pid = os.fork()
    if pid == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        home = S3Home(**{**_options(s3)})
        with path.open("rb") as file:
            home.save(NAME, File(file))
        with home.open(NAME) as file:
            while file.read(1 << 20):
                pass
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        os._exit(0 if grown < 120 * 1024 else 1)
    assert os.waitpid(pid, 0)[1] == 0


def _options(storage):
    home = storage.s3
    names = ("bucket_name", "endpoint_url", "access_key", "secret_key", "region_name")
    return {name: getattr(home, name) for name in names}


def test_objects_have_the_right_headers(s3):
    kinds = {
        "images/1/ab/abcd/320.webp": ("image/webp", None),
        "images/1/ab/abcd/a.mp4": ("video/mp4", None),
        "images/1/ab/abcd/a.svg": ("application/octet-stream", "attachment"),
        "images/1/ab/abcd/a.html": ("application/octet-stream", "attachment"),
    }
    for name, (kind, disposition) in kinds.items():
        s3.save(name, ContentFile(b"x"))
        head = s3.s3.client.head_object(Bucket="lifeos", Key=name)
        assert head["ContentType"] == kind
        assert head.get("ContentDisposition") == disposition
        assert head["CacheControl"] == "private, max-age=31536000, immutable"
        assert said_sha256(head) == hashlib.sha256(b"x").hexdigest()


def test_a_call_says_the_checksums_that_r2_knows_and_no_others(s3):
    """R2 refuses the trailers that boto3 sends by default."""
    sent = []
    events = s3.s3.client.meta.events
    events.register("before-send.s3", lambda request, **_: sent.append(request.headers))
    s3.save(NAME, ContentFile(b"x" * 10))
    s3.save(NAME, ContentFile(b"x" * (PART + 1)))
    assert len(sent) >= 5
    for headers in sent:
        names = {name.lower() for name in headers}
        assert not any(name.startswith("x-amz-checksum") for name in names)
        assert "x-amz-trailer" not in names
        assert "x-amz-acl" not in names
        payload = headers["x-amz-content-sha256"]
        payload = payload.decode() if isinstance(payload, bytes) else payload
        assert len(payload) == 64  # the payload's own hash, not UNSIGNED-PAYLOAD


def test_content_that_changes_on_its_way_is_not_taken_for_stored(s3, monkeypatch):
    put = S3Home._put

    def damaged(self, name, data, sent, about):
        put(self, name, DAMAGE, sent, about)

    monkeypatch.setattr(S3Home, "_put", damaged)
    with pytest.raises((Damaged, StorageAway)):
        s3.s3.save(NAME, ContentFile(b"content as long as the other"))


def test_a_wrong_key_says_so(use, bucket):
    options = bucket.options | {"secret_key": "wrong"}
    home = S3Home(**options)
    with pytest.raises(StorageAway, match="refuses us"):
        home.save(NAME, ContentFile(b"x"))


def test_a_missing_bucket_is_not_a_missing_file(bucket):
    home = S3Home(**(bucket.options | {"bucket_name": "nobody"}))
    with pytest.raises(StorageAway):
        home.save(NAME, ContentFile(b"x"))


# Signed addresses -----------------------------------------------------------------


def test_a_signed_address_gives_the_file_and_only_it(s3):
    s3.save(NAME, ContentFile(b"content"))
    url = signed_url(NAME, content_type="image/png", disposition="inline")
    answer = httpx.get(url)
    assert (answer.status_code, answer.content) == (200, b"content")
    assert httpx.get(url.split("?")[0]).status_code in (400, 403)
    other = url.replace("original.png", "another.png")
    assert httpx.get(other).status_code in (400, 403)


def test_names_of_any_letters_are_signed(s3):
    name = "images/1/ab/abcd/a b+ü&=(1).png"
    s3.save(name, ContentFile(b"content"))
    assert httpx.get(signed_url(name)).content == b"content"


def test_a_signed_address_stays_for_an_hour_and_ends(s3):
    s3.save(NAME, ContentFile(b"content"))
    hour = time.time() // 3600 * 3600
    sign = s3.s3.signed_url
    assert sign(NAME, now=hour) == sign(NAME, now=hour + 3599)
    assert sign(NAME, now=hour) != sign(NAME, now=hour + 3600)
    # Somebody who was given it in the last second still has an hour.
    assert httpx.get(sign(NAME, now=hour - 1)).status_code == 200
    assert httpx.get(sign(NAME, now=hour - 2 * 3600)).status_code in (400, 403)


def test_an_address_is_signed_without_a_call(s3):
    s3.save(NAME, ContentFile(b"content"))
    calls = []
    s3.s3.client.meta.events.register("before-send.s3", lambda **_: calls.append(1))
    begun = time.perf_counter()
    for number in range(200):
        s3.s3.signed_url(f"images/1/ab/{number}/a.png")
    assert not calls
    assert time.perf_counter() - begun < 2


def test_what_is_not_in_the_bucket_has_no_address_there(use, bucket):
    local = use("local", s3=bucket)
    local.save(NAME, ContentFile(b"content"))
    assert signed_url(NAME) == ""


def test_a_public_host_is_signed_for(bucket):
    home = S3Home(**(bucket.options | {"custom_domain": "files.example.org"}))
    parts = urlsplit(home.signed_url(NAME))
    assert (parts.scheme, parts.netloc) == ("https", "files.example.org")
    assert parse_qs(parts.query)["X-Amz-Expires"] == ["7200"]


def test_who_has_no_bucket_pays_for_none(tmp_path):
    code = (
        "import sys, django; django.setup(); import lifeos.asgi, lifeos.urls;"
        "sys.exit(' '.join({'boto3', 'botocore'} & set(sys.modules)) or None)"
    )
    env = os.environ | {"LIFEOS_DATA": str(tmp_path), "LIFEOS_STORAGE": "local"}
    env["DJANGO_SETTINGS_MODULE"] = "lifeos.settings"
    env.pop("AWS_STORAGE_BUCKET_NAME", None)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()

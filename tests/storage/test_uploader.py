"""The uploader as a process of its own: killed, cut off, started again."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys

import pytest

from gallery.storage_base import said_sha256
from gallery.storage_s3 import S3Home
from tests.stack.process import ROOT, Process, until

PROGRAM = str(ROOT / "deploy" / "comfyui-uploader" / "uploader.py")


@pytest.fixture
def output(tmp_path):
    folder = tmp_path / "output"
    folder.mkdir()
    return folder


@pytest.fixture
def env(bucket, output, tmp_path):
    ours = {"UPLOAD_BUCKET": "lifeos", "UPLOAD_PREFIX": "comfy/gpu1"}
    ours |= {"COMFYUI_OUTPUT": str(output), "STATE_DIRECTORY": str(tmp_path / "state")}
    ours |= {"UPLOAD_INTERVAL": "0.05", "UPLOAD_SETTLE": "0.2"}
    return {**os.environ, **bucket.env, **ours}


@pytest.fixture
def uploader(env, tmp_path):
    process = Process("uploader", [sys.executable, PROGRAM], env, tmp_path)
    yield process
    process.stop()


@pytest.fixture
def home(bucket):
    return S3Home(**bucket.options)


def arrived(home):
    return {f.name.removeprefix("comfy/gpu1/"): f.bytes for f in home.walk("comfy/")}


def written_down(tmp_path):
    path = tmp_path / "state" / "uploaded.sqlite3"
    if not path.exists():
        return []
    database = sqlite3.connect(path)
    rows = database.execute("SELECT name, size, sha256 FROM uploaded").fetchall()
    database.close()
    return rows


def test_outputs_arrive_with_their_hash(uploader, output, home, tmp_path):
    uploader.start()
    (output / "2026-11").mkdir()
    files = {"a.png": os.urandom(1000), "2026-11/b ü.mp4": os.urandom(20_000_000)}
    for name, data in files.items():
        (output / name).write_bytes(data)
    until(lambda: len(written_down(tmp_path)) == 2, "both are uploaded")
    for name, data in files.items():
        with home.open(f"comfy/gpu1/{name}") as file:
            assert file.read() == data
        head = home.client.head_object(Bucket="lifeos", Key=f"comfy/gpu1/{name}")
        assert said_sha256(head) == hashlib.sha256(data).hexdigest()
    assert uploader.stop() == 0


def test_what_is_being_written_waits_until_it_is_whole(uploader, output, home):
    # A busy machine may let a writer stand still for a while.
    uploader.env["UPLOAD_SETTLE"] = "3"
    uploader.start()
    with (output / "slow.png").open("wb") as file:
        for _ in range(30):
            file.write(b"x" * 1000)
            file.flush()
            # As long as it grows, it is not whole.
            assert arrived(home) == {}
    until(lambda: arrived(home) == {"slow.png": 30_000}, "it is uploaded whole")


def test_killed_at_any_point_nothing_is_lost_or_done_twice(
    uploader, output, home, tmp_path
):
    total = 60
    for number in range(total):
        (output / f"{number:03}.png").write_bytes(os.urandom(50_000))
    for least in (5, 25):
        uploader.start()
        until(lambda n=least: len(arrived(home)) >= n, "some are uploaded")
        uploader.kill()
    before = {name for name, *_ in written_down(tmp_path)}
    assert len(before) < total
    uploader.start()
    until(lambda: len(written_down(tmp_path)) == total, "all are uploaded")
    assert len(arrived(home)) == total
    lines = uploader.log().splitlines()
    told = [line.split()[1] for line in lines if line.startswith("uploaded ")]
    # One file may have been confirmed and not been said at each kill.
    assert len(told) == len(set(told)) >= total - 2


def test_a_bucket_that_is_away_is_waited_for(uploader, bucket, output, home):
    bucket.kill()
    uploader.start()
    (output / "a.png").write_bytes(b"content")
    until(lambda: "again in" in uploader.log(), "it cannot upload")
    bucket.start()
    until(lambda: arrived(home) == {"a.png": 7}, "it is uploaded")


def test_a_file_that_changes_is_uploaded_again(uploader, output, home):
    uploader.start()
    (output / "a.png").write_bytes(b"first")
    until(lambda: arrived(home) == {"a.png": 5}, "the first")
    (output / "a.png").write_bytes(b"second")
    until(lambda: arrived(home) == {"a.png": 6}, "the second")


def test_links_and_hidden_files_stay_at_home(uploader, output, home, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (output / "link.png").symlink_to(secret)
    (output / ".hidden").write_text("hidden")
    (output / "a.png").write_bytes(b"content")
    uploader.start()
    until(lambda: arrived(home) == {"a.png": 7}, "the file alone")


def test_missing_settings_are_said(env):
    for name in ("COMFYUI_OUTPUT", "UPLOAD_BUCKET"):
        env.pop(name)
    done = subprocess.run(
        [sys.executable, PROGRAM], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Set COMFYUI_OUTPUT and UPLOAD_BUCKET" in done.stderr

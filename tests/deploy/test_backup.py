"""Backup, wipe, restore: the same pictures, on SQLite and on PostgreSQL."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.deploy.conftest import lacking
from tests.stack import Embedded, Missing
from tests.stack.process import ROOT
from tests.stack.services import Postgres


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    try:
        server = Postgres(tmp_path_factory.mktemp("postgres"))
    except Missing as exc:
        lacking(str(exc))
    server.start()
    server.create("lifeos")
    server.create("elsewhere")
    yield server
    server.stop()


def pictures(stack):
    """Every picture as people get it: {id: sha256 of what is sent}."""
    found = {}
    for image in stack.visitor.images():
        path = image["url"].removeprefix(stack.url)
        content = stack.visitor.request("GET", path).content
        found[image["id"]] = hashlib.sha256(content).hexdigest()
        assert found[image["id"]] == image["sha256"]
    return found


class OnPostgres(Embedded):
    def __init__(self, folder, url, **options):
        super().__init__(folder, **options)
        self.env["DATABASE_URL"] = url


def made_here(folder, kind, postgres, name="lifeos"):
    options = {"speed": 0, "gated": False}
    if kind == "sqlite":
        return Embedded(folder, **options)
    return OnPostgres(folder, postgres.url.removesuffix("lifeos") + name, **options)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_is_restored_is_what_there_was(kind, tmp_path, postgres):
    backup = tmp_path / "backup"
    with made_here(tmp_path / "old", kind, postgres) as old:
        jobs = old.visitor.generate("test-card", count=3, width=64, height=64)
        old.visitor.wait_all(jobs)
        before = pictures(old)
        token = old.visitor.api.headers["Authorization"]
        # While everything runs, and with a job that has not ended.
        old.manage("backup", str(backup))
    assert len(before) == 3
    shutil.rmtree(tmp_path / "old")
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=backup, check=True)

    new = made_here(tmp_path / "new", kind, postgres, "elsewhere")
    assert "3 pictures" in new.manage("restore", str(backup))
    with new:
        assert pictures(new) == before
        # The keys came along: nobody has to sign in again.
        new.visitor.api.headers["Authorization"] = token
        answer = new.visitor.api.get("/api/gallery/images")
        assert answer.status_code == 200
        # And it works on.
        (job,) = new.visitor.generate("test-card", width=64, height=64)
        assert new.visitor.wait(job)["status"] == "done"


def manage(data, *words):
    env = {**os.environ, "LIFEOS_DATA": str(data)}
    env.pop("DJANGO_SETTINGS_MODULE", None)
    env.pop("DATABASE_URL", None)
    command = [sys.executable, "manage.py", *map(str, words), "--skip-checks"]
    return subprocess.run(
        command, env=env, cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    data = tmp_path_factory.mktemp("migrated")
    assert manage(data, "migrate", "-v", "0").returncode == 0
    return data


@pytest.fixture
def place(migrated, tmp_path):
    """A small installation without processes: (run a command, its folder)."""
    shutil.copytree(migrated, tmp_path / "data")
    files = tmp_path / "data" / "files" / "images"
    files.mkdir(parents=True)
    (files / "a.png").write_bytes(b"first")
    (files / ".b.png.17.4").write_bytes(b"being written")

    def run(*words, data=tmp_path / "data"):
        return manage(data, *words)

    return run, tmp_path


def test_dated_backups_share_what_did_not_change(place):
    run, folder = place
    backups = folder / "backups"
    assert run("backup", backups, "--dated").returncode == 0
    (first,) = backups.iterdir()
    first = first.rename(backups / "20200101T000000Z")
    (folder / "data" / "files" / "images" / "c.png").write_bytes(b"third")
    assert run("backup", backups, "--dated", "--keep", 2).returncode == 0
    second = max(backups.iterdir())
    names = {p.name for p in (second / "files" / "images").iterdir()}
    assert names == {"a.png", "c.png"}
    same = [folder / "files" / "images" / "a.png" for folder in (first, second)]
    assert same[0].stat().st_ino == same[1].stat().st_ino
    assert (second.stat().st_mode & 0o777) == 0o700
    assert run("restore", second, "--check").returncode == 0
    second = second.rename(backups / "20200102T000000Z")
    assert run("backup", backups, "--dated", "--keep", 2).returncode == 0
    assert not first.exists() and second.exists()


def test_a_damaged_backup_changes_nothing(place):
    run, folder = place
    backup = folder / "backup"
    assert run("backup", backup).returncode == 0
    (backup / "files" / "images" / "a.png").write_bytes(b"frist")
    answer = run("restore", backup, data=folder / "other")
    assert answer.returncode == 1
    assert "1 files are damaged or missing: files/images/a.png" in answer.stderr
    assert not (folder / "other" / "db.sqlite3").exists()
    assert not (folder / "other" / "files").exists()


def test_nothing_is_overwritten_unless_asked(place):
    run, folder = place
    backup = folder / "backup"
    assert run("backup", backup).returncode == 0
    (folder / "a-file").touch()
    refused = run("backup", folder / "a-file" / "backup")
    assert refused.returncode == 1 and "could not be written" in refused.stderr
    kept = folder / "data" / "files" / "images" / "a.png"
    kept.write_bytes(b"newer")
    assert "is not empty" in run("restore", backup).stderr
    shutil.move(folder / "data" / "files", folder / "away")
    assert "database is not empty" in run("restore", backup).stderr
    shutil.move(folder / "away", folder / "data" / "files")
    assert run("restore", backup, "--replace").returncode == 0
    assert kept.read_bytes() == b"first"
    assert json.loads((backup / "manifest.json").read_text())["missing"] == []

"""The homes of files: a folder, and a real S3 server that can be killed."""

from __future__ import annotations

import pytest

from gallery.keeping import disks
from gallery.storage import homes


@pytest.fixture
def bucket(s3_server):
    """The S3 server, running, with an empty bucket."""
    if not s3_server.process.alive:
        s3_server.start()
    yield s3_server
    if not s3_server.process.alive:
        s3_server.start()
    s3_server.empty()


@pytest.fixture
def use(settings, tmp_path):
    """A function that sets up the homes; it returns the storage."""

    def use(primary, *, s3=None, mounts=None):
        options = {
            "primary": primary,
            "location": str(tmp_path / "files"),
            "spool": str(tmp_path / "spool"),
            "s3": s3.options if s3 else None,
            "mounts": mounts,
        }
        backend = {"BACKEND": "gallery.storage.Homes", "OPTIONS": options}
        settings.STORAGES = {**settings.STORAGES, "default": backend}
        settings.LIFEOS_SHARED_FOLDERS = mounts or {}
        return homes()

    return use


@pytest.fixture(params=["local", "s3"])
def storage(request, use):
    """Every test that takes it runs on both homes."""
    if request.param == "local":
        return use("local")
    return use("s3", s3=request.getfixturevalue("bucket"))


@pytest.fixture(autouse=True)
def _look_at_the_disks_anew():
    disks.forget()
    yield
    disks.forget()

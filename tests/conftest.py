"""People and settings that all tests share."""

from __future__ import annotations

import os

import pytest
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck, settings

from tests import make

# TEST_STORAGE=s3: pictures of every test live in a bucket of a real S3 server.
ON_S3 = os.environ.get("TEST_STORAGE", "local") == "s3"

# A busy machine makes neither a test nor the making of its input wrong.
settings.register_profile(
    "lifeos", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("lifeos")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory):
    """SQLite in a file, as people have it: in memory a writer does not wait."""
    if connection.vendor == "sqlite":
        name = str(tmp_path_factory.mktemp("database") / "db.sqlite3")
        connection.settings_dict["TEST"]["NAME"] = name


@pytest.fixture(autouse=True)
def _fast(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _storage(request, settings, tmp_path):
    options = {
        "primary": "local",
        "location": str(tmp_path / "files"),
        "spool": str(tmp_path / "spool"),
    }
    server = request.getfixturevalue("s3_server") if ON_S3 else None
    if server:
        options |= {"primary": "s3", "s3": server.options}
    backend = {"BACKEND": "gallery.storage.Homes", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    yield
    if server:
        server.empty()


@pytest.fixture
def in_a_folder(settings):
    """For what is so of files in a folder alone, wherever other tests keep theirs."""
    default = settings.STORAGES["default"]
    options = default["OPTIONS"] | {"primary": "local", "s3": None}
    settings.STORAGES = settings.STORAGES | {"default": default | {"OPTIONS": options}}


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """A real one, which a test may kill; it must leave it running and empty."""
    from gallery.storage_s3 import S3Home
    from tests.stack.process import Missing
    from tests.stack.services import Bucket

    try:
        server = Bucket(tmp_path_factory.mktemp("s3"))
    except Missing as exc:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(exc))
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(S3Home, "connection", property(_shared_connection(S3Home)))
        yield server
    server.stop()


def _shared_connection(home_class):
    """One for all tests: a client of boto takes longer to make than most of them."""
    made, make_one = {}, home_class.connection.fget

    def connection(home):
        whose = (home.endpoint_url, home.access_key, home.secret_key)
        if whose not in made:
            made[whose] = make_one(home)
        return made[whose]

    return connection


@pytest.fixture(autouse=True)
def _empty_cache():
    from django.core.cache import cache

    cache.clear()
    forget()


def forget():
    """What a process keeps for a while, as in a new one."""
    from generation import kept, outlook
    from generation.models import limits

    kept.forget_all()
    limits.forget()
    outlook.forget()


@pytest.fixture
def alice(db):
    return make.user("alice")


@pytest.fixture
def bob(db):
    return make.user("bob")


@pytest.fixture
def as_alice(alice):
    return signed_in(alice)


@pytest.fixture
def as_bob(bob):
    return signed_in(bob)


def signed_in(person):
    """Seen a moment ago, so that a first page costs what every page costs."""
    client = Client()
    client.force_login(person)
    client.get("/blank/")
    return client

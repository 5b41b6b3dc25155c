"""People and settings that all tests share."""

from __future__ import annotations

import pytest
from django.test import Client
from hypothesis import HealthCheck, settings

from tests import make

# A busy machine makes neither a test nor the making of its input wrong.
settings.register_profile(
    "lifeos", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("lifeos")


@pytest.fixture(autouse=True)
def _fast(settings, tmp_path):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "gallery.storage.Homes",
            "OPTIONS": {
                "primary": "local",
                "location": str(tmp_path / "files"),
                "spool": str(tmp_path / "spool"),
            },
        },
    }


@pytest.fixture(autouse=True)
def _empty_cache():
    from django.core.cache import cache

    from generation import kept, outlook
    from generation.models import limits

    cache.clear()
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

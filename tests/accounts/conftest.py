"""Administrators, signed in."""

from __future__ import annotations

import pytest
from django.test import Client

from tests import make


@pytest.fixture
def root(db):
    return make.user("root", is_staff=True, is_superuser=True, email="root@example.org")


@pytest.fixture
def as_root(root):
    return signed_in(root)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def sign_in(db):
    """By the real form, as a browser does it; the client and its response."""

    def sign_in(user, password=None, client=None, **extra):
        client = client or Client()
        values = {"login": user, "password": password or f"{user}-password"}
        return client, client.post("/accounts/login/", values, **extra)

    return sign_in

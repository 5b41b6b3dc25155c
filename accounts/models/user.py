"""People. The user model is ours from the first migration on."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A person who signs in. `is_staff` administers, nobody else sees others' work."""

"""People. The user model is ours from the first migration on."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person who signs in. `is_staff` administers, nobody else sees others' work."""

    class Panic(models.TextChoices):
        """The key that hides everything at once."""

        ESCAPE = "escape", "Escape, twice"
        PAUSE = "Pause", "Pause"
        BACKQUOTE = "Backquote", "The key left of 1"
        F9 = "F9", "F9"
        OFF = "", "None"

    # Columns of the person, not a row of its own: every page is rendered with them.
    blur_pictures = models.BooleanField(
        default=False, help_text="pictures are blurred until they are held down"
    )
    panic_key = models.CharField(
        max_length=20, choices=Panic.choices, default=Panic.ESCAPE, blank=True
    )

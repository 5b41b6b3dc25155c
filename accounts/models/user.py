"""People. The user model is ours from the first migration on."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models

from accounts.prepared import Prepared, Slot


class User(AbstractUser):
    """A person who signs in. `is_staff` administers, nobody else sees others' work.

    Who waits for approval, and whose account is being deleted, is not active, so that
    Django and allauth refuse them everywhere.
    """

    class Panic(models.TextChoices):
        """The key that hides everything at once."""

        ESCAPE = "escape", "Escape, twice"
        PAUSE = "Pause", "Pause"
        BACKQUOTE = "Backquote", "The key left of 1"
        F9 = "F9", "F9"
        OFF = "", "None"

    awaiting_approval = models.BooleanField(
        default=False, help_text="signed up, and nobody has let them in yet"
    )
    # A few minutes coarse: a write with each request would be too dear.
    last_seen = models.DateTimeField(null=True, blank=True)
    deletion_asked = models.DateTimeField(null=True, blank=True)
    # Columns of the person, not a row of its own: every page is rendered with them.
    blur_pictures = models.BooleanField(
        default=False, help_text="pictures are blurred until they are held down"
    )
    panic_key = models.CharField(
        max_length=20, choices=Panic.choices, default=Panic.ESCAPE, blank=True
    )

    @property
    def standing(self) -> str:
        """One of waiting, leaving, inactive, active."""
        if self.awaiting_approval:
            return "waiting"
        if self.deletion_asked:
            return "leaving"
        return "active" if self.is_active else "inactive"


def is_last_administrator(person: User) -> bool:
    """Whether nobody could administer any more without this person."""
    if not (person.is_superuser and person.is_active):
        return False
    others = User.objects.filter(is_superuser=True, is_active=True)
    return not others.exclude(pk=person.pk).exists()


_locked = Prepared(
    lambda: (
        User.objects.select_for_update(no_key=True)
        .filter(pk=Slot("person", models.BigIntegerField()))
        .values_list("pk")
    )
)


def lock(person_id: int) -> None:
    """Until the transaction ends, one request of theirs after another, so that none
    slips past a limit. Raises User.DoesNotExist.
    """
    if not _locked.rows(person=person_id):
        raise User.DoesNotExist

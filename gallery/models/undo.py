"""What a change to pictures was before, for the "Undo" beside its message."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

# Long enough for a page left open over lunch; then the rows are not worth their room.
KEPT = timedelta(days=1)


class Undo(models.Model):
    """One change of one person's pictures that can be taken back once.

    A row, not a signed token or the cache: taking it back deletes it, so that it works
    once, in whichever process it arrives, and up to 500 former values have room.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    action = models.CharField(max_length=20)
    former = models.JSONField(help_text="what gallery.marks needs to take it back")
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["owner", "created"], name="undo_by_age")]

    def __str__(self) -> str:
        return f"{self.action} by {self.owner_id}"

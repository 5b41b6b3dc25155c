"""How much each person keeps."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class StorageUse(models.Model):
    """The sums of a person's pictures, the trash included: it fills the disk as well.

    Kept right by `gallery.keeping.totals`, so that no page adds up a table.
    """

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="storage_use",
    )
    bytes = models.BigIntegerField(default=0)
    pictures = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.bytes} bytes of {self.person_id}"

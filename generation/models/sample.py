"""How things stood, again and again: what the plots at /status/ are drawn from."""

from __future__ import annotations

from django.db import models


class Sample(models.Model):
    """One a minute; after a day one for ten of them (`generation.history`).

    `done`, `failed`, `cancelled`: jobs that ended since the sample before. `busy`: by
    the server's name, the share of the time that it ran something of ours. `free`: by
    what is on the disk, its bytes.
    """

    at = models.DateTimeField(unique=True)
    minutes = models.PositiveSmallIntegerField(default=1)
    queued = models.PositiveIntegerField(default=0)
    oldest_seconds = models.FloatField(default=0.0)
    done = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    cancelled = models.PositiveIntegerField(default=0)
    busy = models.JSONField(default=dict)
    free = models.JSONField(default=dict)

    class Meta:
        ordering = ["at"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"

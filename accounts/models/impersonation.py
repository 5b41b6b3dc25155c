"""An administrator looks at Life-OS as somebody else sees it, for a while."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

LONGEST = timedelta(hours=1)


class Impersonation(models.Model):
    """Kept for the person who was looked at: they see who, when and why."""

    administrator = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="impersonations",
    )
    administrator_name = models.CharField(max_length=150)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="impersonated",
    )
    reason = models.CharField(max_length=300)
    started = models.DateTimeField(default=timezone.now)
    ended = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started"]
        indexes = [models.Index(fields=["person", "-started"], name="impersonated")]

    def __str__(self) -> str:
        return f"{self.administrator_name} as {self.person_id}"

    @property
    def is_over(self) -> bool:
        return bool(self.ended) or timezone.now() >= self.started + LONGEST

    def end(self) -> bool:
        """True if this call did it."""
        rows = Impersonation.objects.filter(pk=self.pk, ended=None)
        return bool(rows.update(ended=timezone.now()))

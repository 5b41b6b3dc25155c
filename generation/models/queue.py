"""The queue's own state: whether it gives out jobs at all."""

from __future__ import annotations

from django.db import models


class QueueState(models.Model):
    """One row. Paused: nothing new goes to a server; what runs goes on."""

    paused = models.BooleanField(default=False)
    reason = models.CharField(max_length=200, blank=True)
    changed = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(pk=1), name="queue_state_once")
        ]

    def __str__(self) -> str:
        return "paused" if self.paused else "running"

    @staticmethod
    def load() -> QueueState:
        """The row, or an unsaved one that says that nothing is paused."""
        return QueueState.objects.filter(pk=1).first() or QueueState(pk=1)

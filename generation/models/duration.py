"""Measured durations, by template, server and size; with and without a model load."""

from __future__ import annotations

from django.db import models

from generation.models.server import Server
from generation.models.workflow import Workflow


class Duration(models.Model):
    """Moving means of runs that succeeded, in seconds. Waiting is not in them.

    `size` is the number of half octaves of work (`Job.size`). A run counts as cold
    when the server's last prompt used other models.
    """

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="+")
    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="+")
    size = models.SmallIntegerField()
    cold = models.BooleanField()
    seconds = models.FloatField()
    runs = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workflow", "server", "size", "cold"], name="duration_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s"

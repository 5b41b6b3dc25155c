"""How a picture was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import models

from gallery.models.image import Image


class Provenance(models.Model):
    """How a picture was made, in full, so that it can be made again as it was.

    The job keeps the same while it lives, but a picture outlives its job, and what
    the server was called or which ComfyUI it ran is known only at the time. A row of
    its own, not columns of the picture: graphs have many kilobytes, and a gallery page
    reads sixty pictures. It goes when the picture's row goes.
    """

    image = models.OneToOneField(
        Image, on_delete=models.CASCADE, primary_key=True, related_name="provenance"
    )
    # By name, since gallery does not import generation. A published version stays, but
    # what a person sees must not hang on it: title and number are kept as well.
    version = models.ForeignKey(
        "generation.Version",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    template_slug = models.CharField(max_length=100)
    template_title = models.CharField(max_length=200)
    version_number = models.PositiveIntegerField()
    # Text keeps the order of keys, which jsonb would sort: of two samplers in a graph
    # the first one counts, and people see the settings in the form's order.
    graph_json = models.TextField(help_text="the graph as it was sent")
    parameters_json = models.TextField(help_text="values of the form, by name")
    inputs = models.JSONField(default=dict, help_text="SHA-256 of files, by field")

    server = models.CharField(max_length=100, blank=True)
    comfyui_version = models.CharField(max_length=40, blank=True)
    sampler = models.CharField(max_length=200, blank=True)
    scheduler = models.CharField(max_length=200, blank=True)
    steps = models.PositiveIntegerField(null=True, blank=True)
    cfg = models.FloatField(null=True, blank=True)
    loras = models.JSONField(default=list, blank=True)
    seconds = models.FloatField(null=True, blank=True, help_text="the run alone")

    def __str__(self) -> str:
        return f"{self.template_slug} {self.version_number}"

    @property
    def facts(self) -> list[tuple[str, object]]:
        """(label, value) of what the workflow and the server say."""
        named: list[tuple[str, object]] = [
            ("Sampler", " · ".join(t for t in (self.sampler, self.scheduler) if t)),
            ("Steps", self.steps),
            ("Guidance", self.cfg),
            ("LoRAs", ", ".join(self.loras)),
            ("Template", f"{self.template_title}, version {self.version_number}"),
            ("Server", self.server),
            ("ComfyUI", self.comfyui_version),
            ("Took", f"{self.seconds:.1f} s" if self.seconds is not None else ""),
        ]
        return [(label, value) for label, value in named if value not in ("", None)]

    @property
    def graph(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.graph_json)
        return found

    @property
    def parameters(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.parameters_json)
        return found

    @staticmethod
    def text(value: Mapping[str, Any]) -> str:
        """JSON for `graph_json` and `parameters_json`."""
        return json.dumps(value, separators=(",", ":"))

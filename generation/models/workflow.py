"""Workflow templates and the parameters that make their forms."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from generation.models.fields import KeptJSONField


class Workflow(models.Model):
    """A template: a graph in ComfyUI's API format, and what a person may set in it."""

    slug = models.SlugField(max_length=100, unique=True)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    graph = KeptJSONField(help_text="the workflow in ComfyUI's API format")
    published = models.BooleanField(default=False)
    server_tags = models.JSONField(
        default=list,
        blank=True,
        help_text='runs only on servers with all these tags, as in ["24gb"]',
    )
    position = models.IntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["position", "title"]

    def __str__(self) -> str:
        return self.title

    def free_text(self) -> frozenset[tuple[str, str]]:
        """(node, input) of what people write, which no server has to know."""
        kind = Parameter.Kind
        kinds = {kind.TEXT, kind.LONG_TEXT, kind.COLOR, kind.IMAGE}
        return frozenset(
            (str(node), name)
            for parameter in self.parameters.all()
            if parameter.kind in kinds
            for node, name in parameter.targets
        )

    def clean(self) -> None:
        graph = self.graph
        if not isinstance(graph, dict) or not graph:
            message = "This is not a workflow in API format: an object of nodes."
            raise ValidationError({"graph": message})
        for node_id, node in graph.items():
            if not isinstance(node, dict) or not isinstance(node.get("inputs"), dict):
                message = f"Node {node_id} has no class_type and inputs."
                raise ValidationError({"graph": message})


class Parameter(models.Model):
    """One field of a template's form; it sets one or several inputs of the graph."""

    class Kind(models.TextChoices):
        TEXT = "text", "Short text"
        LONG_TEXT = "long_text", "Long text"
        INTEGER = "integer", "Whole number"
        FLOAT = "float", "Number"
        CHOICE = "choice", "Choice"
        BOOLEAN = "boolean", "Yes or no"
        SEED = "seed", "Seed"
        MODEL = "model", "Model"
        SAMPLER = "sampler", "Sampler"
        SCHEDULER = "scheduler", "Scheduler"
        COLOR = "color", "Colour"
        IMAGE = "image", "Image"

    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, related_name="parameters"
    )
    name = models.CharField(
        max_length=60,
        validators=[RegexValidator(r"^[a-z][a-z0-9_]*\Z", "Use a-z, 0-9 and _.")],
    )
    label = models.CharField(max_length=100)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    targets = models.JSONField(
        default=list, help_text='[[node id, input name], …], as in [["6", "text"]]'
    )
    default = models.JSONField(null=True, blank=True)
    minimum = models.FloatField(null=True, blank=True)
    maximum = models.FloatField(null=True, blank=True)
    step = models.FloatField(null=True, blank=True)
    choices = models.JSONField(default=list, blank=True)
    group = models.CharField(max_length=100, blank=True)
    position = models.IntegerField(default=0)
    advanced = models.BooleanField(default=False)
    required = models.BooleanField(default=True)
    help_text = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["workflow", "name"], name="parameter_name_once"
            ),
        ]

    def __str__(self) -> str:
        return self.label

    def clean(self) -> None:
        graph = self.workflow.graph if self.workflow_id else {}
        for target in self.targets:
            if not (isinstance(target, list) and len(target) == 2):
                message = 'Write targets as [["6", "text"]].'
                raise ValidationError({"targets": message})
            node_id, name = target
            if node_id not in graph or name not in graph[node_id]["inputs"]:
                message = f"The graph has no input {name} at node {node_id}."
                raise ValidationError({"targets": message})

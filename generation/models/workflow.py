"""Workflow templates and their versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.utils import timezone
from django.utils.functional import cached_property

from accounts.models import User
from generation.fields import FREE, BadFields, Parameter, read
from generation.kept import KeptRows
from generation.models.fields import KeptJSONField


class Audience(models.TextChoices):
    EVERYBODY = "everybody", "Everybody"
    CHOSEN = "chosen", "Chosen groups and people"


class WorkflowQuerySet(models.QuerySet["Workflow"]):
    def published(self) -> WorkflowQuerySet:
        return self.filter(published=True, current__isnull=False)

    def visible_to(self, user: User | AnonymousUser) -> WorkflowQuerySet:
        """The published templates that this person may know of."""
        if user.is_anonymous:
            return self.none()
        if user.is_staff:
            return self.published()
        chosen = Q(groups__in=user.groups.values("pk")) | Q(people=user.pk)
        mine = Workflow.objects.filter(chosen).values("pk")
        everybody = Q(audience=Audience.EVERYBODY)
        return self.published().filter(everybody | Q(pk__in=mine))


class Workflow(models.Model):
    """A template: what people see of it, who may use it, and its current version."""

    Audience = Audience

    slug = models.SlugField(max_length=100, unique=True)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    current = models.ForeignKey(
        "Version", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    published = models.BooleanField(default=False)
    audience = models.CharField(
        max_length=10, choices=Audience.choices, default=Audience.EVERYBODY
    )
    groups = models.ManyToManyField(Group, blank=True, related_name="workflows")
    people = models.ManyToManyField(
        settings.AUTH_USER_MODEL, blank=True, related_name="workflows"
    )
    server_tags = models.JSONField(
        default=list,
        blank=True,
        help_text='runs only on servers with all these tags, as in ["24gb"]',
    )
    category = models.CharField(max_length=60, blank=True)
    tags = models.JSONField(default=list, blank=True, help_text="words to find it by")
    # A WebP made by us, under the hash of what was uploaded.
    cover_file = models.FileField(max_length=200, blank=True)
    position = models.IntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    objects = WorkflowQuerySet.as_manager()

    class Meta:
        ordering = ["position", "title"]

    def __str__(self) -> str:
        return self.title

    def is_visible_to(self, user: User | AnonymousUser) -> bool:
        """As `visible_to`, of one: most are everybody's, which asks no row."""
        if self.audience == Audience.EVERYBODY and not user.is_anonymous:
            return self.published and self.current_id is not None
        return Workflow.objects.visible_to(user).filter(pk=self.pk).exists()

    def newest(self) -> Version | None:
        return self.versions.order_by("-number").first()

    @property
    def cover_tag(self) -> str:
        """Changes with the cover; browsers keep one as long as this."""
        return PurePath(self.cover_file.name or "").stem

    def save_draft(self, parameters: list[Any], author: User | None) -> Version:
        """Keep these fields as the draft: the open one, or a new version.

        Raises ValidationError where they are wrong.
        """
        newest = self.newest()
        if newest is None:
            raise ValidationError("The template has no workflow yet.")
        if newest.fields == parameters:
            return newest
        if not newest.is_open:
            return self.add_version(newest.graph, parameters, author)
        newest.fields, newest.author = parameters, author
        newest.full_clean(exclude=["workflow", "author"])
        newest.save(update_fields=["fields", "author"])
        return newest

    @transaction.atomic
    def add_version(
        self, graph: Mapping[str, Any], parameters: list[Any], author: User | None
    ) -> Version:
        """A new draft. Raises ValidationError where graph or fields are wrong."""
        # The template's row is the lock for the number.
        Workflow.objects.select_for_update().get(pk=self.pk)
        newest = self.newest()
        version = Version(
            workflow=self,
            number=newest.number + 1 if newest else 1,
            graph=dict(graph),
            fields=parameters,
            author=author,
        )
        version.full_clean()
        version.save()
        return version

    def publish(self, version: Version) -> None:
        """People get this version from now on, a new or an older one."""
        if version.published_at is None:
            version.published_at = timezone.now()
            version.save(update_fields=["published_at"])
        self.current, self.published = version, True
        self.save(update_fields=["current", "published", "updated"])


class VersionQuerySet(models.QuerySet["Version"]):
    def current_for(self, user: User | AnonymousUser) -> VersionQuerySet:
        """Of each template that this person may use, the version that is used now."""
        visible = Workflow.objects.visible_to(user).values("current")
        versions = self.filter(pk__in=visible).select_related("workflow")
        return versions.order_by("workflow__position", "workflow__title")

    def of_published(self) -> VersionQuerySet:
        """The same, of every template that is published."""
        published = Workflow.objects.published().values("current")
        versions = self.filter(pk__in=published).select_related("workflow")
        return versions.order_by("workflow__position", "workflow__title")


def _with_workflow(pk: int) -> Version:
    return Version.objects.select_related("workflow").get(pk=pk)


class Version(models.Model):
    """A template's graph and the fields of its form. Never changed once published:
    a job keeps the version that it ran with.
    """

    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, related_name="versions"
    )
    number = models.PositiveIntegerField()
    graph = KeptJSONField(help_text="the workflow in ComfyUI's API format")
    fields = KeptJSONField(default=list, blank=True, help_text="see generation/fields")
    note = models.CharField(max_length=300, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    created = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True, blank=True)

    objects = VersionQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["workflow", "number"], name="version_number_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.workflow} {self.number}"

    @property
    def is_open(self) -> bool:
        """May still be changed: neither people nor jobs have it."""
        return self.published_at is None and not self.jobs.exists()

    @property
    def stamp(self) -> str:
        """Changes whenever the fields do."""
        text = json.dumps([self.number, self.fields])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The fields as values; `clean` has checked them."""
        return read(self.fields, self.graph)

    def parameter(self, name: str) -> Parameter | None:
        return next((p for p in self.parameters if p.name == name), None)

    def labels(self) -> dict[str, str]:
        return {p.name: p.label for p in self.parameters}

    def free_text(self) -> frozenset[tuple[str, str]]:
        """(node, input) of what people write, which no server has to know."""
        free = (p for p in self.parameters if p.kind in FREE)
        return frozenset((t.node, t.input) for p in free for t in p.targets)

    def clean(self) -> None:
        graph = self.graph
        if not isinstance(graph, dict) or not graph:
            message = "This is not a workflow in API format: an object of nodes."
            raise ValidationError({"graph": message})
        for node_id, node in graph.items():
            if not isinstance(node, dict) or not isinstance(node.get("inputs"), dict):
                message = f"Node {node_id} has no class_type and inputs."
                raise ValidationError({"graph": message})
        try:
            read(self.fields, graph)
        except BadFields as exc:
            raise ValidationError({"fields": exc.errors}) from exc


# A job's version never changes; what its template is called may, a second late.
kept_versions = KeptRows(_with_workflow, seconds=1.0)


@receiver([post_save, post_delete], sender=Workflow)
@receiver([post_save, post_delete], sender=Version)
def _look_again(**_: object) -> None:
    kept_versions.forget()

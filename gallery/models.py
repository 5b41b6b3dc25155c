"""Pictures that people keep."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.utils import timezone

from accounts.models import User


class ImageQuerySet(models.QuerySet["Image"]):
    def visible_to(self, user: User | AnonymousUser) -> ImageQuerySet:
        """The pictures that this person may know of: their own, not deleted."""
        if user.is_anonymous:
            return self.none()
        return self.filter(owner=user, deleted_at=None)

    def newest_first(self) -> ImageQuerySet:
        """The gallery's order; `id` breaks ties so that keyset paging is exact."""
        return self.order_by("-created", "-id")


class Image(models.Model):
    """One output of a job, stored with its thumbnails.

    Intake is idempotent: (job, node, kind, index) names an output once for ever.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="images"
    )
    # By name, since gallery does not import generation. A picture outlives its job.
    job = models.ForeignKey(
        "generation.Job",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="images",
    )
    node = models.CharField(max_length=200)
    kind = models.CharField(max_length=40)
    index = models.PositiveIntegerField()

    file = models.FileField(max_length=300)
    thumb_small = models.FileField(max_length=300)
    thumb_large = models.FileField(max_length=300)
    placeholder = models.TextField(help_text="a tiny blurred picture as a data: URI")
    sha256 = models.CharField(max_length=64)
    bytes = models.PositiveBigIntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    mime_type = models.CharField(max_length=100)

    prompt = models.TextField(blank=True)
    negative_prompt = models.TextField(blank=True)
    # ComfyUI's seeds are unsigned 64 bit, no database integer holds them.
    seed = models.CharField(max_length=20, blank=True)
    model = models.CharField(max_length=300, blank=True)
    workflow_title = models.CharField(max_length=200, blank=True)

    created = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = ImageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["job", "node", "kind", "index"], name="image_once_per_output"
            ),
        ]
        indexes = [
            models.Index(
                fields=["owner", "-created", "-id"],
                condition=models.Q(deleted_at=None),
                name="image_gallery_order",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.width}×{self.height} {self.mime_type}"

    @property
    def name(self) -> str:
        """The file name that a download gets."""
        extension = self.file.name.rpartition(".")[2] if self.file.name else "bin"
        return f"lifeos-{self.created:%Y%m%d-%H%M%S}-{str(self.id)[:8]}.{extension}"

    def delete_softly(self) -> bool:
        """Take the picture out of the gallery; True if this call did it."""
        return bool(
            Image.objects.filter(pk=self.pk, deleted_at=None).update(
                deleted_at=timezone.now()
            )
        )

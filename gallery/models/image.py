"""A picture, or another file, that somebody keeps."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models, transaction
from django.utils import timezone

from accounts.models import User
from gallery.storage import homes

EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,8})$")


class ImageQuerySet(models.QuerySet["Image"]):
    def owned_by(self, user: User | AnonymousUser) -> ImageQuerySet:
        """A person's own pictures, those in the trash left out."""
        if user.is_anonymous:
            return self.none()
        return self.filter(owner=user, deleted_at=None)

    def visible_to(self, user: User | AnonymousUser) -> ImageQuerySet:
        """The pictures that this person may look at: their own, and those in albums
        that they own or that are shared with them; nobody's in the trash.

        For looking one up, or few: lists of one's own are `owned_by`. Whoever may only
        look does not know the prompt: see `told_to`.
        """
        return self._own_or_in(user, {})

    def told_to(self, user: User | AnonymousUser) -> ImageQuerySet:
        """The pictures whose prompt and parameters this person may know, and so the
        original file: one's own, and those in albums that say so.
        """
        return self._own_or_in(user, {"album__shows_prompts": True})

    def _own_or_in(
        self, user: User | AnonymousUser, wanted: dict[str, bool]
    ) -> ImageQuerySet:
        if user.is_anonymous:
            return self.none()
        items = apps.get_model("gallery", "AlbumItem").objects.visible_to(user)
        shared = items.filter(image=models.OuterRef("pk"), **wanted)
        return self.filter(
            models.Q(owner=user) | models.Exists(shared), deleted_at=None
        )

    def leads_only(self) -> ImageQuerySet:
        """One picture for each stack, its first; and all that are in none."""
        return self.filter(leads=True)

    def settle_stacks(self, stacks: Iterable[UUID | str]) -> None:
        """Let the first picture of each of these stacks lead, and no other.

        May be done again at any time: it looks at what is there. Two statements.
        """
        rows = Image.objects.filter(stack__in=set(stacks), deleted_at=None)
        same = Image.objects.filter(stack=models.OuterRef("stack"), deleted_at=None)
        first = models.Subquery(same.order_by("created", "id").values("pk")[:1])
        rows.filter(leads=True).exclude(pk=first).update(leads=False)
        rows.filter(leads=False, pk=first).update(leads=True)

    def settle_stacks_of(self, ids: Iterable[UUID | str]) -> None:
        """`settle_stacks` after these pictures went into the trash or came out."""
        rows = Image.objects.filter(pk__in=list(ids)).exclude(stack=None)
        self.settle_stacks(
            stack for stack in rows.values_list("stack", flat=True) if stack
        )

    def newest_first(self) -> ImageQuerySet:
        """The gallery's order; `id` breaks ties so that keyset paging is exact."""
        return self.order_by("-created", "-id")


class Media(models.TextChoices):
    """What sort of file it is, and so how it is shown."""

    PICTURE = "picture", "Picture"
    ANIMATION = "animation", "Animation"
    VIDEO = "video", "Video"
    AUDIO = "audio", "Audio"
    MODEL = "model", "3D model"
    TEXT = "text", "Text"
    OTHER = "other", "File"


class Home(models.TextChoices):
    """Where a picture's original is; see gallery.storage."""

    LOCAL = "local", "This installation's folder"
    S3 = "s3", "The bucket"
    SPOOL = "spool", "Waiting for the bucket"
    SHARED = "shared", "A server's folder, read in place"


class Image(models.Model):
    """One output of a job, or a file that a person added, with its thumbnails.

    Intake is idempotent: (job, node, kind, index) names an output once for ever.
    """

    Media = Media
    Home = Home

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
    # Pictures that were made at once are shown as one stack: a job's, or a batch's.
    stack = models.UUIDField(null=True, blank=True)
    # A stack's first picture stands for it in the gallery. Kept as a column, since
    # finding the first while paging costs as much as the stacks are high: a page of
    # sweeps of 400 would read 24,000 rows to show 60.
    leads = models.BooleanField(default=True, editable=False)

    media = models.CharField(
        max_length=12, choices=Media.choices, default=Media.PICTURE
    )
    file = models.FileField(max_length=300)
    home = models.CharField(max_length=6, choices=Home.choices, default=Home.LOCAL)
    thumb_small = models.FileField(max_length=300)
    thumb_large = models.FileField(max_length=300)
    placeholder = models.TextField(help_text="a tiny blurred picture as a data: URI")
    sha256 = models.CharField(max_length=64)
    bytes = models.PositiveBigIntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    mime_type = models.CharField(max_length=100)
    seconds = models.FloatField(
        null=True, blank=True, help_text="how long it plays; empty where it does not"
    )
    source_name = models.CharField(
        max_length=255, blank=True, help_text="what the file was called before"
    )

    prompt = models.TextField(blank=True)
    negative_prompt = models.TextField(blank=True)
    # ComfyUI's seeds are unsigned 64 bit, no database integer holds them.
    seed = models.CharField(max_length=20, blank=True)
    model = models.CharField(max_length=300, blank=True)
    workflow_title = models.CharField(max_length=200, blank=True)

    favourite = models.BooleanField(default=False)
    rating = models.PositiveSmallIntegerField(default=0, help_text="0: none, to 5")
    notes = models.TextField(blank=True, max_length=5000)
    private = models.BooleanField(
        default=False, help_text="blurred until its owner holds it down"
    )

    created = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = ImageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["job", "node", "kind", "index"], name="image_once_per_output"
            ),
            models.CheckConstraint(
                condition=models.Q(rating__lte=5), name="image_rating_to_5"
            ),
        ]
        indexes = [
            models.Index(
                fields=["owner", "-created", "-id"],
                condition=models.Q(deleted_at=None),
                name="image_gallery_order",
            ),
            models.Index(
                fields=["id"],
                condition=models.Q(home=Home.SPOOL),
                name="image_in_spool",
            ),
            models.Index(
                fields=["deleted_at"],
                condition=models.Q(deleted_at__isnull=False),
                name="image_in_trash",
            ),
            models.Index(
                fields=["owner", "-created", "-id"],
                condition=models.Q(deleted_at=None, leads=True),
                name="image_gallery_leads",
            ),
            models.Index(
                fields=["stack", "created", "id"],
                condition=models.Q(deleted_at=None, stack__isnull=False),
                name="image_stack_order",
            ),
            models.Index(
                fields=["owner", "-deleted_at", "-id"],
                condition=models.Q(deleted_at__isnull=False),
                name="image_trash_order",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.width}×{self.height} {self.mime_type}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """With its owner's sum of bytes (gallery.keeping.totals), or not at all.

        A new picture of a stack leads it only if it is the first.
        """
        stack = self.stack if self._state.adding else None
        if self._state.adding and self.file.name:
            self.home = homes().locate(self.file.name)
        with transaction.atomic(savepoint=False):
            if stack:
                rows = Image.objects.filter(stack=stack, deleted_at=None)
                self.leads = not rows.exists()
            super().save(*args, **kwargs)
        if stack:
            # Two that were stored at once did not see each other.
            transaction.on_commit(lambda: Image.objects.settle_stacks([stack]))

    @property
    def name(self) -> str:
        """The file name that a download gets."""
        # A file that stays in a shared folder has the name that it has there.
        found = EXTENSION.search(self.file.name or "")
        extension = found[1].lower() if found else "bin"
        return f"lifeos-{self.created:%Y%m%d-%H%M%S}-{str(self.id)[:8]}.{extension}"

    def delete_softly(self) -> bool:
        """Put the picture into the trash; True if this call did it."""
        rows = Image.objects.filter(pk=self.pk, deleted_at=None)
        done = bool(rows.update(deleted_at=timezone.now()))
        if done and self.stack:
            Image.objects.settle_stacks([self.stack])
        return done

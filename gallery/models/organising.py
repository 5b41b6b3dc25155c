"""What people put their pictures into: tags, albums, searches that they keep."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, Group
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.models import User
from accounts.prepared import Slot
from gallery.models.image import Image


class Tag(models.Model):
    """A person's own word for some of their pictures; case does not tell two apart."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tags"
    )
    name = models.CharField(max_length=60)
    images = models.ManyToManyField(Image, through="Tagged", related_name="tags")

    class Meta:
        constraints = [
            models.UniqueConstraint("owner", Lower("name"), name="tag_once_per_person"),
        ]

    def __str__(self) -> str:
        return self.name


class Tagged(models.Model):
    """One picture's tag."""

    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="tagged")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="tagged")
    # The picture's own date, so that a tag's pictures are paged by one index.
    created = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["image", "tag"], name="tagged_once"),
        ]
        indexes = [
            models.Index(fields=["tag", "-created", "-image"], name="tagged_order"),
        ]

    def __str__(self) -> str:
        return f"{self.image_id} {self.tag_id}"


class AlbumQuerySet(models.QuerySet["Album"]):
    def owned_by(self, user: User | AnonymousUser) -> AlbumQuerySet:
        return self.none() if user.is_anonymous else self.filter(owner=user)

    def visible_to(self, user: User | AnonymousUser) -> AlbumQuerySet:
        """One's own albums, and those shared with one or with a group of one's."""
        if user.is_anonymous:
            return self.none()
        shared = AlbumShare.objects.with_person(user)
        return self.filter(
            models.Q(owner=user) | models.Q(pk__in=shared.values("album"))
        )

    def open_to(self, user: User | Slot) -> AlbumQuerySet:
        """The albums that this person may add pictures to."""
        shared = AlbumShare.objects.with_person(user).filter(may_add=True)
        return self.filter(
            models.Q(owner=user) | models.Q(pk__in=shared.values("album"))
        )


class Album(models.Model):
    """Pictures in an order of their own."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="albums"
    )
    title = models.CharField(max_length=120)
    description = models.TextField(blank=True, max_length=2000)
    cover = models.ForeignKey(
        Image, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    shows_prompts = models.BooleanField(
        default=False,
        help_text="others learn prompts and parameters, and get the original files",
    )
    private = models.BooleanField(
        default=False, help_text="its pictures are blurred until they are held down"
    )
    created = models.DateTimeField(default=timezone.now)

    objects = AlbumQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["owner", "-created"], name="album_order")]

    def __str__(self) -> str:
        return self.title


class AlbumItemQuerySet(models.QuerySet["AlbumItem"]):
    def visible_to(self, user: User) -> AlbumItemQuerySet:
        """What is in the albums that this person may look at."""
        return self.filter(album__in=Album.objects.visible_to(user).values("pk"))


class AlbumItem(models.Model):
    """A picture's place in an album; the smallest position comes first."""

    album = models.ForeignKey(Album, on_delete=models.CASCADE, related_name="items")
    image = models.ForeignKey(
        Image, on_delete=models.CASCADE, related_name="album_items"
    )
    # A number between two others makes room without moving the rest.
    position = models.FloatField()
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    added = models.DateTimeField(default=timezone.now)

    objects = AlbumItemQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["album", "image"], name="album_item_once"),
        ]
        indexes = [
            models.Index(fields=["album", "position", "id"], name="album_item_order"),
        ]

    def __str__(self) -> str:
        return f"{self.image_id} in {self.album_id}"


class AlbumShareQuerySet(models.QuerySet["AlbumShare"]):
    def with_person(self, user: User | Slot) -> AlbumShareQuerySet:
        """The shares that name this person or a group of theirs."""
        groups = Group.objects.filter(user=user)
        return self.filter(models.Q(person=user) | models.Q(group__in=groups))


class AlbumShare(models.Model):
    """Whom an album is shown to, and whether they may add pictures of their own."""

    album = models.ForeignKey(Album, on_delete=models.CASCADE, related_name="shares")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="shared_albums",
    )
    group = models.ForeignKey(
        Group,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="shared_albums",
    )
    may_add = models.BooleanField(default=False)

    objects = AlbumShareQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["album", "person"], name="share_person"),
            models.UniqueConstraint(fields=["album", "group"], name="share_group"),
            models.CheckConstraint(
                condition=models.Q(person=None, group__isnull=False)
                | models.Q(person__isnull=False, group=None),
                name="share_with_one",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.album_id} with {self.person_id or self.group_id}"


class SavedSearch(models.Model):
    """A smart album: a search by name, always up to date."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="searches"
    )
    title = models.CharField(max_length=120)
    query = models.CharField(max_length=500)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "title"], name="search_once_per_title"
            ),
        ]

    def __str__(self) -> str:
        return self.title

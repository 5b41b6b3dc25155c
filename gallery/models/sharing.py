"""Links by which anybody, signed in or not, may look at chosen pictures."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from gallery.models.image import Image
from gallery.models.organising import Album, AlbumItem

# Tries of a password that one link bears in one window, whoever makes them.
TRIES, TRIES_WINDOW = 60, timedelta(hours=1)


def new_token() -> str:
    """256 random bits, as an address has them."""
    return secrets.token_urlsafe(32)


class ShareLinkQuerySet(models.QuerySet["ShareLink"]):
    def owned_by(self, user: User | AnonymousUser) -> ShareLinkQuerySet:
        return self.none() if user.is_anonymous else self.filter(owner=user)

    def alive(self) -> ShareLinkQuerySet:
        """Neither revoked nor past its end, and of somebody who may sign in."""
        return self.filter(
            Q(expires=None) | Q(expires__gt=timezone.now()),
            revoked_at=None,
            owner__is_active=True,
        )

    def open(self) -> ShareLinkQuerySet:
        """Alive, with a view left for a new visitor."""
        return self.alive().filter(
            Q(view_limit=None) | Q(views__lt=models.F("view_limit"))
        )


class ShareLink(models.Model):
    """An address that shows some pictures, or an album, of one person to everybody.

    It never shows a picture of somebody else, nor one in the trash: `items` asks anew
    each time.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="share_links"
    )
    token = models.CharField(max_length=64, unique=True, default=new_token)
    title = models.CharField(max_length=120, blank=True)
    album = models.ForeignKey(
        Album, null=True, blank=True, on_delete=models.CASCADE, related_name="links"
    )

    password = models.CharField(max_length=200, blank=True, help_text="hashed")
    expires = models.DateTimeField(null=True, blank=True)
    view_limit = models.PositiveIntegerField(null=True, blank=True)
    strip_metadata = models.BooleanField(default=True)
    show_prompt = models.BooleanField(default=False)
    remix_allowed = models.BooleanField(default=False)

    created = models.DateTimeField(default=timezone.now)
    revoked_at = models.DateTimeField(null=True, blank=True)
    views = models.PositiveIntegerField(default=0)
    last_viewed = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0)
    tries_since = models.DateTimeField(default=timezone.now)

    objects = ShareLinkQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["owner", "-created", "-id"], name="share_mine")]

    def __str__(self) -> str:
        return self.title or str(self.id)

    @property
    def heading(self) -> str:
        """What visitors see above the pictures; may be empty."""
        return self.title or (self.album.title if self.album else "")

    @property
    def has_gate(self) -> bool:
        """Whether a visitor is asked something first, a password or just "open".

        With a limit as well: else the robot that draws a chat's preview of the link
        would use up a view.
        """
        return bool(self.password) or self.view_limit is not None

    @property
    def state(self) -> str:
        """In one word, for its owner."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires is not None and self.expires <= timezone.now():
            return "expired"
        if self.view_limit is not None and self.views >= self.view_limit:
            return "used up"
        return "active"

    @property
    def pass_salt(self) -> str:
        """What a visitor's pass is signed with: it ends when the password changes."""
        return f"gallery.share:{self.pk}:{self.password}"

    def set_password(self, text: str) -> None:
        self.password = make_password(text) if text else ""

    def check_password(self, text: str) -> bool:
        return not self.password or check_password(text, self.password)

    def take_try(self) -> bool:
        """Count one try of the password, before it is looked at; False: too many."""
        now = timezone.now()
        mine = ShareLink.objects.filter(pk=self.pk)
        fresh = mine.filter(tries_since__lt=now - TRIES_WINDOW)
        if fresh.update(tries=1, tries_since=now):
            return True
        return bool(mine.filter(tries__lt=TRIES).update(tries=models.F("tries") + 1))

    def count_view(self, now: datetime | None = None) -> bool:
        """Count one view, in one statement; False if none was left, or it ended."""
        if not ShareLink.objects.open().filter(pk=self.pk).exists():
            return False
        # The limit is a condition of this row alone. With the owner's beside it Django
        # asks in a subquery, which PostgreSQL does not ask anew after waiting for
        # another visitor's view.
        rows = ShareLink.objects.filter(pk=self.pk, revoked_at=None)
        rows = rows.filter(Q(view_limit=None) | Q(views__lt=models.F("view_limit")))
        viewed = now or timezone.now()
        return bool(rows.update(views=models.F("views") + 1, last_viewed=viewed))

    def revoke(self) -> bool:
        """For good. True if this call did it."""
        rows = ShareLink.objects.filter(pk=self.pk, revoked_at=None)
        return bool(rows.update(revoked_at=timezone.now()))

    def items(self) -> models.QuerySet[AlbumItem] | models.QuerySet[ShareItem]:
        """What it shows now, in order: rows with `image`, `position` and `id`."""
        shown = Q(image__owner_id=self.owner_id, image__deleted_at=None)
        if self.album_id is not None:
            album = AlbumItem.objects.filter(shown, album=self.album_id)
            return album.select_related("image").order_by("position", "id")
        chosen = ShareItem.objects.filter(shown, link=self)
        return chosen.select_related("image").order_by("position", "id")


class ShareItem(models.Model):
    """One of the pictures that a link without an album shows."""

    link = models.ForeignKey(
        ShareLink, on_delete=models.CASCADE, related_name="share_items"
    )
    image = models.ForeignKey(
        Image, on_delete=models.CASCADE, related_name="share_items"
    )
    position = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["link", "image"], name="share_item_once"),
        ]
        indexes = [
            models.Index(fields=["link", "position", "id"], name="share_item_order"),
        ]

    def __str__(self) -> str:
        return f"{self.image_id} in {self.link_id}"

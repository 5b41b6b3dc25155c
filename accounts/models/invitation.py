"""Links that let somebody sign up."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def usable(self) -> InvitationQuerySet:
        return self.filter(
            Q(uses__lt=F("max_uses")), revoked_at=None, expires_at__gt=timezone.now()
        )

    def by_token(self, token: str) -> Invitation | None:
        """The usable invitation of this link, or None."""
        return self.usable().filter(token_hash=hashed(token)).first()


def hashed(token: str) -> str:
    """The token has 256 random bits: a plain hash can't be guessed back."""
    return hashlib.sha256(token.encode()).hexdigest()


class Invitation(models.Model):
    """Lets `max_uses` people sign up until it expires, each into its group.

    Only the hash of the link's token is kept: who reads the table can't use it.
    """

    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    note = models.CharField(max_length=120, blank=True, help_text="whom it is for")
    email = models.EmailField(
        blank=True, help_text="only who signs up with this address; empty: anybody"
    )
    group = models.ForeignKey(Group, null=True, blank=True, on_delete=models.SET_NULL)
    # What is set for the person beyond the group, as the limits' form gave it.
    limits = models.JSONField(default=dict, blank=True)
    max_uses = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(500)]
    )
    uses = models.PositiveSmallIntegerField(default=0)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    created = models.DateTimeField(default=timezone.now)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="invitations",
    )

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-created", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(uses__lte=F("max_uses")), name="invitation_not_overused"
            ),
        ]

    def __str__(self) -> str:
        return self.note or self.email or f"invitation {self.pk}"

    @staticmethod
    def make(*, expires_at: datetime, **fields: Any) -> tuple[Invitation, str]:
        """The saved row, and the token, which is known to nobody afterwards."""
        token = secrets.token_urlsafe(32)
        row = Invitation.objects.create(
            token_hash=hashed(token), expires_at=expires_at, **fields
        )
        return row, token

    def use(self) -> bool:
        """Take one use; False if none is left, it has expired or was revoked."""
        rows = Invitation.objects.usable().filter(pk=self.pk)
        return bool(rows.update(uses=F("uses") + 1))

    def revoke(self) -> bool:
        """True if this call did it."""
        rows = Invitation.objects.filter(pk=self.pk, revoked_at=None)
        return bool(rows.update(revoked_at=timezone.now()))

    @property
    def state(self) -> str:
        """One of revoked, used, expired, open."""
        if self.revoked_at:
            return "revoked"
        if self.uses >= self.max_uses:
            return "used"
        return "expired" if self.expires_at <= timezone.now() else "open"

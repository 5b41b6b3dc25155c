"""What a person is told of: the bell's history, and how they want to hear of it."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

# So many of one person's are kept; older ones are forgotten.
KEPT = 200
# The badge says "99+" beyond that.
COUNTED = 99


class NoticeQuerySet(models.QuerySet["Notice"]):
    def unread(self) -> NoticeQuerySet:
        return self.filter(read=None)


class Notice(models.Model):
    """One thing that happened. `mail_due`: when it is to be sent by e-mail, too."""

    class Kind(models.TextChoices):
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        INFO = "info", "Information"
        WARNING = "warning", "Warning"

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices"
    )
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.INFO)
    title = models.CharField(max_length=200)
    text = models.CharField(max_length=500, blank=True)
    # A page of ours, without the host.
    url = models.CharField(max_length=300, blank=True)
    # What it is about: told of the same again, the row is made anew.
    key = models.CharField(max_length=60, null=True, blank=True)  # noqa: DJ001 - null: any number without one
    created = models.DateTimeField(default=timezone.now)
    read = models.DateTimeField(null=True, blank=True)
    mail_due = models.DateTimeField(null=True, blank=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["person", "key"], name="notice_key_once")
        ]
        indexes = [
            models.Index(fields=["person", "-id"], name="notice_list"),
            models.Index(
                fields=["person"], condition=Q(read=None), name="notice_unread"
            ),
            models.Index(
                fields=["mail_due"],
                condition=Q(mail_due__isnull=False),
                name="notice_mail_due",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class NoticeSettings(models.Model):
    """Without a row: no e-mail."""

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="notice_settings",
    )
    mail_after_minutes = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(24 * 60)],
        help_text="e-mail for jobs that ran at least so long; empty: none",
    )

    def __str__(self) -> str:
        return f"notice settings of {self.person_id}"

    @staticmethod
    def mail_at(person_id: int, ran_seconds: float) -> datetime | None:
        """When to send an e-mail for a job that ran so long; None: not at all."""
        if ran_seconds < 60:  # nobody can ask for less
            return None
        row = NoticeSettings.objects.filter(person=person_id).first()
        if row is None or row.mail_after_minutes is None:
            return None
        long_enough = ran_seconds >= row.mail_after_minutes * 60
        return timezone.now() if long_enough else None

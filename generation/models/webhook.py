"""Calls to other services when a job is over, and what came of each."""

from __future__ import annotations

import base64
import secrets
import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.secrets import EncryptedJSONField

MAX_HOOKS = 10
# Given up on so often in a row, a webhook is switched off.
MAX_FAILURES = 10
SECRET_MARK = "whsec_"


class Event(models.TextChoices):
    DONE = "job.done", "A job is done"
    FAILED = "job.failed", "A job failed"
    CANCELLED = "job.cancelled", "A job was cancelled"


def new_secret() -> str:
    """As Standard Webhooks has it: a mark, and 32 bytes in base 64."""
    return SECRET_MARK + base64.b64encode(secrets.token_bytes(32)).decode()


class Webhook(models.Model):
    """An address of a person's that is called when one of the events happens."""

    Event = Event

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhooks"
    )
    url = models.CharField(max_length=500)
    events = models.JSONField(default=list)
    secret = EncryptedJSONField(default=new_secret)
    active = models.BooleanField(default=True)
    failures = models.PositiveSmallIntegerField(default=0)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["created", "pk"]

    def __str__(self) -> str:
        return self.url

    @property
    def event_names(self) -> list[str]:
        return [str(Event(event).label) for event in self.events]


class CallbackSecret(models.Model):
    """Signs the calls to `callback_url`s, which have no webhook of their own."""

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="callback_secret",
    )
    secret = EncryptedJSONField(default=new_secret)

    def __str__(self) -> str:
        return f"callback secret of {self.owner_id}"


class DeliveryState(models.TextChoices):
    PENDING = "pending", "Waiting"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Given up"


class Delivery(models.Model):
    """One event for one address: pending ─▶ delivered, or failed after many tries.

    Its id goes along as `webhook-id`, the same for each try, so that who receives it
    twice can tell. A try is claimed by moving `next_try` past the time it may take; a
    crash in between leads to another try.
    """

    State = DeliveryState

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="deliveries"
    )
    # Null: the request named its own address.
    webhook = models.ForeignKey(
        Webhook, null=True, on_delete=models.CASCADE, related_name="deliveries"
    )
    job_id = models.UUIDField(null=True)
    event = models.CharField(max_length=20)
    url = models.CharField(max_length=500)
    body = models.TextField(help_text="as it is sent, byte for byte")
    state = models.CharField(
        max_length=9, choices=DeliveryState.choices, default=DeliveryState.PENDING
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try = models.DateTimeField(default=timezone.now)
    status_code = models.PositiveSmallIntegerField(null=True)
    milliseconds = models.PositiveIntegerField(null=True)
    error = models.CharField(max_length=200, blank=True)
    created = models.DateTimeField(default=timezone.now)
    finished = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=DeliveryState.values), name="delivery_state_known"
            )
        ]
        indexes = [
            models.Index(
                fields=["next_try"],
                condition=Q(state=DeliveryState.PENDING),
                name="delivery_due",
            ),
            models.Index(fields=["owner", "-created", "-id"], name="delivery_list"),
            models.Index(fields=["created"], name="delivery_age"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.url}"

    @property
    def can_redeliver(self) -> bool:
        return self.state != DeliveryState.PENDING

"""Personal API keys: what a script shows instead of a password."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import OperationalError, models
from django.db.models import Q
from django.utils import timezone

log = logging.getLogger(__name__)

MAX_KEYS = 20
# What every key begins with: a leaked one is found by its look.
MARK = "lo_"
SHOWN = len(MARK) + 8
# `last_used` is written at most this often.
PACE = timedelta(minutes=1)


class Scope(models.TextChoices):
    """What an API operation needs; none includes another."""

    READ = "read", "Read"
    GENERATE = "generate", "Generate"
    MANAGE = "manage", "Manage"


def digest_of(token: str) -> str:
    """The keys are 256 random bits: a plain hash of them cannot be guessed back."""
    return hashlib.sha256(token.encode()).hexdigest()


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> ApiKeyQuerySet:
        """Neither revoked nor expired, and of somebody who may sign in."""
        lasting = Q(expires=None) | Q(expires__gt=timezone.now())
        return self.filter(lasting, revoked=None, owner__is_active=True)

    def of_token(self, token: str) -> ApiKey | None:
        """The usable key with this secret, its owner read along; or None."""
        found = self.usable().filter(digest=digest_of(token))
        return found.select_related("owner").first()


class ApiKey(models.Model):
    """The secret itself is shown once and kept nowhere; `digest` finds it again."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys"
    )
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=SHOWN, help_text="to tell it from others")
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created = models.DateTimeField(default=timezone.now)
    expires = models.DateTimeField(null=True, blank=True)
    revoked = models.DateTimeField(null=True, blank=True)
    last_used = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created", "-pk"]
        indexes = [models.Index(fields=["owner", "-created"], name="api_key_list")]

    def __str__(self) -> str:
        return f"{self.prefix}… {self.name}"

    @staticmethod
    def issue(
        owner: models.Model,
        name: str,
        scopes: Iterable[str],
        expires: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key, and its secret, which nothing can show a second time."""
        token = MARK + secrets.token_urlsafe(32)
        key = ApiKey.objects.create(
            owner_id=owner.pk,
            name=name,
            prefix=token[:SHOWN],
            digest=digest_of(token),
            scopes=[scope for scope in Scope.values if scope in set(scopes)],
            expires=expires,
        )
        return key, token

    def allows(self, scope: str) -> bool:
        return scope in self.scopes

    @property
    def scope_names(self) -> list[str]:
        return [str(Scope(scope).label) for scope in self.scopes]

    @property
    def has_expired(self) -> bool:
        return self.expires is not None and self.expires <= timezone.now()

    @property
    def is_usable(self) -> bool:
        return self.revoked is None and not self.has_expired

    def note_use(self) -> None:
        """Remember that it was used, without a write for every request."""
        now = timezone.now()
        if self.last_used is not None and self.last_used > now - PACE:
            return
        # Of many calls at once, one writes.
        if not cache.add(f"api-key-used:{self.pk}", 1, PACE.total_seconds() / 2):
            return
        rows = ApiKey.objects.filter(pk=self.pk)
        try:
            rows.exclude(last_used__gt=now - PACE).update(last_used=now)
        except OperationalError as exc:
            # A busy database is no reason to refuse the call.
            log.warning("the use of a key was not written: %s", exc)

    def revoke(self) -> None:
        """At once and for good; the row stays, so that the list shows what was."""
        ApiKey.objects.filter(pk=self.pk, revoked=None).update(revoked=timezone.now())

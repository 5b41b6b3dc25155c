"""GPU servers, and what each of them can do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.core.validators import MinValueValidator, URLValidator
from django.db import models
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.secrets import EncryptedJSONField
from generation.comfy import catalog as comfy_catalog
from generation.comfy.client import Auth, ComfyClient
from generation.kept import Kept, KeptRows
from generation.models.fields import KeptJSONField


class Catalog(models.Model):
    """A server's whole `/object_info`, kept once however many servers share it."""

    digest = models.CharField(primary_key=True, max_length=64)
    object_info = KeptJSONField()
    created = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.digest[:12]

    @staticmethod
    def keep(object_info: Mapping[str, Any]) -> str:
        """Store the answer unless it is known; return its digest."""
        canonical = json.dumps(object_info, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        Catalog.objects.get_or_create(
            digest=digest, defaults={"object_info": object_info}
        )
        return digest


# Content never changes under a digest, so each process parses it once. Megabytes
# each with many custom nodes: a small number is kept.
@lru_cache(maxsize=16)
def parsed_catalog(digest: str) -> comfy_catalog.Catalog:
    row = Catalog.objects.get(pk=digest)
    return comfy_catalog.Catalog(row.object_info)


class Server(models.Model):
    """A ComfyUI server. Its state is what a bridge last saw, never a promise."""

    class AuthKind(models.TextChoices):
        NONE = "none", "None"
        BASIC = "basic", "Basic (username, password)"
        BEARER = "bearer", "Bearer token"
        HEADERS = "headers", "Own headers (for example Cloudflare Access)"

    class Retrieval(models.TextChoices):
        HTTP = "http", "HTTP, from the server itself"
        SHARED = "shared", "Shared folder, copied"
        IN_PLACE = "in_place", "Shared folder, read in place without a copy"
        BUCKET = "bucket", "Bucket that the server's side uploads to"

    class State(models.TextChoices):
        UNKNOWN = "unknown"
        ONLINE = "online"
        OFFLINE = "offline"

    name = models.CharField(max_length=100, unique=True)
    url = models.CharField(
        max_length=300,
        unique=True,
        validators=[URLValidator(schemes=["http", "https"])],
    )
    auth_kind = models.CharField(
        max_length=10, choices=AuthKind.choices, default=AuthKind.NONE
    )
    auth_secret = EncryptedJSONField(default=dict, blank=True)
    max_in_flight = models.PositiveSmallIntegerField(
        default=2,
        validators=[MinValueValidator(1)],
        help_text="prompts at the server at once: one runs, one waits",
    )
    tags = models.JSONField(
        default=list,
        blank=True,
        help_text='what templates may ask for, as in ["fast", "24gb"]',
    )
    retrieval = models.CharField(
        "outputs come by",
        max_length=8,
        choices=Retrieval.choices,
        default=Retrieval.HTTP,
        help_text="where that fails they come over HTTP",
    )
    shared_folder = models.CharField(
        max_length=40, blank=True, help_text="its name in LIFEOS_SHARED_FOLDERS"
    )
    bucket_prefix = models.CharField(
        max_length=200, blank=True, help_text="as the uploader has it, as in comfy/gpu1"
    )
    enabled = models.BooleanField(
        default=True, help_text="off: never visited, gets nothing"
    )
    paused = models.BooleanField(
        default=False, help_text="gets nothing new for now; what it holds goes on"
    )
    draining = models.BooleanField(
        default=False, help_text="finishes what it holds, then can be switched off"
    )

    state = models.CharField(
        max_length=10, choices=State.choices, default=State.UNKNOWN
    )
    seen_at = models.DateTimeField(null=True, blank=True)
    seen_by = models.CharField(max_length=100, blank=True, help_text="a bridge")
    error = models.TextField(blank=True)
    version = models.CharField(max_length=40, blank=True)
    device = models.CharField(max_length=200, blank=True)
    vram_total = models.BigIntegerField(default=0)
    vram_free = models.BigIntegerField(default=0)
    queue_length = models.PositiveIntegerField(default=0)
    # Model names of the prompt it was given last: those will be loaded next.
    loaded_models = models.JSONField(default=list, blank=True)
    catalog = models.ForeignKey(
        Catalog, null=True, blank=True, on_delete=models.SET_NULL
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(max_in_flight__gte=1), name="server_takes_jobs"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def takes_jobs(self) -> bool:
        """Whether it may be given something new, should it have room."""
        online = self.state == Server.State.ONLINE
        return self.enabled and online and not (self.paused or self.draining)

    @property
    def auth(self) -> Auth:
        return Auth(kind=self.auth_kind, data=self.auth_secret)

    @property
    def way(self) -> str:
        """Changes with the address and the credentials, and gives neither away."""
        said = json.dumps([self.url, sorted(self.auth.headers().items())])
        return salted_hmac("lifeos.server", said).hexdigest()[:12]

    def client(self, client_id: str) -> ComfyClient:
        return ComfyClient(self.url, auth=self.auth, client_id=client_id)

    def catalog_view(self) -> comfy_catalog.Catalog | None:
        """What the server offers, or None before the first visit."""
        return parsed_catalog(self.catalog_id) if self.catalog_id else None

    def lacks(self, graph: Mapping[str, Any]) -> tuple[comfy_catalog.Lack, ...]:
        """Nodes and models that this graph needs and the server has not."""
        catalog = self.catalog_view()
        return catalog.lacks(graph) if catalog else ()

    def lacks_tags(self, wanted: Sequence[str]) -> list[str]:
        return [tag for tag in wanted if tag not in self.tags]

    def lacking(self, tags: Sequence[str], graph: Mapping[str, Any]) -> list[str]:
        """All that keeps a template from running here, each as it is told."""
        lacks = [str(lack) for lack in self.lacks(graph)]
        lacks += [f"is not tagged {tag}" for tag in self.lacks_tags(tags)]
        return list(dict.fromkeys(lacks))

    @staticmethod
    def taking_jobs() -> models.QuerySet[Server]:
        """The servers that may be given something new, full or not."""
        return Server.objects.filter(
            enabled=True, paused=False, draining=False, state=Server.State.ONLINE
        ).exclude(catalog=None)


# What forms and requests ask of the servers; an edit of ours is seen at once, what
# others have written within a second.
enabled_servers = Kept(lambda: list(Server.objects.filter(enabled=True)), 1.0)
kept_servers: KeptRows[int, Server] = KeptRows(
    lambda pk: Server.objects.get(pk=pk), 1.0
)


@receiver([post_save, post_delete], sender=Server)
def _look_again(**_: object) -> None:
    enabled_servers.forget()
    kept_servers.forget()

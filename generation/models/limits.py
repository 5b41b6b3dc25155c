"""What a person may use: weights and limits by person and group, and what was used."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.dispatch import receiver

from accounts.models import User

MAX_QUEUED = 200
COUNTS = (
    "max_queued",
    "max_in_flight",
    "gpu_minutes_per_day",
    "pictures_per_day",
    "storage_mb",
    "keep_days",
)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What counts for one person; None: no limit."""

    weight: float = 1.0
    max_queued: int | None = MAX_QUEUED
    max_in_flight: int | None = None
    gpu_minutes_per_day: int | None = None
    pictures_per_day: int | None = None
    storage_mb: int | None = None
    keep_days: int | None = None


class Limits(models.Model):
    """An empty field leaves the matter to the groups, then to the defaults."""

    weight = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.01)],
        help_text="share of the servers against others' 1; 2 is twice as much",
    )
    max_queued = models.PositiveIntegerField(
        "jobs waiting or running",
        null=True,
        blank=True,
        help_text=f"at once; {MAX_QUEUED} where nothing is set",
    )
    max_in_flight = models.PositiveIntegerField(
        "jobs at the servers", null=True, blank=True, help_text="at once"
    )
    gpu_minutes_per_day = models.PositiveIntegerField(
        "GPU minutes a day", null=True, blank=True, help_text="in any 24 hours"
    )
    pictures_per_day = models.PositiveIntegerField(
        "pictures a day", null=True, blank=True, help_text="in any 24 hours"
    )
    storage_mb = models.PositiveIntegerField(
        "storage in MB",
        null=True,
        blank=True,
        help_text="of pictures, the trash included; when full, jobs are refused",
    )
    keep_days = models.PositiveIntegerField(
        "days that pictures are kept",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="then they go to the trash, unless they are favourites, rated or in"
        " an album",
    )

    class Meta:
        abstract = True


class PersonLimits(Limits):
    """One person's own; they count before those of the groups."""

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="limits"
    )

    class Meta:
        verbose_name_plural = "limits"

    def __str__(self) -> str:
        return f"limits of {self.person}"


class GroupLimits(Limits):
    """A group's. Who is in several groups has the most generous of each."""

    group = models.OneToOneField(Group, on_delete=models.CASCADE, related_name="limits")

    class Meta:
        verbose_name_plural = "limits"

    def __str__(self) -> str:
        return f"limits of {self.group}"


class Usage(models.Model):
    """GPU-seconds a person has used, as a decaying sum that was right at `at`."""

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="usage",
    )
    gpu_seconds = models.FloatField(default=0)
    at = models.FloatField(help_text="seconds since 1970")
    last_turn = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.gpu_seconds:.0f} GPU-seconds of {self.person_id}"


# Of each person, until when it is taken for true, and what they may use.
_known: dict[int, tuple[float, Allowance]] = {}
FRESH_SECONDS = 1.0
MAX_KNOWN = 10_000


def forget() -> None:
    """Read anew at the next look."""
    _known.clear()


def allowances(people: Iterable[int]) -> Mapping[int, Allowance]:
    """What each of these people may use, as of at most FRESH_SECONDS ago.

    A tick of the queue asks for everybody who waits; three queries for any number.
    """
    now = time.monotonic()
    ids = list(people)
    found = {pk: known[1] for pk in ids if (known := _known.get(pk)) and known[0] > now}
    if missing := [pk for pk in ids if pk not in found]:
        if len(_known) > MAX_KNOWN:
            forget()
        fresh = _read(missing)
        _known.update((pk, (now + FRESH_SECONDS, a)) for pk, a in fresh.items())
        found |= fresh
    return found


def _read(ids: list[int]) -> dict[int, Allowance]:
    own = {row.person_id: row for row in PersonLimits.objects.filter(person__in=ids)}
    by_group = {row.group_id: row for row in GroupLimits.objects.all()}
    groups: dict[int, list[Limits]] = {}
    if by_group:
        members = User.groups.through.objects.filter(
            user_id__in=ids, group_id__in=list(by_group)
        )
        for user_id, group_id in members.values_list("user_id", "group_id"):
            groups.setdefault(user_id, []).append(by_group[group_id])
    return {pk: _resolve(own.get(pk), groups.get(pk, [])) for pk in ids}


def allowance_of(person: User) -> Allowance:
    return allowances([person.pk])[person.pk]


def _resolve(own: Limits | None, groups: list[Limits]) -> Allowance:
    found: dict[str, float] = {}
    for name in ("weight", *COUNTS):
        value = getattr(own, name, None)
        if value is None:
            of_groups = [getattr(row, name) for row in groups]
            value = max((v for v in of_groups if v is not None), default=None)
        if value is not None:
            found[name] = value
    return Allowance(**found)  # type: ignore[arg-type]


@receiver([post_save, post_delete], sender=PersonLimits)
@receiver([post_save, post_delete], sender=GroupLimits)
@receiver(m2m_changed, sender=User.groups.through)
def _look_again(**_: object) -> None:
    """An edit of this process counts at once; of another, when what is known is old."""
    forget()

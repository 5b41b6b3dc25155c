"""What people have used, and whether they may have more now."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    BigIntegerField,
    Count,
    DateTimeField,
    F,
    FloatField,
    Q,
    QuerySet,
    Sum,
    Value,
)
from django.db.models.functions import Greatest, Power
from django.utils import timezone
from django.utils.formats import time_format

from accounts.models import User
from accounts.prepared import Prepared, PreparedUpdate, Slot
from gallery.keeping import disks, quota
from generation import fair
from generation.keeping import quota_from
from generation.models import Attempt, Job, Usage
from generation.models.job import AttemptState
from generation.models.limits import Allowance, allowance_of

DAY = timedelta(days=1)
SECONDS = F("finished_at") - F("started_at")


class TooMany(Exception):
    """A limit is reached. `retry_after`: seconds until there is room again."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = max(1, round(retry_after))


class NeverFits(Exception):
    """One request asks for more than the limit allows at any time."""


class NoRoom(NeverFits):
    """The person's storage, or the disk, is full."""


def charge(person_id: int, seconds: float) -> None:
    """Add GPU-seconds to what the person has used, as `fair.decayed` counts it."""
    now = time.time()
    values = {"person": person_id, "seconds": seconds, "now": now}
    if not _charge.run(**values):
        first = {"gpu_seconds": seconds, "at": now}
        rows = Usage.objects.filter(person_id=person_id)
        _, new = rows.get_or_create(person_id=person_id, defaults=first)
        if not new:  # it was made in between
            _charge.run(**values)


def _charged() -> dict[str, Any]:
    now, seconds = Slot("now", FloatField()), Slot("seconds", FloatField())
    age = Greatest(Value(0.0), now - F("at"))
    past = F("gpu_seconds") * Power(Value(0.5), age / Value(fair.HALF_LIFE))
    return {"gpu_seconds": past + seconds, "at": Greatest(F("at"), now)}


def note_turn(person_id: int, now: datetime) -> None:
    """The person was given a place at a server."""
    if not _note_turn.run(person=person_id, now=now):
        Usage.objects.get_or_create(
            person_id=person_id, defaults={"at": now.timestamp(), "last_turn": now}
        )


_PERSON = Slot("person", BigIntegerField())
_active = Prepared(
    lambda: (
        Job.objects.active()
        .filter(owner=_PERSON)
        .values("owner")
        .annotate(count=Count("pk"))
        .values_list("count")
    )
)


def _usage() -> QuerySet[Usage]:
    return Usage.objects.filter(person_id=_PERSON)


_charge = PreparedUpdate(_usage, **_charged())
_note_turn = PreparedUpdate(_usage, last_turn=Slot("now", DateTimeField()))


def over_the_day(allowed: Mapping[int, Allowance], now: datetime) -> set[int]:
    """Of these people, those whose GPU minutes of the last 24 hours are used up."""
    limited = {
        pk: a.gpu_minutes_per_day * 60
        for pk, a in allowed.items()
        if a.gpu_minutes_per_day is not None
    }
    if not limited:
        return set()
    used = gpu_minutes(limited, now)
    return {pk for pk, minutes in used.items() if minutes * 60 >= limited[pk]}


@dataclass(frozen=True, slots=True)
class Day:
    """What a person has used in the last 24 hours, as the limits count it."""

    gpu_seconds: float
    pictures: int


def of_the_day(person: User) -> Day:
    now = timezone.now()
    seconds = gpu_minutes([person.pk], now).get(person.pk, 0.0) * 60
    asked = _asked_for(person, now).aggregate(total=Sum("pictures", default=0))
    return Day(seconds, asked["total"])


def gpu_minutes(people: Iterable[int], now: datetime) -> dict[int, float]:
    """Each of these people's GPU minutes of the last 24 hours; without a run, none."""
    used = (
        _runs(people, now)
        .values("job__owner_id")
        .annotate(total=Sum(SECONDS))
        .values_list("job__owner_id", "total")
    )
    return {owner: total.total_seconds() / 60 for owner, total in used if total}


def _runs(people: Iterable[int], now: datetime):  # type: ignore[no-untyped-def]
    return Attempt.objects.filter(
        job__owner__in=list(people), state=AttemptState.ENDED, finished_at__gt=now - DAY
    ).exclude(started_at=None)


@dataclass(frozen=True, slots=True)
class Today:
    """What one person uses now (jobs) and used in the last 24 hours."""

    queued: int
    in_flight: int
    pictures: int
    gpu_seconds: float


def of_today(owner: User) -> Today:
    """Counted as `check` counts, in three queries."""
    now = timezone.now()
    states = (Job.Status.DISPATCHED, Job.Status.RUNNING)
    jobs = owner.jobs.active().aggregate(
        queued=Count("pk"), in_flight=Count("pk", filter=Q(status__in=states))
    )
    made = _asked_for(owner, now).aggregate(total=Sum("pictures"))
    ran = _runs([owner.pk], now).aggregate(total=Sum(SECONDS))
    return Today(
        queued=jobs["queued"],
        in_flight=jobs["in_flight"],
        pictures=made["total"] or 0,
        gpu_seconds=ran["total"].total_seconds() if ran["total"] else 0.0,
    )


def _asked_for(owner: User, now: datetime) -> QuerySet[Job]:
    """The day's jobs that count as pictures: all but those that came to nothing."""
    lost = (Job.Status.FAILED, Job.Status.CANCELLED)
    return owner.jobs.filter(created__gt=now - DAY).exclude(status__in=lost)


def check(owner: User, jobs: Sequence[Job]) -> None:
    """Raises TooMany, NeverFits or NoRoom if the owner may not queue these jobs."""
    allowed = allowance_of(owner)
    check_room(owner, limit=quota_from(allowed))
    _check_queued(owner, len(jobs), allowed.max_queued)
    _check_pictures(owner, sum(j.pictures for j in jobs), allowed.pictures_per_day)
    if message := held_because(owner, allowed):
        raise TooMany(*message)


def check_room(owner: User, more: int = 0, limit: quota.Quota | None = None) -> None:
    """Raises NoRoom if the disk or the owner's storage has none for `more` bytes."""
    if sentence := disks.no_room():
        raise NoRoom(sentence)
    try:
        quota.check(owner, more, limit)
    except quota.Full as exc:
        raise NoRoom(str(exc)) from exc


def _check_queued(owner: User, wanted: int, limit: int | None) -> None:
    if limit is None:
        return
    if wanted > limit:
        raise NeverFits(f"You may have at most {_jobs(limit)} in the queue.")
    active = sum(count for [count] in _active.rows(person=owner.pk))
    if active + wanted > limit:
        room = max(0, limit - active)
        raise TooMany(
            f"You have {_jobs(active)} in the queue and may have {limit}:"
            f" there is room for {room or 'no'} more. Try again when some are done.",
            30,
        )


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"


def _check_pictures(owner: User, wanted: int, limit: int | None) -> None:
    if limit is None:
        return
    if wanted > limit:
        raise NeverFits(f"You may make at most {limit} pictures a day.")
    now = timezone.now()
    rows = _asked_for(owner, now)
    made = list(rows.order_by("created").values_list("created", "pictures"))
    total = sum(count for _, count in made)
    if total + wanted <= limit:
        return
    frees = _frees_at(made, total + wanted - limit, now)
    raise TooMany(
        f"You may make {limit} pictures a day and have asked for {total}."
        f" There is room for {wanted} more from {_clock(frees)} on.",
        (frees - now).total_seconds(),
    )


def held_because(owner: User, allowed: Allowance) -> tuple[str, float] | None:
    """(sentence, seconds until it is over) when the day's GPU minutes are used up."""
    if allowed.gpu_minutes_per_day is None:
        return None
    now = timezone.now()
    rows = _runs([owner.pk], now).order_by("finished_at")
    runs = [
        (end, (end - start).total_seconds())
        for start, end in rows.values_list("started_at", "finished_at")
    ]
    total = sum(seconds for _, seconds in runs)
    limit = allowed.gpu_minutes_per_day * 60
    if total < limit:
        return None
    frees = _frees_at(runs, total - limit, now)
    return (
        f"Your GPU time of {allowed.gpu_minutes_per_day} min a day is used up."
        f" It goes on at {_clock(frees)}.",
        (frees - now).total_seconds(),
    )


def _frees_at(
    amounts: Sequence[tuple[datetime, float]], needed: float, now: datetime
) -> datetime:
    """When enough of the oldest amounts are a day old."""
    for at, amount in amounts:
        needed -= amount
        if needed <= 0:
            return at + DAY
    return now + DAY


def _clock(at: datetime) -> str:
    local = timezone.localtime(at)
    today = local.date() == timezone.localtime().date()
    return ("" if today else "tomorrow ") + time_format(local, "H:i")

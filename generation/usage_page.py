"""/usage/: what one keeps and has used today; for staff, everybody's and the disks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Sum
from django.http import HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.http import PersonRequest
from accounts.models import User
from gallery.keeping import disks, quota
from gallery.models import Home, Image, StorageUse
from generation import usage
from generation.keeping import quota_from
from generation.models.limits import Allowance, allowance_of, allowances
from generation.usage_plots import usage_plots

# Of everybody, those who keep most.
SHOWN = 100


@dataclass(frozen=True, slots=True)
class Gauge:
    """A sum beside its limit, as text and as numbers for a meter."""

    label: str
    told: str
    value: float = 0.0
    limit: float | None = None
    left: str = ""

    @property
    def high(self) -> float:
        return (self.limit or 0) * 0.9


def _storage(row: StorageUse, limit: int | None) -> Gauge:
    told = filesizeformat(row.bytes)
    if limit is None:
        return Gauge("Storage", told, left="no limit")
    left = filesizeformat(max(0, limit - row.bytes))
    told = f"{told} of {filesizeformat(limit)}"
    return Gauge("Storage", told, min(row.bytes, limit), limit, f"{left} left")


def _counted(label: str, used: float, limit: int | None, unit: str) -> Gauge:
    told = f"{_number(used)}{unit}"
    if limit is None:
        return Gauge(label, told, left="no limit")
    left = f"{_number(max(0, limit - used))}{unit} left"
    return Gauge(label, f"{told} of {limit}{unit}", min(used, limit), limit, left)


def _number(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def gauges(person: User, allowed: Allowance) -> list[Gauge]:
    """What there is to know of one person's use, in three queries."""
    day = usage.of_the_day(person)
    storage = quota_from(allowed).bytes
    minutes, pictures = allowed.gpu_minutes_per_day, allowed.pictures_per_day
    return [
        _storage(quota.used_by(person), storage),
        _counted("GPU time, last 24 hours", day.gpu_seconds / 60, minutes, " min"),
        _counted("Pictures, last 24 hours", day.pictures, pictures, ""),
    ]


def _everybody() -> list[dict[str, Any]]:
    rows = StorageUse.objects.select_related("person").order_by("-bytes", "person")
    people = list(rows[:SHOWN])
    allowed = allowances([row.pk for row in people])
    minutes = usage.gpu_minutes([row.pk for row in people], timezone.now())
    return [
        {
            "person": row.person,
            "pictures": row.pictures,
            "storage": _storage(row, quota_from(allowed[row.pk]).bytes),
            "minutes": minutes.get(row.pk, 0.0),
        }
        for row in people
    ]


@login_required
@require_safe
def page(request: PersonRequest) -> HttpResponse:
    person = request.user
    allowed = allowance_of(person)
    context: dict[str, Any] = {
        "gauges": gauges(person, allowed),
        "kept": quota.used_by(person),
        "keep": timedelta(days=allowed.keep_days) if allowed.keep_days else None,
    }
    try:
        usage.check_room(person, limit=quota_from(allowed))
    except usage.NoRoom as exc:
        context["full"] = str(exc)
    if person.is_staff:
        totals = StorageUse.objects.aggregate(
            bytes=Sum("bytes", default=0), pictures=Sum("pictures", default=0)
        )
        context |= {
            "plots": usage_plots(),
            "everybody": _everybody(),
            "shown": SHOWN,
            "totals": totals,
            "disks": disks.survey(),
            "low": disks.low(),
            "waiting": Image.objects.filter(home=Home.SPOOL)[:1000].count(),
        }
    return render(request, "generation/usage.html", context)

"""/status/: the queue, the jobs that ended, the GPUs and the disks over time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.views.decorators.http import require_safe

from accounts.http import staff
from gallery.keeping import disks
from generation import history
from generation.models import QueueState, Sample
from generation.plots import Place, Plot, Series, first_few

GB = 1024**3
# Without a sample for so long, nobody takes them any more.
SILENT = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Span:
    """So many places of a width. A tick stands where `mark` changes, as `tick`."""

    name: str
    places: int
    width: timedelta
    mark: Callable[[datetime], Hashable]
    tick: str


SPANS = {
    "1h": Span("1 hour", 60, history.MINUTE, lambda t: (t.hour, t.minute // 15), "H:i"),
    "24h": Span("24 hours", 144, history.COARSE, lambda t: t.hour // 4, "H:i"),
    "7d": Span("7 days", 168, timedelta(hours=1), lambda t: t.day, "D"),
}


@staff
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    chosen = request.GET.get("span", "24h")
    if chosen not in SPANS:
        raise Http404
    last = Sample.objects.order_by("-at").values_list("at", flat=True).first()
    context = {
        "spans": SPANS,
        "chosen": chosen,
        "span": SPANS[chosen],
        "plots": status_plots(SPANS[chosen], timezone.now()),
        "last": last,
        "is_silent": last is not None and timezone.now() - last > SILENT,
        "low_disks": disks.low(),
        "queue": QueueState.load(),
    }
    return render(request, "generation/status.html", context)


def status_plots(span: Span, now: datetime) -> list[Plot]:
    """One query for all of them."""
    last = history.slot(now, span.width)
    begins = [last - span.width * back for back in reversed(range(span.places))]
    rows = Sample.objects.filter(at__gte=begins[0]).order_by("at")
    by_slot = {
        begin: history.together(list(group))
        for begin, group in groupby(rows, lambda row: history.slot(row.at, span.width))
    }
    samples = [by_slot.get(begin) for begin in begins]
    places = _places(span, begins)
    return [
        Plot(f"plot-{slug}", title, unit, places, series, stacked=stacked, most=most)
        for slug, title, unit, series, stacked, most in (
            ("queue", "Waiting", "jobs", _waiting(samples), False, None),
            ("oldest", "Oldest that waits", "minutes", _oldest(samples), False, None),
            ("ended", "Jobs that ended", "jobs", _ended(samples), True, None),
            ("busy", "GPUs at work", "% of the time", _busy(samples), False, 100.0),
            ("free", "Room on the disks", "GB free", _free(samples), False, None),
        )
    ]


def _places(span: Span, begins: Sequence[datetime]) -> list[Place]:
    local = [timezone.localtime(begin) for begin in begins]
    before = [local[0], *local]
    return [
        Place(
            date_format(at, "D H:i"),
            date_format(at, span.tick) if span.mark(at) != span.mark(was) else "",
        )
        for at, was in zip(local, before, strict=False)
    ]


Samples = Sequence[Sample | None]
Read = Callable[[Sample], float | None]


def _series(name: str, samples: Samples, read: Read, tone: str = "1") -> Series:
    return Series(name, [None if one is None else read(one) for one in samples], tone)


def _waiting(samples: Samples) -> list[Series]:
    return [_series("waiting", samples, lambda one: one.queued)]


def _oldest(samples: Samples) -> list[Series]:
    return [_series("oldest", samples, lambda one: one.oldest_seconds / 60)]


def _ended(samples: Samples) -> list[Series]:
    return [
        _series("done", samples, lambda one: one.done, "good"),
        _series("cancelled", samples, lambda one: one.cancelled, "rest"),
        _series("failed", samples, lambda one: one.failed, "bad"),
    ]


def _busy(samples: Samples) -> list[Series]:
    """Of many servers the busiest, and the mean of the others."""

    def of(name: str) -> Series:
        return _series(name, samples, lambda one: _times(one.busy.get(name), 100))

    names = {name for one in samples if one for name in one.busy}
    series = sorted(map(of, sorted(names)), key=lambda one: -sum(one.known))
    return first_few(series, lambda values: sum(values) / len(values))


def _free(samples: Samples) -> list[Series]:
    def of(what: str) -> Series:
        return _series(what, samples, lambda one: _times(one.free.get(what), 1 / GB))

    whats = {what for one in samples if one for what in one.free}
    return first_few([of(what) for what in sorted(whats)], min)


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor

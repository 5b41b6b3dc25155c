"""GPU time and pictures of the last 30 days, by person and by template."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from django.db.models import F, Q, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone
from django.utils.formats import date_format

from generation import plots
from generation.models import Attempt, Job
from generation.models.job import AttemptState
from generation.usage import SECONDS

DAYS = 30
WEEK = 7
# By what: its id, and how it is called.
BY = {
    "person": ("job__owner_id", "job__owner__username"),
    "template": ("job__workflow_id", "job__workflow__title"),
}


def usage_plots() -> list[plots.Plot]:
    """Four plots by two queries, however many people and templates there are."""
    today = timezone.localdate()
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    return [plot for by in BY for plot in _pair(by, days)]


def _pair(by: str, days: list[date]) -> Iterator[plots.Plot]:
    """GPU time, and pictures."""
    place_of = {day: i for i, day in enumerate(days)}
    names: dict[int, str] = {}
    minutes: dict[int, list[float]] = defaultdict(lambda: [0.0] * DAYS)
    pictures: dict[int, list[float]] = defaultdict(lambda: [0.0] * DAYS)
    for row in _by_day(by, days[0]):
        pk, names[row["pk"]] = row["pk"], row["name"]
        if row["day"] in place_of:  # a clock may be ahead of ours
            place = place_of[row["day"]]
            if row["used"]:
                minutes[pk][place] = row["used"].total_seconds() / 60
            if row["made"]:
                pictures[pk][place] = row["made"]
    # The same in both, so that a colour means the same.
    order = sorted(names, key=lambda pk: (-sum(minutes[pk]), names[pk]))
    for title, unit, sums in (
        ("GPU time", "minutes a day", minutes),
        ("Pictures", "a day", pictures),
    ):
        series = plots.first_few([plots.Series(names[pk], sums[pk]) for pk in order])
        slug = f"plot-{title.split()[0].lower()}-{by}"
        places = _places(days)
        yield plots.Plot(slug, f"{title} by {by}", unit, places, series, stacked=True)


def _places(days: list[date]) -> list[plots.Place]:
    """A date each week, counted back from today, which is where one looks first."""
    return [
        plots.Place(
            date_format(day, "D, j M"),
            date_format(day, "j M") if (DAYS - 1 - i) % WEEK == 0 else "",
        )
        for i, day in enumerate(days)
    ]


def _by_day(by: str, first: date):  # type: ignore[no-untyped-def]
    """Each day's sums. GPU time is all that ran; pictures are what was finished."""
    pk, name = BY[by]
    begin = timezone.make_aware(datetime.combine(first, time()))
    done = Q(outcome=Attempt.Outcome.SUCCEEDED, job__status=Job.Status.DONE)
    rows = Attempt.objects.filter(state=AttemptState.ENDED, finished_at__gte=begin)
    return (
        rows.values(day=TruncDate("finished_at"), pk=F(pk), name=F(name))
        .annotate(used=Sum(SECONDS), made=Sum("job__pictures", filter=done))
        .order_by()
    )

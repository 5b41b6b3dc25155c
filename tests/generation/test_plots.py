"""Plots: where things are drawn, what is told, and what they are made of."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generation.plots import Place, Plot, Series, first_few, number, scale, short
from generation.usage_plots import usage_plots
from tests import make
from tests.conftest import signed_in

PLACES = [Place("Mon", "Mon"), Place("Tue"), Place("Wed")]


def plot(*series, **fields):
    return Plot("p", "Things", "a day", PLACES, series, **fields)


@pytest.mark.parametrize(
    ("most", "whole", "expected"),
    [
        (0, False, (1, 1)),
        (1, False, (1, 0.5)),
        (1, True, (1, 1)),
        (3.9, False, (4, 1)),
        (4, True, (4, 1)),
        (157, False, (200, 50)),
        (0.03, False, (0.03, 0.01)),
        (12_345, True, (15_000, 5_000)),
    ],
)
def test_an_axis_ends_at_a_round_number(most, whole, expected):
    assert scale(most, whole=whole) == pytest.approx(expected)


def test_numbers_are_as_exact_as_one_reads_them():
    told = [number(v) for v in (0, 0.254, 3.51, 12, 99.96, 100, 12345.6)]
    assert told == ["0", "0.25", "3.5", "12", "100", "100", "12,346"]
    assert [short(v) for v in (0.5, 1500, 20_000, 2e6)] == ["0.5", "1,500", "20k", "2M"]


def test_bars_stand_on_each_other():
    one = plot(Series("a", [1, 0, 2]), Series("b", [3, 1, 2]), stacked=True)
    (_, first), (_, second) = one.paths
    assert first.count("M") == 2 and second.count("M") == 3
    # Where the first ends, the second begins.
    top_of_first = re.match(r"M\S+ \S+V([\d.]+)H", first)[1]
    assert re.match(r"M\S+ ([\d.]+)V", second)[1] == top_of_first
    assert [line.text for line in one.lines] == ["0", "1", "2", "3", "4"]


def test_a_line_has_a_gap_where_nothing_is_known():
    one = plot(Series("a", [1, None, 2]))
    assert one.paths[0][1].count("M") == 2
    assert one.rows == [("Wed", ["2"]), ("Tue", ["–"]), ("Mon", ["1"])]
    assert "the highest, 2 a day, at Wed" in one.description


def test_the_legend_tells_what_it_comes_to_and_where_a_line_is_now():
    values = Series("a", [1, 4, None]), Series("b", [2, None, None])
    assert [told for _, told in plot(*values).legend] == ["4", "–"]
    assert [told for _, told in plot(*values, stacked=True).legend] == ["5", "2"]


def test_without_a_value_there_is_nothing_to_draw():
    assert plot().is_empty
    assert plot(Series("a", [0, None, 0])).is_empty


def test_the_first_are_shown_and_the_others_together():
    many = [Series(f"s{i}", [float(i), None, 1.0]) for i in range(8)]
    shown = first_few(many)
    assert [one.name for one in shown] == ["s0", "s1", "s2", "s3", "s4", "3 others"]
    assert shown[-1].values == [18.0, None, 3.0]
    assert len({one.tone for one in shown}) == 6
    assert first_few(many, max)[-1].values == [7.0, None, 1.0]


# What people used ------------------------------------------------------------------


def ran(owner, slug="test-card", *, days=0, minutes=3, pictures=2, ended="done"):
    end = timezone.now() - timedelta(days=days)
    values = {"prompt": "x"} if slug == "text-to-image" else {}
    fields = {"status": ended, "pictures": pictures, "finished_at": end}
    job = make.job(owner, slug, values, **fields)
    outcome = "succeeded" if ended == "done" else "failed"
    begin = end - timedelta(minutes=minutes)
    times = {"started_at": begin, "finished_at": end}
    make.attempt(job, make.server(), state="ended", outcome=outcome, **times)


def totals(one):
    return {series.name: round(sum(series.known), 1) for series in one.series}


def test_each_day_counts_what_ran_and_what_was_made(alice, bob):
    ran(alice)
    ran(alice, "text-to-image", days=3, minutes=4)
    ran(bob, days=29, ended="failed")
    ran(bob, days=31)
    gpu, made, gpu_by_template, made_by_template = usage_plots()
    assert totals(gpu) == {"alice": 7, "bob": 3}
    assert totals(made) == {"alice": 4, "bob": 0}
    assert totals(gpu_by_template) == {"Test card": 6, "Text to image": 4}
    assert totals(made_by_template) == {"Test card": 2, "Text to image": 2}
    assert gpu.series[0].values[-1] == pytest.approx(3)
    assert gpu.series[0].values[-4] == pytest.approx(4)


def test_two_queries_however_many_people_there_are(alice):
    ran(alice)
    with CaptureQueriesContext(connection) as few:
        usage_plots()
    assert len(few) == 2
    for i in range(8):
        ran(make.user(f"p{i}"), days=i)
    with CaptureQueriesContext(connection) as many:
        assert usage_plots()[0].series[-1].name == "4 others"
    assert len(many) == 2


def test_staff_sees_the_plots_and_their_numbers(alice, as_alice):
    ran(alice)
    assert "plot-figure" not in as_alice.get("/usage/").content.decode()
    page = signed_in(make.user("root", is_staff=True)).get("/usage/").content.decode()
    assert page.count('role="img"') == 4
    assert "GPU time by template" in page
    # Names are text, whatever is in them.
    make.workflow("test-card").__class__.objects.update(title="<b>&")
    page = signed_in(make.user("boss", is_staff=True)).get("/usage/").content.decode()
    assert "<b>&" not in page and "&lt;b&gt;&amp;" in page

"""How long a run is said to take, by what was measured."""

from __future__ import annotations

import pytest

from generation import durations
from generation.durations import Durations
from generation.models import Duration
from tests import make

HERE, THERE = 1, 2


def row(seconds, server=HERE, size=10, cold=False, workflow=7):
    return Duration(
        workflow_id=workflow, server_id=server, size=size, cold=cold, seconds=seconds
    )


def expected(*rows, size=10, server=HERE, cold=False):
    return Durations(rows).expected(7, size, server, cold=cold)


def test_what_never_ran_is_unknown():
    assert expected() is None
    assert expected(row(5, workflow=8)) is None
    assert expected(cold=True) is None


def test_the_mean_of_this_server_counts_before_anothers():
    assert expected(row(5), row(9, server=THERE)) == 5
    assert expected(row(9, server=THERE)) == 9


@pytest.mark.parametrize(("size", "seconds"), [(12, 20), (8, 5), (10, 10)])
def test_a_size_is_two_half_octaves_per_doubling(size, seconds):
    assert expected(row(10), size=size) == pytest.approx(seconds)


def test_the_nearest_size_counts():
    assert expected(row(10, size=10), row(100, size=16), size=15) == pytest.approx(
        70.7, abs=0.1
    )


def test_nothing_is_stretched_beyond_two_octaves():
    assert expected(row(10), size=30) == 40
    assert expected(row(10), size=0) == 2.5


def test_a_model_load_is_added_to_a_warm_run():
    measured = [row(10), row(25, cold=True)]
    assert expected(*measured, cold=True) == 25
    assert expected(*measured, cold=False) == 10
    assert expected(*measured, size=12, cold=True) == 20 + 15


def test_a_model_load_at_another_server_is_better_than_none():
    measured = [row(10), row(12, server=THERE), row(32, server=THERE, cold=True)]
    assert expected(*measured, cold=True) == 30


def test_with_only_one_kind_of_run_that_one_counts():
    assert expected(row(25, cold=True)) == 25
    assert expected(row(10), cold=True) == 10


def test_a_run_of_no_time_is_known():
    assert expected(row(0.0), row(9, cold=True)) == 0


def test_means_move_slowly_once_there_are_many(alice):
    job = make.job(alice)
    attempt = make.attempt(job, make.server())
    for _ in range(20):
        durations.record(attempt, 10)
    durations.record(attempt, 18)
    found = Duration.objects.get()
    assert (found.seconds, found.runs) == (pytest.approx(11), 21)


def test_the_first_runs_count_alike(alice):
    attempt = make.attempt(make.job(alice), make.server())
    for seconds in (10, 20, 30):
        durations.record(attempt, seconds)
    assert Duration.objects.get().seconds == pytest.approx(20)


def test_cold_and_warm_are_measured_apart(alice):
    server = make.server()
    for cold in (True, False):
        job = make.job(alice)
        durations.record(make.attempt(job, server, cold=cold), 10)
    assert Duration.objects.count() == 2


def test_what_was_read_is_kept_for_a_moment(alice, django_assert_num_queries):
    durations.current()
    with django_assert_num_queries(0):
        durations.current()
    durations.forget()
    with django_assert_num_queries(1):
        durations.current()

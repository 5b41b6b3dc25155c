"""Periodic work is done once, however many consumers there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from generation import tasks

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch):
    """A function that sets the time."""

    def set_to(moment):
        monkeypatch.setattr(tasks.timezone, "now", lambda: moment)

    set_to(NOON)
    return set_to


def test_of_several_consumers_one_does_it_each_minute(clock):
    done = []

    @tasks.once_a_minute
    def tidy() -> None:
        done.append(1)

    for _ in range(3):
        tidy()
    assert done == [1]
    clock(NOON + timedelta(minutes=1))
    tidy()
    assert done == [1, 1]


def test_two_periodic_tasks_do_not_hinder_each_other(clock):
    done = []

    @tasks.once_a_minute
    def tidy() -> None:
        done.append("tidy")

    @tasks.once_a_minute
    def count() -> None:
        done.append("count")

    tidy()
    count()
    assert done == ["tidy", "count"]

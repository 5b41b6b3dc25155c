"""Grids of values: how they are written, and the jobs that they become."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation import sweep
from generation.fields import Kind, Parameter
from generation.models import PersonLimits
from generation.submit import Invalid, submit
from generation.usage import TooMany
from tests import make

CARD = {"width": 64, "height": 64, "color": "#336699", "batch_size": 1}


def field(kind="integer", **options):
    return Parameter(name="p", label="P", kind=Kind(kind), **options)


@pytest.mark.parametrize(
    ("kind", "typed", "values"),
    [
        ("integer", "1, 2,3", ["1", "2", "3"]),
        ("integer", "1..9 step 2", ["1", "3", "5", "7", "9"]),
        ("integer", "3..1", ["3", "2", "1"]),
        ("float", "0..0.3 step 0.1", ["0", "0.1", "0.2", "0.3"]),
        ("float", "1..2 step 0.5, 7, 1", ["1", "1.5", "2", "7"]),
        ("choice", "euler; heun, euler", ["euler", "heun"]),
        ("model", "a, b.ckpt\nc.ckpt\n", ["a, b.ckpt", "c.ckpt"]),
        ("long_text", "a cat, asleep\na dog", ["a cat, asleep", "a dog"]),
        ("model", "a, b.ckpt\n", ["a, b.ckpt"]),
        ("size", "512x512, 768 x 512", ["512x512", "768 x 512"]),
    ],
)
def test_values_as_they_are_typed(kind, typed, values):
    assert sweep.values(field(kind), typed) == values


def test_a_range_takes_the_steps_of_its_field():
    assert sweep.values(field(step=8), "64..80") == ["64", "72", "80"]


@pytest.mark.parametrize("typed", ["", " , ", "1..1000", "1..5 step 0"])
def test_what_makes_no_grid_is_said(typed):
    with pytest.raises(sweep.BadSweep):
        sweep.values(field(), typed)


@given(st.text(alphabet="0123456789.,- step\n", max_size=40))
def test_no_text_makes_too_many_values(typed):
    try:
        assert 1 <= len(sweep.values(field(), typed)) <= sweep.MAX_JOBS
    except sweep.BadSweep as exc:
        assert str(exc)


def test_a_grid_is_one_batch_of_every_pair(alice):
    version = make.workflow().current
    swept = {"width": ["64", "128"], "color": ["#ff0000", "#00ff00"]}
    jobs = submit(alice, version, CARD, swept=swept, count=2)
    pairs = [(job.parameters["width"], job.parameters["color"]) for job in jobs]
    assert pairs[::2] == [
        (64, "#ff0000"),
        (64, "#00ff00"),
        (128, "#ff0000"),
        (128, "#00ff00"),
    ]
    assert len({job.batch for job in alice.jobs.all()}) == 1
    assert jobs[0].batch is not None
    assert jobs[-1].graph["1"]["inputs"]["width"] == 128


def test_a_single_job_is_no_batch(alice):
    [job] = submit(alice, make.workflow().current, CARD)
    assert job.batch is None


def test_random_seeds_are_the_same_at_every_point_of_a_grid(alice):
    version = make.workflow("text-to-image").current
    values = {"prompt": "a cat"}
    jobs = submit(alice, version, values, swept={"steps": [1, 2]}, count=2)
    seeds = [job.parameters["seed"] for job in jobs]
    assert seeds[:2] == seeds[2:]
    assert seeds[0] != seeds[1]


@pytest.mark.parametrize(
    ("swept", "error"),
    [
        ({"width": ["64", "5"]}, "Width 5: Choose at least 16."),
        ({"width": ["5"]}, "Width 5: Choose at least 16."),
        ({"width": [64] * 65}, "These are 65 jobs; at most 64 at once."),
        ({"width": []}, "Give at least one value for each parameter."),
        ({"width": [64], "height": [64], "color": ["#000000"]}, "at most 2"),
    ],
)
def test_a_wrong_point_queues_nothing(alice, swept, error):
    with pytest.raises(Invalid) as caught:
        submit(alice, make.workflow().current, CARD, swept=swept)
    assert error in caught.value.errors["sweep"]
    assert not alice.jobs.exists()


def test_a_grid_that_does_not_fit_the_limits_queues_nothing(alice):
    PersonLimits.objects.create(person=alice, max_queued=3)
    version = make.workflow().current
    submit(alice, version, CARD, count=2)
    with pytest.raises(TooMany):
        submit(alice, version, CARD, swept={"width": [64, 128]})
    assert alice.jobs.count() == 2


@pytest.mark.parametrize(
    ("mode", "steps"), [("fixed", [0, 0, 0]), ("increment", [0, 1, 2])]
)
def test_a_seed_stays_or_counts_up(alice, mode, steps):
    version = make.workflow("text-to-image").current
    values = {"prompt": "a cat", "seed": {"value": 7, "mode": mode}}
    jobs = submit(alice, version, values, count=3)
    assert [job.parameters["seed"] - 7 for job in jobs] == steps


def test_each_job_draws_its_words_and_keeps_them(alice):
    alice.word_lists.create(name="colour", words="red\nblue")
    version = make.workflow("text-to-image").current
    jobs = submit(alice, version, {"prompt": "__colour__ {cat|dog}"}, count=8)
    for job in jobs:
        colour, animal = job.parameters["prompt"].split()
        assert colour in ("red", "blue")
        assert animal in ("cat", "dog")
        assert job.typed["prompt"] == "__colour__ {cat|dog}"
        assert job.parameters["prompt"] in str(job.graph)


def test_words_are_ones_own(alice, bob):
    bob.word_lists.create(name="colour", words="red")
    version = make.workflow("text-to-image").current
    with pytest.raises(Invalid) as caught:
        submit(alice, version, {"prompt": "__colour__"})
    assert "no word list" in caught.value.errors["prompt"]

"""What the fair order promises, whoever asks for what; in simulated time."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation import fair
from tests.farm import Farm

LONGEST = 600.0
lengths = st.floats(1, LONGEST).map(lambda seconds: round(seconds, 1))
weights = st.sampled_from([0.5, 1.0, 2.0, 3.0])


def people(count, **fields):
    return [fair.Person(pk, **fields) for pk in range(1, count + 1)]


def spread(farm):
    """(largest - smallest) / mean of the GPU-seconds per weight."""
    shares = [farm.gpu_seconds(p.id) / p.weight for p in farm.people.values()]
    return (max(shares) - min(shares)) * len(shares) / sum(shares)


def contest(queues, servers, weight=lambda owner: 1.0):
    """Everybody asks for all their jobs at once; until the first has none left."""
    farm = Farm(people(len(queues)), servers)
    for owner, jobs in enumerate(queues, 1):
        farm.people[owner].weight = weight(owner)
        for seconds in jobs:
            farm.submit(owner, float(seconds))
    return farm.run(lambda: not all(farm.queues[owner] for owner in farm.people))


# Shares ---------------------------------------------------------------------------

rng = random.Random(4)
MIXES = {
    "many tiny against few huge": [[10] * 960, [LONGEST] * 40],
    "alike": [[rng.uniform(1, LONGEST) for _ in range(250)] for _ in range(4)],
    "mostly short": [[LONGEST ** rng.random() for _ in range(250)] for _ in range(4)],
    "bursts": [[*[LONGEST] * 5, *[1] * 45] * 4, [60] * 200, [300] * 200, [20] * 400],
    "ten people": [[rng.uniform(1, LONGEST) for _ in range(100)] for _ in range(10)],
}


@pytest.mark.parametrize("servers", [1, 2, 4])
@pytest.mark.parametrize("mix", MIXES)
def test_equal_people_get_equal_gpu_time(mix, servers):
    assert sum(map(len, MIXES[mix])) == 1000
    farm = contest(MIXES[mix], servers)
    assert spread(farm) < 0.10


@pytest.mark.parametrize("servers", [1, 2, 4])
def test_twice_the_weight_is_twice_the_gpu_time(servers):
    queues = [[rng.uniform(1, LONGEST) for _ in range(n)] for n in (250, 250, 500)]
    farm = contest(queues, servers, lambda owner: 2.0 if owner == 3 else 1.0)
    assert spread(farm) < 0.10
    assert 1.8 < farm.gpu_seconds(3) / farm.gpu_seconds(1) < 2.2


@given(
    st.lists(st.lists(lengths, min_size=5, max_size=40), min_size=2, max_size=5),
    st.integers(1, 3),
    st.lists(weights, min_size=5, max_size=5),
)
@settings(max_examples=60)
def test_nobody_is_ever_more_than_two_jobs_ahead(queues, servers, weight):
    """By what they were given: one by granularity, one by having been late."""
    farm = contest(queues, servers, lambda owner: weight[owner - 1])
    given_out = dict.fromkeys(farm.people, 0.0)
    for _, job, _ in farm.claims:
        given_out[job.owner] += job.seconds / farm.people[job.owner].weight
    longest = max(map(max, queues)) / min(weight)
    assert max(given_out.values()) - min(given_out.values()) <= 2 * longest


# Nobody starves -------------------------------------------------------------------


def patience(farm, job, crowd, weight_of_all):
    """When the job starts at the latest, counted from its owner's last.

    After PATIENCE they are late. Then come at most those who were late before them,
    with one job each, and what was in the way at its server.
    """
    gpu = farm.gpus[1]
    earned_in = job.seconds * weight_of_all / farm.people[job.owner].weight
    late = fair.PATIENCE * earned_in / len(farm.gpus)
    return late + (crowd + gpu.places) * LONGEST


@given(
    st.lists(lengths, min_size=1, max_size=3),
    st.floats(0, 200_000),
    st.lists(lengths, min_size=1, max_size=4),
    st.integers(1, 3),
    weights,
)
@settings(max_examples=40)
def test_nobody_starves_while_others_ask_for_ever_more(own, used, others, gpus, weight):
    """However much they used before, and with new people who used nothing."""
    farm = Farm([fair.Person(0, weight, used), *people(len(others))], gpus)
    mine = [farm.submit(0, seconds) for seconds in own]
    crowd = 0
    while farm.queues[0] or farm.started(mine[-1]) is None:
        for owner, seconds in enumerate(others, 1):
            if len(farm.queues[owner]) < 3:
                farm.submit(owner, seconds)
        if sum(map(bool, farm.queues.values())) < 8:
            new = 1000 + len(farm.ends)
            farm.people[new] = fair.Person(new)
            farm.submit(new, LONGEST)
        farm.step()
        crowd = max(crowd, sum(map(bool, farm.queues.values())))
    before = farm.claims[0][0]
    for job in mine:
        limit = patience(farm, job, crowd, crowd + weight)
        assert farm.started(job) - before <= limit
        before = farm.started(job) + job.seconds


@given(st.data(), st.integers(2, 4))
@settings(max_examples=40)
def test_every_job_that_a_server_can_run_runs(data, servers):
    farm = Farm(people(3), servers, fits=lambda job, server: server in job.kind)
    able = st.frozensets(st.integers(1, servers + 1), max_size=3)
    jobs = [
        farm.submit(data.draw(st.integers(1, 3)), data.draw(lengths), kind=kind)
        for kind in data.draw(st.lists(able, max_size=30))
    ]
    farm.run()
    for job in jobs:
        runs = any(server in job.kind for server in farm.gpus)
        assert (farm.started(job) is not None) == runs
    assert all(server in job.kind for _, job, server in farm.claims)


def test_whoever_used_the_gpu_all_night_still_gets_a_turn_now_and_then():
    night = fair.Person(1, used=30_000)
    farm = Farm([night, fair.Person(2)], servers=1)
    for _ in range(500):
        farm.submit(1, 60.0)
        farm.submit(2, 60.0)
    farm.run_for(7200)
    # 60 s each 60 × 2 × PATIENCE after the last; and two jobs are at the server.
    assert farm.gpu_seconds(1) / 7200 == pytest.approx(60 / 600, abs=0.01)


# A newcomer -----------------------------------------------------------------------


@given(st.integers(), st.integers(1, 4), st.integers(0, 200))
@settings(max_examples=30)
def test_no_job_of_others_is_given_out_before_a_newcomers_first(seed, servers, after):
    """So all that starts before it at its server was there already: places - 1."""
    rng, farm = random.Random(seed), Farm(people(2), servers)
    for _ in range(500):
        farm.submit(1, rng.uniform(1, LONGEST))
    farm.run(lambda: len(farm.ends) >= after)
    farm.tick()
    claims, starts = len(farm.claims), len(farm.starts)
    first = farm.submit(2, 30.0)
    farm.run(lambda: farm.started(first) is not None)
    assert farm.claims[claims][1] is first
    server = farm.claims[claims][2]
    before = [j for _, j, there in farm.starts[starts:] if there == server]
    assert len(before[: before.index(first)]) <= farm.gpus[server].places - 1


@pytest.mark.parametrize("servers", [1, 3])
@pytest.mark.parametrize("places", [1, 2])
def test_500_jobs_delay_anothers_first_by_at_most_one_per_server(servers, places):
    farm = Farm(people(2), servers, places)
    for _ in range(500):
        farm.submit(1, 60.0)
    farm.run_for(1800)
    farm.tick()
    begun = len(farm.starts)
    first = farm.submit(2, 60.0)
    farm.run(lambda: farm.started(first) is not None)
    before = [server for _, job, server in farm.starts[begun:] if job is not first]
    assert all(before.count(server) <= 1 for server in farm.gpus)
    assert farm.started(first) <= farm.starts[begun - 1][0] + 120.0


# One's own priority ---------------------------------------------------------------


@given(
    st.lists(st.sampled_from(["low", "normal", "high"]), min_size=1, max_size=20),
    st.lists(lengths, min_size=1, max_size=20),
    st.integers(1, 2),
)
def test_a_priority_moves_only_ones_own_jobs(priorities, others, servers):
    def order(priorities):
        farm = Farm(people(2), servers)
        for priority in priorities:
            farm.submit(1, 40.0, priority=priority)
        for seconds in others:
            farm.submit(2, seconds)
        return farm.run()

    plain, moved = order(["normal"] * len(priorities)), order(priorities)
    assert [j.owner for _, j, _ in moved.claims] == [
        j.owner for _, j, _ in plain.claims
    ]
    assert moved.order(of=2) == plain.order(of=2)
    mine = moved.order(of=1)
    place = {"high": 0, "normal": 1, "low": 2}
    assert mine == sorted(mine, key=lambda pk: (place[priorities[pk - 1]], pk))


# Limits ---------------------------------------------------------------------------


@given(
    st.lists(st.sampled_from([1, 2, 3, None]), min_size=2, max_size=4),
    st.lists(lengths, min_size=10, max_size=20),
    st.integers(1, 4),
)
def test_nobody_has_more_in_flight_than_they_may(limits, jobs, servers):
    farm = Farm(people(len(limits)), servers)
    for owner, limit in enumerate(limits, 1):
        farm.people[owner].max_in_flight = limit
        for seconds in jobs:
            farm.submit(owner, seconds)
    while farm.step():
        for owner, limit in enumerate(limits, 1):
            held = [j for g in farm.gpus.values() for j in g.holds if j.owner == owner]
            assert limit is None or len(held) <= limit
    assert len(farm.ends) == len(limits) * len(jobs)


def test_a_server_never_holds_more_than_its_places():
    farm = Farm(people(2), servers=2, places=3)
    for _ in range(20):
        farm.submit(1, 10.0)
    while farm.step():
        assert all(len(gpu.holds) <= 3 for gpu in farm.gpus.values())


def test_who_is_held_runs_nothing_but_what_was_moved_to_the_front():
    farm = Farm([fair.Person(1, held=True), fair.Person(2, used=1000)])
    farm.submit(1)
    front = farm.submit(1, front=True)
    other = farm.submit(2)
    assert farm.run().order() == [front.id, other.id]


def test_what_was_moved_to_the_front_goes_first_the_last_moved_before_the_others():
    farm = Farm([fair.Person(1, used=5000), fair.Person(2)], places=1)
    farm.submit(2)
    first = farm.submit(1, front=True)
    farm.now += 1
    second = farm.submit(1, front=True)
    assert farm.run().order()[:2] == [second.id, first.id]


# Servers --------------------------------------------------------------------------

sets_of_servers = st.frozensets(st.integers(1, 3), max_size=3)


@given(st.lists(st.tuples(sets_of_servers, sets_of_servers), max_size=20))
def test_a_server_that_lost_the_job_gets_it_only_if_no_other_can_run_it(jobs):
    farm = Farm(people(1), servers=3, fits=lambda job, server: server in job.kind)
    for able, avoid in jobs:
        farm.submit(1, 10.0, kind=able, avoid=avoid)
    farm.run()
    assert len(farm.ends) == sum(bool(able) for able, _ in jobs)
    for _, job, server in farm.claims:
        assert server in (job.kind - job.avoid or job.kind)


def test_an_idle_server_is_preferred_then_the_one_that_is_ready_first():
    farm = Farm(people(1), servers=3)
    for seconds in (500.0, 20.0, 300.0, 10.0):
        farm.submit(1, seconds)
    farm.tick()
    assert [server for _, _, server in farm.claims] == [1, 2, 3, 2]


MODEL = frozenset({"sdxl.safetensors"})
OTHER = frozenset({"flux.safetensors"})


def test_a_warm_server_is_preferred_among_idle_ones():
    farm = Farm(people(1), servers=2)
    farm.gpus[2].loaded = MODEL
    farm.submit(1, models=MODEL)
    farm.tick()
    assert farm.claims[0][2] == 2


def test_jobs_of_a_loaded_model_go_together_if_their_turns_are_near():
    farm = Farm([fair.Person(1, used=100), fair.Person(2, used=100)])
    for _ in range(6):
        farm.submit(1, 20.0, models=MODEL)
        farm.submit(2, 20.0, models=OTHER)
    models = [job.models for _, job, _ in farm.run().starts]
    changes = sum(a != b for a, b in pairwise(models))
    assert changes <= 4  # 11 by turns alone


@given(
    st.lists(st.tuples(st.floats(50, 200), weights), min_size=1, max_size=4),
    st.lists(st.floats(1, 100), min_size=5, max_size=30),
)
def test_a_warm_model_puts_nobody_off_by_more_than_the_lead(others, jobs):
    """Of each other person no more than WARM_LEAD, by weight, runs before theirs."""
    farm = Farm([fair.Person(0, used=50.0)], places=1)
    farm.gpus[1].loaded = MODEL
    first = farm.submit(0, 30.0, models=OTHER)
    for owner, (used, weight) in enumerate(others, 1):
        farm.people[owner] = fair.Person(owner, weight, used * weight)
        for seconds in jobs:
            farm.submit(owner, seconds, models=MODEL)
    farm.run(lambda: any(job is first for _, job, _ in farm.claims))
    for owner, (_, weight) in enumerate(others, 1):
        before = [j for _, j, _ in farm.claims if j.owner == owner]
        assert sum(j.seconds for j in before) <= fair.WARM_LEAD * weight + 1e-6


def test_a_warm_model_does_not_put_off_a_first_job():
    farm = Farm(people(2), places=1)
    farm.gpus[1].loaded = MODEL
    first = farm.submit(1, models=OTHER)
    farm.submit(2, 1.0, models=MODEL)
    farm.tick()
    assert farm.claims[0][1] is first


# Forecast -------------------------------------------------------------------------


def forecast(farm, horizon=1000):
    return fair.forecast(
        farm.line(),
        farm.places(),
        farm.fits,
        lambda job, server, cold: job.seconds,
        horizon,
    )


@st.composite
def farms(draw):
    """Any people, jobs, priorities and models; servers that are alike."""
    farm = Farm([], draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    for owner in range(1, draw(st.integers(1, 4)) + 1):
        farm.people[owner] = fair.Person(
            owner,
            draw(weights),
            draw(st.floats(0, 5000)),
            max_in_flight=draw(st.sampled_from([None, None, 1, 2])),
        )
    for number in range(draw(st.integers(1, 30))):
        farm.submit(
            draw(st.integers(1, len(farm.people))),
            # No two sums are equal, so no order is left to rounding.
            draw(lengths) + random.Random(number).random(),
            draw(st.sampled_from(["low", "normal", "high"])),
            front=draw(st.integers(0, 9)) == 0,
            models=draw(st.sampled_from([MODEL, OTHER, frozenset()])),
        )
        farm.now += 1
    farm.run(lambda: len(farm.ends) >= 3)
    farm.tick()
    return farm


@given(farms())
@settings(max_examples=150)
def test_a_forecast_is_what_will_happen_if_nobody_else_comes(farm):
    seen = forecast(farm)
    now, already = farm.now, len(farm.claims)
    farm.run()
    happened = [(job.id, server) for _, job, server in farm.claims[already:]]
    assert [(pk, f.server) for pk, f in seen.items()] == happened
    assert [f.position for f in seen.values()] == list(range(1, len(seen) + 1))
    for _, job, _ in farm.claims[already:]:
        assert farm.started(job) - now == pytest.approx(seen[job.id].starts_in, abs=0.1)


def test_a_forecast_counts_whose_jobs_are_before():
    farm = Farm(people(2), places=1)
    jobs = [farm.submit(owner, 30.0) for owner in (1, 1, 2)]
    seen = forecast(farm)
    found = [(seen[j.id].others_before, seen[j.id].own_before) for j in jobs]
    assert found == [(0, 0), (1, 1), (1, 0)]
    assert [seen[j.id].starts_in for j in jobs] == [0, 60, 30]


def test_who_is_held_is_in_nobodys_way_in_a_forecast():
    farm = Farm([fair.Person(1, held=True), fair.Person(2, used=1000)])
    held, other = farm.submit(1), farm.submit(2)
    seen = forecast(farm)
    assert seen[other.id].position == 1
    assert held.id not in seen


def test_what_no_server_can_run_has_no_place_and_is_in_nobodys_way():
    farm = Farm(people(2), fits=lambda job, server: job.kind != "nowhere")
    nowhere, other = farm.submit(1, kind="nowhere"), farm.submit(1)
    seen = forecast(farm)
    assert seen[nowhere.id].position is None
    assert (seen[other.id].position, seen[other.id].own_before) == (1, 0)


def test_without_any_server_a_forecast_gives_places_but_no_times():
    farm = Farm(people(2), servers=0)
    jobs = [farm.submit(owner, 30.0) for owner in (1, 1, 2)]
    seen = forecast(farm)
    assert [seen[j.id].position for j in jobs] == [1, 3, 2]
    assert {seen[j.id].starts_in for j in jobs} == {None}


def test_a_forecast_looks_no_farther_than_asked():
    farm = Farm(people(1))
    for _ in range(50):
        farm.submit(1)
    assert len(forecast(farm, horizon=20)) == 20


def test_a_forecast_says_where_a_model_is_loaded_first():
    farm = Farm(people(1))
    jobs = [farm.submit(1, models=models) for models in (MODEL, MODEL, OTHER)]
    seen = forecast(farm)
    assert [seen[j.id].cold for j in jobs] == [True, False, True]


def test_what_was_used_counts_half_after_the_half_life():
    assert fair.decayed(100, at=0, now=fair.HALF_LIFE) == pytest.approx(50)
    assert fair.decayed(100, at=10, now=0) == 100

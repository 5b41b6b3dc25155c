"""Who gets which server: claims, leases, and what becomes of an attempt."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generation import scheduling, usage
from generation.models import Attempt, Job, QueueState, Server, limits
from generation.models.limits import GroupLimits, PersonLimits
from tests import make


def claim(bridge="bridge", reachable=None):
    """One tick: (owner's name, server's name) of what was given out."""
    return [(c.job.owner.username, c.server.name) for c in take(bridge, reachable)]


def take(bridge="bridge", reachable=None):
    if reachable is None:
        reachable = list(Server.objects.values_list("pk", flat=True))
    try:
        return list(scheduling.claim(bridge, lambda server: "client", reachable))
    except scheduling.Full:
        return []


# Which server ---------------------------------------------------------------------


def test_a_server_gets_as_many_as_it_has_places(alice):
    make.server(name="one", max_in_flight=2)
    for _ in range(5):
        make.job(alice)
    assert claim() == [("alice", "one")] * 2
    assert claim() == []
    assert alice.jobs.filter(status="queued").count() == 3


def test_a_claim_writes_the_attempt_before_anything_is_sent(alice):
    server = make.server()
    job = make.job(alice)
    [taken] = take()
    job.refresh_from_db()
    assert (job.status, job.attempts_left) == ("dispatched", 2)
    attempt = job.attempts.get()
    assert taken.attempt == attempt
    assert (attempt.server, attempt.state, attempt.bridge) == (
        server,
        "claimed",
        "bridge",
    )
    assert attempt.lease_until > timezone.now()


def test_an_idle_server_comes_before_a_second_job_at_another(alice):
    make.server(name="a"), make.server(name="b")
    for _ in range(3):
        make.job(alice)
    assert [name for _, name in claim()] == ["a", "b", "a"]


@pytest.mark.parametrize(
    "state",
    [
        {"paused": True},
        {"draining": True},
        {"enabled": False},
        {"state": "offline"},
        {"state": "unknown"},
        {"catalog_id": None},
    ],
)
def test_a_server_that_takes_nothing_gets_nothing(alice, state):
    make.server(**state)
    make.job(alice)
    assert claim() == []


def test_a_bridge_takes_jobs_only_for_servers_that_it_reaches(alice):
    make.server(name="far")
    near = make.server(name="near")
    make.job(alice)
    assert claim(reachable=[near.pk]) == [("alice", "near")]


def test_while_the_queue_is_paused_nothing_is_given_out(alice):
    make.server()
    make.job(alice)
    QueueState.objects.create(pk=1, paused=True)
    assert claim() == []


def test_a_template_with_tags_goes_to_servers_that_have_them_all(alice):
    make.server(name="small", tags=["fast"])
    make.server(name="large", tags=["fast", "24gb"])
    job = make.job(alice)
    job.workflow.server_tags = ["24gb", "fast"]
    job.workflow.save(update_fields=["server_tags"])
    assert claim() == [("alice", "large")]


def test_a_job_goes_only_where_its_nodes_are(alice):
    make.server(name="old", catalog_id=make.catalog(without=["EmptyImage"]))
    make.job(alice)
    assert claim() == []
    make.server(name="whole")
    assert claim() == [("alice", "whole")]


def test_a_job_goes_only_where_its_models_are(alice):
    make.server()
    values = {"prompt": "x", "model": "random-sd15.safetensors"}
    lacks = make.job(alice, "text-to-image", {"prompt": "x", "model": "none.ckpt"})
    runs = make.job(alice, "text-to-image", values)
    assert [taken.job for taken in take()] == [runs]
    lacks.refresh_from_db()
    assert lacks.status == "queued"


def test_the_models_of_the_last_job_are_noted_and_preferred(alice):
    make.server(name="a"), make.server(name="b")
    values = {"prompt": "x", "model": "random-sd15.safetensors"}
    make.job(alice, "text-to-image", values)
    [first] = take()
    server = Server.objects.get(pk=first.server.pk)
    assert server.loaded_models == ["random-sd15.safetensors"]
    assert first.attempt.cold
    Attempt.objects.update(state="ended")
    Server.objects.filter(name="a").update(loaded_models=[])
    Server.objects.filter(name="b").update(loaded_models=server.loaded_models)
    make.job(alice, "text-to-image", values)
    [second] = take()
    assert (second.server.name, second.attempt.cold) == ("b", False)


def test_a_job_without_models_leaves_those_that_are_loaded(alice):
    make.server(loaded_models=["random-sd15.safetensors"])
    make.job(alice)
    assert not take()[0].attempt.cold
    assert Server.objects.get().loaded_models == ["random-sd15.safetensors"]


def test_a_server_that_lost_the_job_is_avoided_if_another_can_run_it(alice):
    lost = make.server(name="a")
    make.job(alice, avoid=[lost.pk])
    make.server(name="b", max_in_flight=1)
    assert claim() == [("alice", "b")]
    make.job(alice, avoid=[lost.pk])
    assert claim() == []  # b is full, but it can run it
    Server.objects.filter(name="b").update(enabled=False)
    assert claim() == [("alice", "a")]


# Whose turn -----------------------------------------------------------------------


def test_who_has_used_less_comes_first(alice, bob):
    make.server(max_in_flight=1)
    make.job(alice), make.job(bob)
    usage.charge(alice.pk, 100)
    assert claim() == [("bob", Server.objects.get().name)]


def test_what_is_in_flight_counts_as_used(alice, bob):
    make.server(max_in_flight=4)
    for _ in range(3):
        make.job(alice)
    make.job(bob), make.job(bob)
    assert [name for name, _ in claim()] == ["alice", "bob", "alice", "bob"]


def test_a_group_with_twice_the_weight_gets_twice_as_many(alice, bob):
    group = make.group("studio", bob)
    GroupLimits.objects.create(group=group, weight=2)
    make.server(max_in_flight=6)
    for _ in range(6):
        make.job(alice), make.job(bob)
    names = [name for name, _ in claim()]
    assert (names.count("bob"), names.count("alice")) == (4, 2)


def test_a_job_that_was_moved_to_the_front_is_next(alice, bob):
    make.server(max_in_flight=1)
    usage.charge(bob.pk, 1000)
    make.job(alice)
    assert make.job(bob).move_to_front()
    assert claim()[0][0] == "bob"


def test_nobody_has_more_at_the_servers_than_they_may(alice, bob):
    PersonLimits.objects.create(person=alice, max_in_flight=1)
    make.server(max_in_flight=4)
    for _ in range(3):
        make.job(alice)
    make.job(bob)
    assert sorted(name for name, _ in claim()) == ["alice", "bob"]
    assert claim() == []


def test_whose_gpu_minutes_are_used_up_waits(alice, bob):
    server = make.server(max_in_flight=4)
    PersonLimits.objects.create(person=alice, gpu_minutes_per_day=1)
    ran(alice, server, seconds=61)
    make.job(alice), make.job(bob)
    assert [name for name, _ in claim()] == ["bob"]


def test_the_minutes_of_yesterday_do_not_count(alice):
    server = make.server()
    PersonLimits.objects.create(person=alice, gpu_minutes_per_day=1)
    ran(alice, server, seconds=61, ago=timedelta(hours=25))
    make.job(alice)
    assert len(claim()) == 1


def ran(owner, server, seconds, ago=timedelta(0)):
    """A run that is over."""
    end = timezone.now() - ago
    job = make.job(owner, status="done", created=end)
    start = end - timedelta(seconds=seconds)
    make.attempt(job, server, state="ended", started_at=start, finished_at=end)


def queries_of_a_look():
    limits.forget()  # what it keeps is not what is counted
    """How many it takes to learn whose turn it is first."""
    snapshot = scheduling.Snapshot()
    with CaptureQueriesContext(connection) as queries:
        next(scheduling.fair.plan(snapshot.line(), snapshot.places(), snapshot.fits))
    return len(queries)


def test_a_look_at_the_queue_costs_the_same_however_many_wait(alice):
    make.server(max_in_flight=1)
    make.job(alice)
    queries_of_a_look()  # whether a kind of job fits is kept
    few = queries_of_a_look()
    for number in range(5):
        person = make.user(f"person-{number}")
        for _ in range(3):
            make.job(person)
    assert queries_of_a_look() == few <= 5


# Several bridges ------------------------------------------------------------------


def test_two_bridges_that_look_at_once_never_take_the_same(alice):
    make.server(max_in_flight=4)
    for _ in range(3):
        make.job(alice)
    reachable = list(Server.objects.values_list("pk", flat=True))
    first = scheduling.claim("first", lambda server: "1", reachable)
    second = scheduling.claim("second", lambda server: "2", reachable)
    taken = [next(first), next(second, None)]
    taken += [*first, *second]
    jobs = [claim.job.pk for claim in taken if claim]
    assert len(jobs) == len(set(jobs)) == 3
    assert Attempt.objects.count() == 3


def test_two_bridges_never_overfill_a_server(alice):
    make.server(max_in_flight=1)
    make.job(alice), make.job(alice)
    snapshot = scheduling.Snapshot()
    waiting = list(scheduling.fair.plan(snapshot.line(), wide(snapshot), snapshot.fits))
    server = Server.objects.get()
    taken = [
        scheduling._take(job, server, f"bridge-{number}", "client", None)
        for number, (job, _) in enumerate(waiting)
    ]
    assert [bool(one) for one in taken] == [True, False]


def test_two_bridges_never_go_beyond_a_persons_limit(alice):
    make.server(name="a"), make.server(name="b")
    make.job(alice), make.job(alice)
    snapshot = scheduling.Snapshot()
    waiting = list(scheduling.fair.plan(snapshot.line(), wide(snapshot), snapshot.fits))
    taken = [
        scheduling._take(job, snapshot.servers[pk], f"bridge-{pk}", "client", 1)
        for job, pk in waiting
    ]
    assert [bool(one) for one in taken] == [True, False]


def wide(snapshot):
    """The places as somebody sees them who has missed what the others took."""
    places = snapshot.places()
    for place in places:
        place.free = 2
    return places


def test_a_lease_is_adopted_only_when_it_has_run_out(alice):
    make.server()
    make.job(alice)
    [taken] = take("dead")
    assert scheduling.adopt("other", lambda name: False) == []
    Attempt.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    [adopted] = scheduling.adopt("other", lambda name: False)
    assert (adopted.attempt.pk, adopted.adopted) == (taken.attempt.pk, True)
    assert Attempt.objects.get().bridge == "other"
    assert scheduling.adopt("third", lambda name: False) == []


def test_a_bridge_takes_up_what_it_stopped_to_drive_by_a_fault(alice):
    make.server()
    make.job(alice)
    [taken] = take("bridge")
    Attempt.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    driven = [taken.attempt.pk]
    assert scheduling.adopt("bridge", lambda name: False, driven) == []
    assert len(scheduling.adopt("bridge", lambda name: False)) == 1


def test_a_bridge_that_is_surely_dead_is_not_waited_for(alice):
    make.server()
    make.job(alice)
    take("dead")
    assert len(scheduling.adopt("other", lambda name: name == "dead")) == 1


def test_of_two_that_adopt_one_gets_it(alice):
    server = make.server()
    past = timezone.now() - timedelta(seconds=1)
    make.attempt(make.job(alice, status="running"), server, lease_until=past)
    rows = [Attempt.objects.get(), Attempt.objects.get()]
    later = timezone.now() + scheduling.LEASE
    assert [row.adopt(f"bridge-{i}", later) for i, row in enumerate(rows)] == [
        True,
        False,
    ]


def test_renewing_keeps_a_lease_and_tells_what_is_lost(alice):
    server = make.server()
    mine, theirs, ended = (
        make.attempt(make.job(alice), server, **fields)
        for fields in ({"bridge": "me"}, {"bridge": "you"}, {"state": "ended"})
    )
    Attempt.objects.update(lease_until=timezone.now())
    held = scheduling.renew("me", [mine.pk, theirs.pk, ended.pk])
    assert held == {mine.pk}
    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert mine.lease_until > theirs.lease_until


def test_a_cancelled_job_is_not_given_out(alice):
    make.server()
    job = make.job(alice)
    reachable = list(Server.objects.values_list("pk", flat=True))
    claims = scheduling.claim("bridge", lambda server: "client", reachable)
    Job.objects.get(pk=job.pk).cancel()
    assert list(claims) == []

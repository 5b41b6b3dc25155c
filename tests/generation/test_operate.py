"""What administrators see and do: servers, what runs where, the queue."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from generation.models import Job, QueueState, Server
from tests import make
from tests.conftest import forget

QUEUE = "/servers/queue/"


@pytest.fixture
def root(db):
    return make.user("root", is_staff=True)


@pytest.fixture
def as_root(root):
    client = Client()
    client.force_login(root)
    return client


def deeds():
    """What the log of the administration says, newest first."""
    return [entry.get_change_message() for entry in LogEntry.objects.all()]


def do(client, address, deed, **values):
    """The page after the deed, as text."""
    response = client.post(address, {"do": deed, **values}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def at(server):
    return reverse("generation:change-server", args=[server.pk])


def front(job):
    return reverse("generation:move-to-front", args=[job.pk])


# Who ------------------------------------------------------------------------------


@pytest.fixture
def addresses(alice):
    return [QUEUE, at(make.server()), front(make.job(alice))]


def test_others_see_nothing_of_it_and_change_nothing(as_alice, client, addresses):
    for address in ["/servers/", *addresses]:
        response = client.post(address, {"do": "pause"})
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/")
        # Who is signed in would be sent round in a circle.
        assert as_alice.post(address, {"do": "pause"}).status_code == 404
    assert as_alice.get("/servers/").status_code == 404
    assert not QueueState.load().paused
    assert not Server.objects.get().paused
    assert Job.objects.get().rank > 0
    assert not deeds()


def test_deeds_take_post_only(as_root, addresses):
    assert [as_root.get(address).status_code for address in addresses] == [405] * 3
    assert as_root.post("/servers/").status_code == 405


# The queue ------------------------------------------------------------------------


def test_the_queue_is_paused_with_a_reason_and_resumed(as_root, root):
    page = do(as_root, QUEUE, "pause", reason=" The cooling is repaired. ")
    assert "The queue is paused: The cooling is repaired." in page
    assert QueueState.load().paused
    page = do(as_root, QUEUE, "resume", reason="left over")
    assert "Pause the queue" in page
    assert (QueueState.load().paused, QueueState.load().reason) == (False, "")
    assert deeds() == ["Queue resumed.", "Queue paused. The cooling is repaired."]
    assert LogEntry.objects.first().user == root


def test_an_unknown_deed_leaves_the_queue_as_it_is(as_root):
    do(as_root, QUEUE, "pause")
    page = do(as_root, QUEUE, "explode")
    assert "That is nothing that can be done to the queue." in page
    assert QueueState.load().paused
    assert deeds() == ["Queue paused."]


# Servers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "deed", "after", "text"),
    [
        ({}, "pause", {"paused": True}, "gets nothing new"),
        ({"paused": True}, "resume", {"paused": False}, "takes jobs again"),
        ({"draining": True}, "resume", {"draining": False}, "takes jobs again"),
        ({}, "drain", {"draining": True}, "finishes what it has"),
        ({}, "disable", {"enabled": False}, "is switched off"),
        ({"enabled": False}, "enable", {"enabled": True}, "is switched on"),
    ],
)
def test_a_server_is_changed_and_the_deed_is_logged(as_root, before, deed, after, text):
    server = make.server(name="gpu-1", **before)
    page = do(as_root, at(server), deed)
    server.refresh_from_db()
    assert {name: getattr(server, name) for name in after} == after
    assert f"gpu-1 {text}" in page
    assert deeds()[0].startswith(f"gpu-1 {text}")


def test_an_unknown_deed_changes_no_server(as_root):
    server = make.server()
    page = do(as_root, at(server), "explode")
    assert "That is nothing that can be done to a server." in page
    assert not deeds()


def test_an_unknown_server_is_404(as_root):
    assert as_root.post("/servers/999/", {"do": "pause"}).status_code == 404


def test_a_server_that_will_not_come_back_is_given_up(as_root, alice):
    server = make.server(name="gpu-1", state="offline")
    job = make.job(alice, status="running")
    attempt = make.attempt(job, server)
    assert "Give up its jobs" in as_root.get("/servers/").content.decode()
    page = do(as_root, at(server), "give-up")
    job.refresh_from_db()
    attempt.refresh_from_db()
    assert (job.status, attempt.state) == ("queued", "ended")
    assert "gpu-1 is given up; 1 of its jobs wait again." in page
    assert deeds() == ["gpu-1 is given up; 1 of its jobs wait again."]


def test_a_server_that_answers_is_not_given_up(as_root, alice):
    """Its jobs run there: they would run twice."""
    server = make.server(name="gpu-1")
    job = make.job(alice, status="running")
    make.attempt(job, server)
    assert "Give up its jobs" not in as_root.get("/servers/").content.decode()
    page = do(as_root, at(server), "give-up")
    assert "gpu-1 answers: what it holds is not lost." in page
    job.refresh_from_db()
    assert job.status == "running"


def test_a_card_says_what_the_server_holds_and_how_it_is(as_root, alice):
    server = make.server(name="gpu-1", tags=["24gb"], draining=True)
    make.attempt(make.job(alice, status="running"), server)
    make.attempt(make.job(alice, status="done"), server, state="ended")
    page = as_root.get("/servers/").content.decode()
    assert "1 of 2 places" in page
    assert "Draining" in page
    assert "24gb" in page
    Job.objects.filter(status="running").delete()
    assert "Drained" in as_root.get("/servers/").content.decode()


# What runs where ------------------------------------------------------------------


def row(client, slug="test-card"):
    rows = client.get("/servers/").context["matrix"]
    return next(row for row in rows if row.version.workflow.slug == slug)


def test_the_matrix_names_what_is_missing_where(as_root):
    workflow = make.fixed_model("flux-dev.safetensors")
    workflow.server_tags = ["24gb"]
    workflow.save(update_fields=["server_tags"])
    make.server(name="gpu-3", tags=["24gb"])
    make.server(name="gpu-4", catalog_id=make.catalog(without=["KSampler"]))
    page = as_root.get("/servers/").content.decode()
    assert "lacks flux-dev.safetensors" in page
    assert "lacks the node KSampler" in page
    assert "is not tagged 24gb" in page
    assert page.count("runs nowhere") == 1
    assert [c.lacks for c in row(as_root, "test-card").cells] == [(), ()]


def test_a_template_runs_where_any_model_can_be_chosen(as_root):
    """Its own default is at no server; the form offers what there is."""
    workflow = make.workflow("text-to-image")
    server = make.server()
    assert server.lacks(workflow.current.graph)
    assert row(as_root, "text-to-image").cells[0].lacks == ()


def test_what_is_missing_twice_is_named_once(as_root):
    make.fixed_model("flux-dev.safetensors")
    make.server()
    [cell] = row(as_root, "text-to-image").cells
    assert cell.lacks == ("lacks flux-dev.safetensors",)


def test_a_server_that_was_not_seen_yet_might_run_it(as_root):
    make.workflow()
    make.server(catalog_id=make.catalog(without=["EmptyImage"]))
    assert row(as_root).runs_nowhere
    make.server(catalog_id=None)
    assert not row(as_root).runs_nowhere
    assert "not seen yet" in as_root.get("/servers/").content.decode()


def test_a_server_that_is_switched_off_runs_nothing(as_root):
    make.workflow()
    make.server(catalog_id=make.catalog(without=["EmptyImage"]))
    make.server(enabled=False)
    assert row(as_root).runs_nowhere


def test_the_page_costs_the_same_however_many_servers_and_templates(as_root, alice):
    def queries():
        forget()  # what is kept for a second: on a busy machine that is over
        with CaptureQueriesContext(connection) as seen:
            as_root.get("/servers/")
        return len(seen)

    make.server()
    make.job(alice)
    make.job(alice)
    queries()  # what is kept per process
    few = queries()
    for number in range(6):
        make.attempt(make.job(alice, status="running"), make.server())
        make.copy(make.workflow(), f"template-{number}")
        make.job(alice)
    assert queries() == few


# The order ------------------------------------------------------------------------


def test_the_order_is_the_fair_one_with_a_button_for_each(as_root, alice, bob):
    make.server(max_in_flight=1)
    make.job(alice), make.job(alice)
    job = make.job(bob)
    response = as_root.get("/servers/")
    names = [job.owner.username for job, _ in response.context["order"]]
    assert names == ["alice", "bob", "alice"]
    assert front(job) in response.content.decode()
    assert "3 waiting" in response.content.decode()


def test_a_job_is_moved_to_the_front_and_that_is_logged(as_root, alice, bob):
    make.server()
    make.job(alice)
    job = make.job(bob)
    page = do(as_root, front(job), "")
    assert "The job is the next one now." in page
    assert "moved to the front" in page
    assert as_root.get("/servers/").context["order"][0][0] == job
    assert deeds() == ["Moved to the front of the queue."]


def test_what_does_not_wait_any_more_is_not_moved(as_root, alice):
    job = make.job(alice, status="running")
    assert "This job does not wait any more." in do(as_root, front(job), "")
    assert not deeds()


def test_the_order_shows_no_prompt(as_root, alice):
    make.server()
    make.job(alice, "text-to-image", {"prompt": "a secret garden"})
    assert "secret" not in as_root.get("/servers/").content.decode()

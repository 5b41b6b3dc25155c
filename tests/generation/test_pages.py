"""The pages of templates, jobs and servers, seen by a signed-in person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from tests import make

HTMX = {"HX-Request": "true"}
LISTS = ["/", "/generate/", "/jobs/", "/gallery/"]


@pytest.mark.parametrize("page", [*LISTS[1:], "/generate/test-card/", "/servers/"])
def test_a_page_asks_strangers_to_sign_in(client, db, page):
    make.workflow()
    response = client.get(page)
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/?next=/")


def test_the_start_page_greets_strangers_with_a_way_in(client, db):
    assert b'href="/accounts/login/"' in client.get("/").content


@pytest.mark.parametrize("page", LISTS)
def test_lists_take_get_only(as_alice, page):
    assert as_alice.post(page).status_code == 405


@pytest.mark.parametrize("deed", ["cancel-job", "retry-job"])
def test_deeds_take_post_only(as_alice, alice, deed):
    job = make.job(alice)
    assert as_alice.get(reverse(f"generation:{deed}", args=[job.pk])).status_code == 405


@pytest.mark.parametrize("page", LISTS)
def test_a_list_costs_the_same_however_much_there_is(
    as_alice, alice, page, django_assert_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def fill(count):
        for _ in range(count):
            job = make.job(alice, status="done", finished_at=timezone.now())
            make.image(alice, job)

    fill(2)
    as_alice.get(page)  # warms what is cached per process
    with CaptureQueriesContext(connection) as few:
        assert as_alice.get(page).status_code == 200
    fill(6)
    with django_assert_num_queries(len(few)):
        as_alice.get(page)


def test_a_template_card_shows_the_newest_picture_from_it(as_alice, alice, bob):
    job = make.job(alice)
    old = make.image(alice, job, created=timezone.now() - timedelta(days=1))
    new = make.image(alice, job)
    foreign = make.image(bob, make.job(bob))
    page = as_alice.get("/generate/").content.decode()
    assert str(new.pk) in page
    assert str(old.pk) not in page
    assert str(foreign.pk) not in page


def test_submitting_without_javascript_leads_to_the_job(as_alice, alice):
    make.workflow()
    values = {"width": "64", "height": "64", "color": "#336699", "batch_size": "1"}
    response = as_alice.post("/generate/test-card/", values)
    job = alice.jobs.get()
    assert response.status_code == 302
    assert response["Location"] == f"/jobs/{job.pk}/"
    assert as_alice.get(response["Location"]).status_code == 200


def test_submitting_by_htmx_answers_with_form_and_cards_alone(as_alice, alice):
    make.workflow()
    values = {"width": "64", "height": "64", "color": "#336699", "batch_size": "1"}
    values["count"] = "2"
    page = as_alice.post("/generate/test-card/", values, headers=HTMX)
    content = page.content.decode()
    assert page.status_code == 200
    assert "<html" not in content
    assert 'hx-target="#live-jobs"' in content
    for job in alice.jobs.all():
        assert f'id="job-{job.pk}"' in content
    assert alice.jobs.count() == 2


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_wrong_value_is_told_beside_its_field(as_alice, alice, headers):
    make.workflow()
    response = as_alice.post("/generate/test-card/", {"width": "5"}, headers=headers)
    content = response.content.decode()
    assert response.status_code == 422
    assert ("<html" in content) == (not headers)
    assert not alice.jobs.exists()
    field = content.partition('name="width"')[2].partition('name="height"')[0]
    assert 'aria-invalid="true"' in field
    assert 'aria-describedby="id_width_error"' in field
    assert 'id="id_width_error"' in field
    assert "Choose at least 16." in field


def test_settings_of_ones_own_picture_fill_the_form(as_alice, alice):
    job = make.job(alice, values={"width": 320})
    image = make.image(alice, job)
    page = as_alice.get(f"/generate/test-card/?from={image.pk}")
    assert page.context["form"]["width"].value() == 320


@pytest.mark.parametrize("source", ["nonsense", "0", ""])
def test_a_source_that_is_none_is_passed_over(as_alice, db, source):
    make.workflow()
    assert as_alice.get(f"/generate/test-card/?from={source}").status_code == 200


def test_a_hidden_template_does_not_exist(as_alice):
    workflow = make.workflow()
    workflow.published = False
    workflow.save(update_fields=["published"])
    assert as_alice.get("/generate/test-card/").status_code == 404


def test_an_input_picture_stays_when_another_value_is_wrong(as_alice, alice):
    make.workflow("image-to-image")
    values = {"prompt": "", "image-kept": f"inputs/{alice.pk}/a.png"}
    page = as_alice.post("/generate/image-to-image/", values).content.decode()
    assert f'name="image-kept" value="inputs/{alice.pk}/a.png"' in page


def test_the_queue_pages_through_history_and_misses_nothing(as_alice, alice):
    from generation.views import PAGE

    now = timezone.now()
    made = [
        make.job(alice, status="done", created=now - timedelta(minutes=i))
        for i in range(PAGE + 3)
    ]
    first = as_alice.get("/jobs/").context["page"]
    rest = as_alice.get(f"/jobs/?cursor={first.next}", headers=HTMX)
    assert b"<html" not in rest.content
    second = rest.context["page"]
    assert second.next is None
    assert [j.pk for j in [*first.items, *second.items]] == [j.pk for j in made]


def test_a_job_that_is_being_made_is_a_card_not_a_row(as_alice, alice):
    active = make.job(alice, status="running")
    ended = make.job(alice, status="done")
    page = as_alice.get("/jobs/").content.decode()
    assert f'id="job-{active.pk}"' in page
    assert f'id="row-{active.pk}"' not in page
    assert f'id="row-{ended.pk}"' in page


def test_a_made_up_cursor_is_no_page(as_alice):
    assert as_alice.get("/jobs/?cursor=made-up").status_code == 404


def test_a_running_card_polls_and_an_ended_one_does_not(as_alice, alice):
    def card(job):
        address = reverse("generation:job-fragment", args=[job.pk])
        return address, as_alice.get(address).content.decode()

    running = make.job(alice, status="running", preview=3)
    address, content = card(running)
    assert f'hx-get="{address}"' in content
    assert "<progress" in content
    assert f"/jobs/{running.pk}/preview/3/" in content
    _, content = card(make.job(alice, status="cancelled", preview=3))
    assert "hx-get" not in content
    assert "preview/3/" not in content
    assert "Try again" in content
    assert "<html" not in content


def test_a_waiting_job_says_its_place_and_can_be_cancelled(as_alice, alice):
    make.job(alice)
    job = make.job(alice)
    page = as_alice.get(reverse("generation:job", args=[job.pk])).content.decode()
    assert "2nd in the queue" in page
    as_alice.post(reverse("generation:cancel-job", args=[job.pk]))
    job.refresh_from_db()
    assert job.status == "cancelled"


def test_a_failed_job_says_why_and_can_be_tried_again(as_alice, alice):
    job = make.job(alice, status="failed", error="The GPU is full.")
    address = reverse("generation:retry-job", args=[job.pk])
    assert "The GPU is full." in as_alice.get(f"/jobs/{job.pk}/").content.decode()
    card = as_alice.post(address, headers=HTMX)
    assert b"<html" not in card.content
    assert b"in the queue" in card.content


def test_a_picture_that_was_deleted_leaves_its_jobs_card(as_alice, alice):
    job = make.job(alice, status="done")
    kept, gone = make.image(alice, job), make.image(alice, job)
    gone.delete_softly()
    page = as_alice.get(f"/jobs/{job.pk}/").content.decode()
    assert str(kept.pk) in page
    assert str(gone.pk) not in page


def test_servers_are_for_staff(as_alice, client):
    make.server(name="attic", error="Nobody answers at this address.")
    assert as_alice.get("/servers/").status_code == 404
    client.force_login(make.user("root", is_staff=True))
    page = client.get("/servers/").content.decode()
    assert "attic" in page
    assert "Nobody answers at this address." in page

"""What a person may use, and what they are told when it is used up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from generation import usage
from generation.models.limits import (
    MAX_QUEUED,
    GroupLimits,
    PersonLimits,
    allowance_of,
    allowances,
)
from tests import make

HTMX = {"HX-Request": "true"}


def limit(person, **fields):
    PersonLimits.objects.create(person=person, **fields)


def post(client, **body):
    """Ask the API for a test card."""
    return client.post(
        "/api/comfyui/generate",
        {"template": "test-card", **body},
        content_type="application/json",
    )


@pytest.fixture(autouse=True)
def ready(db):
    make.workflow()
    make.server()


def ran(owner, seconds, ago):
    """A run that ended this long ago."""
    end = timezone.now() - ago
    job = make.job(owner, status="done", created=end)
    start = end - timedelta(seconds=seconds)
    server = make.server()
    make.attempt(job, server, state="ended", started_at=start, finished_at=end)


# Which limit counts ---------------------------------------------------------------


def test_without_limits_only_the_queue_is_bounded(alice):
    allowed = allowance_of(alice)
    assert (allowed.weight, allowed.max_queued) == (1.0, MAX_QUEUED)
    assert allowed.max_in_flight is None
    assert allowed.gpu_minutes_per_day is None
    assert allowed.pictures_per_day is None


def test_a_persons_own_limit_counts_before_their_groups(alice):
    GroupLimits.objects.create(group=make.group("a", alice), max_queued=50, weight=3)
    limit(alice, max_queued=5)
    allowed = allowance_of(alice)
    assert (allowed.max_queued, allowed.weight) == (5, 3)


def test_of_several_groups_the_most_generous_counts_field_by_field(alice):
    first, second = make.group("a", alice), make.group("b", alice)
    GroupLimits.objects.create(group=first, max_queued=5, weight=2)
    GroupLimits.objects.create(group=second, max_queued=9, weight=1)
    make.group("without limits", alice)
    allowed = allowance_of(alice)
    assert (allowed.max_queued, allowed.weight) == (9, 2)


def test_a_limit_of_nothing_is_a_limit(alice):
    limit(alice, pictures_per_day=0)
    assert allowance_of(alice).pictures_per_day == 0


def test_another_groups_limits_are_nothing_to_me(alice, bob):
    GroupLimits.objects.create(group=make.group("a", bob), max_queued=1)
    assert allowance_of(alice).max_queued == MAX_QUEUED


def test_limits_of_many_cost_as_much_as_of_one(alice, bob, django_assert_num_queries):
    GroupLimits.objects.create(group=make.group("a", alice, bob), max_queued=1)
    for people in ([alice.pk], [alice.pk, bob.pk]):
        with django_assert_num_queries(3):
            allowances(people)


# Queued jobs ----------------------------------------------------------------------


def test_a_full_queue_is_429_and_says_so(as_alice, alice):
    limit(alice, max_queued=2)
    make.job(alice), make.job(alice, status="running")
    response = post(as_alice)
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    assert response.json()["detail"] == (
        "You have 2 jobs in the queue and may have 2: there is room for no more."
        " Try again when some are done."
    )
    assert alice.jobs.count() == 2


def test_what_is_over_leaves_room(as_alice, alice):
    limit(alice, max_queued=1)
    make.job(alice, status="done"), make.job(alice, status="cancelled")
    assert post(as_alice).status_code == 202


def test_more_at_once_than_ever_allowed_is_422(as_alice, alice):
    limit(alice, max_queued=2)
    response = post(as_alice, count=3)
    assert response.status_code == 422
    assert response.json()["errors"] == [
        {"field": "count", "message": "You may have at most 2 jobs in the queue."}
    ]


def test_another_persons_jobs_take_none_of_my_room(as_alice, alice, bob):
    limit(alice, max_queued=1)
    make.job(bob)
    assert post(as_alice).status_code == 202


def test_the_same_request_again_is_no_second_one(as_alice, alice):
    limit(alice, max_queued=1)
    for _ in range(2):
        response = as_alice.post(
            "/api/comfyui/generate",
            {"template": "test-card"},
            content_type="application/json",
            headers={"Idempotency-Key": "k"},
        )
        assert response.status_code == 202
    assert alice.jobs.count() == 1


def test_a_key_is_not_mistaken_for_a_longer_one(as_alice, alice):
    for key in ("a#0", "a"):
        as_alice.post(
            "/api/comfyui/generate",
            {"template": "test-card"},
            content_type="application/json",
            headers={"Idempotency-Key": key},
        )
    assert alice.jobs.count() == 2


# Pictures a day -------------------------------------------------------------------


def test_the_days_pictures_are_counted_with_the_batch(as_alice, alice):
    limit(alice, pictures_per_day=5)
    assert post(as_alice, parameters={"batch_size": 4}).status_code == 202
    assert post(as_alice, parameters={"batch_size": 2}).status_code == 429
    assert post(as_alice).status_code == 202


def test_it_says_when_there_is_room_for_pictures_again(as_alice, alice):
    limit(alice, pictures_per_day=3)
    for hours in (23, 10, 1):
        created = timezone.now() - timedelta(hours=hours)
        make.job(alice, status="done", created=created)
    response = post(as_alice, parameters={"batch_size": 2})
    # When the second oldest is a day old: in 14 hours.
    assert int(response["Retry-After"]) == pytest.approx(14 * 3600, abs=5)
    at = timezone.localtime(timezone.now() + timedelta(hours=14))
    assert f"room for 2 more from {clock(at)} on." in response.json()["detail"]


def clock(at):
    today = at.date() == timezone.localtime().date()
    return ("" if today else "tomorrow ") + at.strftime("%H:%M")


def test_what_failed_or_was_cancelled_was_no_picture(as_alice, alice):
    limit(alice, pictures_per_day=1)
    make.job(alice, status="failed"), make.job(alice, status="cancelled")
    assert post(as_alice).status_code == 202


def test_more_pictures_than_a_day_allows_are_422(as_alice, alice):
    limit(alice, pictures_per_day=3)
    response = post(as_alice, parameters={"batch_size": 2}, count=2)
    assert response.status_code == 422
    [error] = response.json()["errors"]
    assert error["message"] == "You may make at most 3 pictures a day."


# GPU minutes a day ----------------------------------------------------------------


def test_used_up_gpu_minutes_are_429_until_enough_are_a_day_old(as_alice, alice):
    limit(alice, gpu_minutes_per_day=2)
    ran(alice, 90, timedelta(hours=20))
    assert post(as_alice).status_code == 202
    ran(alice, 60, timedelta(hours=1))
    response = post(as_alice)
    assert response.status_code == 429
    assert int(response["Retry-After"]) == pytest.approx(4 * 3600, abs=5)
    sentence = response.json()["detail"]
    assert sentence.startswith(
        "Your GPU time of 2 min a day is used up. It goes on at "
    )


def test_gpu_minutes_of_yesterday_are_forgotten(as_alice, alice):
    limit(alice, gpu_minutes_per_day=1)
    ran(alice, 600, timedelta(hours=25))
    assert post(as_alice).status_code == 202


def test_whose_minutes_are_used_up_is_known_in_one_query(
    alice, bob, django_assert_num_queries
):
    limit(alice, gpu_minutes_per_day=1), limit(bob, gpu_minutes_per_day=2)
    ran(alice, 61, timedelta(hours=1)), ran(bob, 61, timedelta(hours=1))
    allowed = allowances([alice.pk, bob.pk])
    with django_assert_num_queries(1):
        assert usage.over_the_day(allowed, timezone.now()) == {alice.pk}


# The form -------------------------------------------------------------------------

TYPED = {"width": "96", "height": "64", "color": "#123456", "batch_size": "1"}


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_the_form_says_it_and_keeps_what_was_typed(as_alice, alice, headers):
    limit(alice, max_queued=1)
    make.job(alice)
    values = {**TYPED, "count": "1", "priority": "high"}
    response = as_alice.post("/generate/test-card/", values, headers=headers)
    page = response.content.decode()
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    assert ("<html" in page) == (not headers)
    assert "You have 1 job in the queue and may have 1" in page
    assert 'name="width" value="96"' in page
    assert 'value="#123456"' in page
    assert '<option value="high" selected>' in page


def test_the_form_keeps_a_picture_that_was_sent(as_alice, alice):
    limit(alice, max_queued=1)
    make.job(alice)
    form = as_alice.get("/generate/image-to-image/").context["form"]
    values = {f.name: f.value() for f in form if f.value() is not None}
    values |= {"prompt": "x", "image": make.upload()}
    response = as_alice.post("/generate/image-to-image/", values)
    assert response.status_code == 429
    kept = response.context["form"].initial["image"]
    assert f'name="image-kept" value="{kept}"' in response.content.decode()


def test_the_form_says_beside_the_count_what_is_too_much_at_once(as_alice, alice):
    limit(alice, max_queued=1)
    response = as_alice.post("/generate/test-card/", {**TYPED, "count": "2"})
    assert response.status_code == 422
    errors = response.context["form"]["count"].errors
    assert errors == ["You may have at most 1 job in the queue."]


# Trying again ---------------------------------------------------------------------


def test_trying_again_takes_a_place_as_a_new_job_does(as_alice, alice):
    limit(alice, max_queued=1)
    failed = make.job(alice, status="failed")
    make.job(alice)
    assert as_alice.post(f"/api/comfyui/jobs/{failed.pk}/retry").status_code == 429
    failed.refresh_from_db()
    assert failed.status == "failed"


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_the_page_says_why_it_cannot_be_tried_again(as_alice, alice, headers):
    limit(alice, max_queued=1)
    failed = make.job(alice, status="failed")
    make.job(alice)
    response = as_alice.post(f"/jobs/{failed.pk}/retry/", headers=headers, follow=True)
    assert "there is room for no more" in response.content.decode()

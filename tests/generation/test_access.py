"""What is another person's does not exist: page, file, thumbnail, preview, API."""

from __future__ import annotations

import pytest
from django.urls import reverse

from generation import previews
from tests import make

JOB_PAGES = ["job", "job-fragment"]
JOB_DEEDS = ["cancel-job", "retry-job"]


@pytest.fixture
def job(alice):
    job = make.job(alice, status="running", preview=1)
    previews.keep(job.pk, 1, "image/webp", b"webp")
    return job


@pytest.fixture
def image(alice, job):
    return make.image(alice, job)


def addresses(job, image):
    yield from (reverse(f"generation:{name}", args=[job.pk]) for name in JOB_PAGES)
    yield reverse("generation:job-preview", args=[job.pk, 1])
    yield f"/api/comfyui/jobs/{job.pk}"
    yield reverse("gallery:image", args=[image.pk])
    yield reverse("gallery:image-file", args=[image.pk])
    yield reverse("gallery:image-thumbnail", args=[image.pk, "small"])
    yield reverse("gallery:image-thumbnail", args=[image.pk, "large"])
    for tail in ("", "/file", "/thumbnail", "/thumbnail?large=true"):
        yield f"/api/gallery/images/{image.pk}{tail}"


def test_the_owner_sees_everything(as_alice, job, image):
    for address in addresses(job, image):
        assert as_alice.get(address).status_code == 200, address


def test_a_stranger_gets_404_everywhere(as_bob, job, image):
    for address in addresses(job, image):
        assert as_bob.get(address).status_code == 404, address


def test_staff_is_a_stranger_too(client, job, image):
    client.force_login(make.user("root", is_staff=True, is_superuser=True))
    for address in addresses(job, image):
        assert client.get(address).status_code == 404, address


def test_nobody_sees_anything_without_signing_in(client, job, image):
    for address in addresses(job, image):
        response = client.get(address)
        if address.startswith("/api/"):
            assert response.status_code == 401, address
        else:
            assert response.status_code == 302, address
            assert response["Location"].startswith("/accounts/login/")


def test_a_stranger_changes_nothing(as_bob, job, image):
    deeds = [reverse(f"generation:{name}", args=[job.pk]) for name in JOB_DEEDS]
    deeds += [
        reverse("gallery:delete-image", args=[image.pk]),
        f"/api/comfyui/jobs/{job.pk}/cancel",
        f"/api/comfyui/jobs/{job.pk}/retry",
    ]
    for address in deeds:
        assert as_bob.post(address).status_code == 404, address
    assert as_bob.delete(f"/api/gallery/images/{image.pk}").status_code == 404
    job.refresh_from_db()
    image.refresh_from_db()
    assert not job.cancel_requested
    assert image.deleted_at is None


def test_lists_hold_only_ones_own(as_bob, job, image):
    assert as_bob.get("/api/comfyui/jobs").json() == {"items": [], "next": None}
    assert as_bob.get("/api/gallery/images").json() == {"items": [], "next": None}
    for page in ("/", "/jobs/", "/gallery/", "/generate/", "/generate/test-card/"):
        content = as_bob.get(page).content.decode()
        assert str(job.pk) not in content
        assert str(image.pk) not in content


def test_settings_of_anothers_picture_do_not_fill_the_form(as_bob, alice):
    job = make.job(alice, values={"width": 321})
    image = make.image(alice, job)
    for source in (image.pk, job.pk):
        page = as_bob.get(f"/generate/test-card/?from={source}").content.decode()
        assert "321" not in page


def test_an_input_picture_of_another_is_refused(as_bob, alice):
    make.server()
    make.workflow()
    body = {
        "template": "image-to-image",
        "parameters": {"prompt": "x", "image": f"inputs/{alice.pk}/a.png"},
    }
    response = as_bob.post(
        "/api/comfyui/generate", body, content_type="application/json"
    )
    assert response.status_code == 422
    assert [e["field"] for e in response.json()["errors"]] == ["image"]

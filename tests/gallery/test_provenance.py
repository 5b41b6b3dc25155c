"""How a picture was made stays with it, whatever becomes of its job."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.utils import timezone

from gallery.models import Image, Provenance
from generation import results
from generation.comfy.run import Output
from tests import make

KEY = "inputs/{owner}/" + "ab" * 32 + ".png"


@pytest.fixture
def picture(alice):
    values = {"prompt": "a <b>quay</b>", "seed": 2**64 - 1, "steps": 7, "cfg": 4.5}
    return make.made_image(alice, "text-to-image", values)


def page(client, image):
    return client.get(f"/gallery/{image.pk}/").content.decode()


def test_a_stored_output_keeps_how_it_was_made(alice):
    key = KEY.format(owner=alice.pk)
    values = {"prompt": "x", "image": key, "seed": 3}
    job = make.job(alice, "image-to-image", values, status="saving")
    now = timezone.now()
    server = make.server(name="gpu-9", version="0.33.1")
    times = {"started_at": now - timedelta(seconds=5), "finished_at": now}
    attempt = make.attempt(job, server, state="ended", **times)
    output = Output("9", "images", 0, "a.png", "", "output")
    results._store(job, attempt, output, io.BytesIO(make.png()), None)
    made = Image.objects.get().provenance
    assert (made.template_slug, made.version_number) == ("image-to-image", 1)
    assert made.graph == job.graph
    assert list(made.graph) == list(job.graph)
    assert made.parameters == job.parameters
    assert made.inputs == {"image": "ab" * 32}
    assert (made.server, made.comfyui_version) == ("gpu-9", "0.33.1")
    assert (made.sampler, made.scheduler) == ("euler", "normal")
    assert (made.steps, made.cfg, made.seconds) == (20, 7.0, 5.0)


def test_storing_the_same_output_again_changes_nothing(alice):
    job = make.job(alice, status="saving")
    attempt = make.attempt(job, make.server())
    output = Output("2", "images", 0, "a.png", "", "output")
    for _ in range(2):
        results._store(job, attempt, output, io.BytesIO(make.png()), None)
    assert Provenance.objects.count() == 1


def test_a_page_tells_how_its_picture_was_made(as_alice, picture):
    shown = page(as_alice, picture)
    for text in ("How it was made", "Text to image, version 1", "euler · normal"):
        assert text in shown
    assert "<b>quay" not in shown
    assert picture.provenance.server in shown
    assert "4.0 s" in shown


def test_a_page_tells_the_hash_of_an_input_picture(as_alice, alice):
    values = {"prompt": "x", "image": KEY.format(owner=alice.pk)}
    image = make.made_image(alice, "image-to-image", values)
    shown = page(as_alice, image)
    assert f"SHA-256 {'ab' * 32}" in shown
    assert values["image"] not in shown


def test_it_is_told_after_the_job_is_gone(as_alice, picture):
    picture.job.delete()
    shown = page(as_alice, picture)
    assert "Text to image, version 1" in shown
    assert "Width" in shown
    graph = as_alice.get(f"/gallery/{picture.pk}/workflow/").json()
    assert graph["3"]["inputs"]["seed"] == 2**64 - 1


def test_a_picture_without_provenance_shows_its_jobs_settings(as_alice, alice):
    image = make.image(alice, make.job(alice, values={"width": 333}))
    assert "333" in page(as_alice, image)
    assert as_alice.get(f"/gallery/{image.pk}/workflow/").status_code == 404


def test_the_api_tells_how_a_picture_was_made(as_alice, picture):
    made = as_alice.get(f"/api/gallery/images/{picture.pk}").json()["provenance"]
    assert (made["template"], made["version"]) == ("text-to-image", 1)
    assert made["parameters"]["steps"] == 7
    assert made["graph"]["3"]["inputs"]["cfg"] == 4.5
    assert made["duration_seconds"] == 4.0


def test_the_api_tells_nothing_of_a_picture_that_has_no_provenance(as_alice, alice):
    image = make.image(alice)
    found = as_alice.get(f"/api/gallery/images/{image.pk}").json()
    assert found["provenance"] is None


def test_a_stranger_learns_nothing(as_bob, picture):
    assert as_bob.get(f"/gallery/{picture.pk}/workflow/").status_code == 404

"""The form of a template: what no server can run, and what a server refused."""

from __future__ import annotations

import pytest

from tests import make

FLUX = "flux-dev.safetensors"


@pytest.fixture(autouse=True)
def ready(db):
    make.workflow()


def warning(client, slug="text-to-image"):
    page = client.get(f"/generate/{slug}/").content.decode()
    return "A job would wait until one can." in page, page


# What no server can run -----------------------------------------------------------


def test_a_template_that_no_server_can_run_says_so_before_anything_is_sent(as_alice):
    make.fixed_model(FLUX)
    make.server(name="gpu-3")
    warned, page = warning(as_alice)
    assert warned
    assert f"gpu-3 lacks {FLUX}" in page


def test_a_template_that_some_server_can_run_says_nothing(as_alice):
    make.server(catalog_id=make.catalog(without=["KSampler"]))
    make.server()
    assert not warning(as_alice)[0]


@pytest.mark.parametrize("state", [{"state": "offline"}, {"paused": True}])
def test_it_says_where_the_servers_are_that_could(as_alice, state):
    make.server(name="gpu-1", **state)
    assert warning(as_alice)[0]


def test_the_api_refuses_what_no_known_server_could_ever_run(as_alice, alice):
    make.fixed_model(FLUX)
    make.server(name="gpu-3")
    body = {"template": "text-to-image", "parameters": {"prompt": "x"}}
    response = as_alice.post(
        "/api/comfyui/generate", body, content_type="application/json"
    )
    assert response.status_code == 422
    [error] = response.json()["errors"]
    assert error["field"] == "template"
    assert error["message"] == f"No server can run it now: gpu-3 lacks {FLUX}."
    assert not alice.jobs.exists()


@pytest.mark.parametrize("state", [{"state": "offline"}, {"draining": True}])
def test_what_a_server_could_run_once_it_is_back_is_taken(as_alice, state):
    make.server(**state)
    body = {"template": "test-card"}
    response = as_alice.post(
        "/api/comfyui/generate", body, content_type="application/json"
    )
    assert response.status_code == 202


def test_a_server_that_was_not_looked_at_yet_might_run_it(as_alice):
    make.fixed_model(FLUX)
    make.server(name="gpu-3")
    make.server(name="new", catalog_id=None)
    body = {"template": "text-to-image", "parameters": {"prompt": "x"}}
    response = as_alice.post(
        "/api/comfyui/generate", body, content_type="application/json"
    )
    assert response.status_code == 202


def test_the_form_says_what_no_server_could_ever_run_and_keeps_the_values(as_alice):
    make.server(name="gpu-3", catalog_id=make.catalog(without=["EmptyImage"]))
    values = {"width": "96", "height": "64", "color": "#123456", "batch_size": "1"}
    response = as_alice.post("/generate/test-card/", values)
    page = response.content.decode()
    assert response.status_code == 422
    assert "gpu-3 lacks the node EmptyImage" in page
    assert 'name="width" value="96"' in page


def test_a_server_that_is_switched_off_is_no_hope(as_alice):
    make.server(name="gpu-3", catalog_id=make.catalog(without=["EmptyImage"]))
    make.server(name="off", enabled=False)
    response = as_alice.post(
        "/api/comfyui/generate",
        {"template": "test-card"},
        content_type="application/json",
    )
    assert response.status_code == 422


# What a server refused ------------------------------------------------------------


def refused(owner, **errors):
    return make.job(
        owner,
        values={"width": 320, "color": "#123456"},
        status="failed",
        error="The prompt was refused.",
        field_errors=errors,
    )


def test_the_job_leads_to_a_form_with_its_values_and_the_errors(as_alice, alice):
    make.server()
    job = refused(alice, width="Too large: 320 > 256")
    link = f"/generate/test-card/?from={job.pk}"
    assert link in as_alice.get(f"/jobs/{job.pk}/").content.decode()
    page = as_alice.get(link).content.decode()
    field = page.partition('name="width"')[2].partition('name="height"')[0]
    assert page.count('value="320"') == 1
    assert 'aria-invalid="true"' in field
    assert "Too large: 320 &gt; 256" in field
    assert 'value="#123456"' in page


def test_an_error_of_a_field_that_is_gone_is_shown_above_the_form(as_alice, alice):
    job = refused(alice, sharpness="Unknown")
    response = as_alice.get(f"/generate/test-card/?from={job.pk}")
    assert response.context["form"].non_field_errors() == ["Unknown"]


def test_another_persons_errors_are_not_shown(as_bob, alice):
    job = refused(alice, width="Too large: 320 > 256")
    page = as_bob.get(f"/generate/test-card/?from={job.pk}").content.decode()
    assert "Too large" not in page
    assert 'value="320"' not in page


def test_the_form_can_be_sent_again_once_it_is_right(as_alice, alice):
    make.server()
    refused(alice, width="Too large: 320 > 256")
    values = {"width": "256", "height": "64", "color": "#123456", "batch_size": "1"}
    assert as_alice.post("/generate/test-card/", values).status_code == 302

from __future__ import annotations

import json

import pytest
from django.test import Client

from generation.models import Job
from generation.models.limits import MAX_QUEUED
from tests import make

LOGIN = "/_allauth/app/v1/auth/login"


@pytest.fixture(autouse=True)
def ready(db):
    make.workflow()
    make.server()


def post(client, body, **headers):
    return client.post(
        "/api/comfyui/generate", body, content_type="application/json", headers=headers
    )


def test_it_queues_with_defaults(as_alice, alice):
    response = post(
        as_alice, {"template": "text-to-image", "parameters": {"prompt": "x"}}
    )
    assert response.status_code == 202
    [queued] = response.json()["jobs"]
    assert (queued["status"], queued["position"]) == ("queued", 1)
    job = alice.jobs.get(pk=queued["id"])
    # The default model is not at the server: the first that it has.
    assert job.parameters["model"] == "random-sd15.safetensors"
    assert job.graph["4"]["inputs"]["ckpt_name"] == "random-sd15.safetensors"
    assert job.graph["3"]["inputs"]["seed"] == job.parameters["seed"]
    assert job.graph["6"]["inputs"]["text"] == "x"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"steps": 0}, "steps"),
        ({"steps": 1e400}, "steps"),
        ({"cfg": "many"}, "cfg"),
        ({"width": 513}, "width"),
        ({"model": "not-there.ckpt"}, "model"),
        ({"seed": -5}, "seed"),
        ({"prompt": ["a"]}, "prompt"),
        ({"prompt": "x" * 20_001}, "prompt"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_it_names_the_wrong_field(as_alice, values, field):
    body = {"template": "text-to-image", "parameters": {"prompt": "x"} | values}
    response = post(as_alice, json.dumps(body))
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert not Job.objects.exists()


def test_a_missing_prompt_is_named(as_alice):
    response = post(as_alice, {"template": "text-to-image"})
    assert [e["field"] for e in response.json()["errors"]] == ["prompt"]


def test_an_unknown_template_is_404(as_alice):
    assert post(as_alice, {"template": "nope"}).status_code == 404


def test_the_same_key_gives_the_same_jobs(as_alice, as_bob):
    body = {"template": "test-card", "count": 2}
    first = post(as_alice, body, **{"Idempotency-Key": "k"}).json()["jobs"]
    again = post(as_alice, body, **{"Idempotency-Key": "k"}).json()["jobs"]
    other = post(as_bob, body, **{"Idempotency-Key": "k"}).json()["jobs"]
    assert [j["id"] for j in first] == [j["id"] for j in again]
    assert {j["id"] for j in first}.isdisjoint(j["id"] for j in other)


def test_a_batch_counts_a_fixed_seed_up(as_alice, alice):
    values = {"prompt": "x", "seed": 2**64 - 1}
    body = {"template": "text-to-image", "parameters": values, "count": 3}
    assert post(as_alice, body).status_code == 202
    seeds = {job.parameters["seed"] for job in alice.jobs.all()}
    assert seeds == {2**64 - 1, 0, 1}


def test_too_many_waiting_jobs_are_429(as_alice, alice):
    job = make.job(alice)
    Job.objects.bulk_create(
        Job(owner=alice, workflow=job.workflow, version=job.version, graph=job.graph)
        for _ in range(MAX_QUEUED - 1)
    )
    response = post(as_alice, {"template": "test-card"})
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0


def test_cancel_and_retry_say_when_it_is_too_late(as_alice, alice):
    job = make.job(alice)
    base = f"/api/comfyui/jobs/{job.pk}"
    assert as_alice.post(f"{base}/retry").status_code == 409
    assert as_alice.post(f"{base}/cancel").json()["status"] == "cancelled"
    assert as_alice.post(f"{base}/cancel").status_code == 409
    assert as_alice.post(f"{base}/retry").json()["status"] == "queued"


def test_lists_are_paged_by_cursor_with_constant_queries(
    as_alice, alice, django_assert_max_num_queries
):
    for _ in range(5):
        make.image(alice, make.job(alice, status="done"))
    seen, cursor = [], ""
    while True:
        with django_assert_max_num_queries(8):
            page = as_alice.get(f"/api/comfyui/jobs?limit=2&cursor={cursor}").json()
        seen += [job["id"] for job in page["items"]]
        if not (cursor := page["next"]):
            break
    assert len(seen) == len(set(seen)) == 5
    assert as_alice.get("/api/comfyui/jobs?cursor=nonsense").status_code == 422
    assert as_alice.get("/api/comfyui/jobs?limit=1000").status_code == 422


def test_templates_are_json_schemas(as_alice):
    response = as_alice.get("/api/comfyui/templates/text-to-image")
    properties = response.json()["parameters"]["properties"]
    assert list(properties)[:2] == ["prompt", "negative_prompt"]
    assert properties["steps"]["maximum"] == 100
    assert "random-sd15.safetensors" in properties["model"]["enum"]
    assert len(as_alice.get("/api/comfyui/templates").json()["items"]) == 3


def test_a_jwt_works_until_sign_out(alice):
    client = Client()
    body = {"username": "alice", "password": "alice-password"}
    answer = client.post(LOGIN, body, content_type="application/json").json()
    token = answer["meta"]["access_token"]
    session = answer["meta"]["session_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    fresh = Client()
    assert fresh.get("/api/comfyui/jobs", headers=bearer).status_code == 200
    assert fresh.get("/api/comfyui/jobs").status_code == 401
    fresh.delete("/_allauth/app/v1/auth/session", headers={"X-Session-Token": session})
    assert fresh.get("/api/comfyui/jobs", headers=bearer).status_code == 401


def test_a_deactivated_persons_jwt_is_refused_at_once(alice):
    client = Client()
    body = {"username": "alice", "password": "alice-password"}
    answer = client.post(LOGIN, body, content_type="application/json").json()
    bearer = {"Authorization": f"Bearer {answer['meta']['access_token']}"}
    alice.is_active = False
    alice.save(update_fields=["is_active"])
    assert Client().get("/api/comfyui/jobs", headers=bearer).status_code == 401


def test_a_token_that_has_run_out_is_401_also_for_deeds(db):
    """Not a word of CSRF, which scripts know nothing of."""
    client = Client(enforce_csrf_checks=True)
    body = {"template": "test-card", "parameters": {}}
    for headers in ({"Authorization": "Bearer stale"}, {"X-Session-Token": "old"}, {}):
        answer = client.post(
            "/api/comfyui/generate", body, "application/json", headers=headers
        )
        assert answer.status_code == 401, headers


def test_a_page_needs_its_csrf_token(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    body = {"template": "test-card", "parameters": {}}
    answer = client.post("/api/comfyui/generate", body, "application/json")
    assert answer.status_code == 403
    assert not alice.jobs.exists()


def test_a_grid_is_one_batch(as_alice, alice):
    body = {
        "template": "test-card",
        "sweep": {"width": [64, 128], "height": [64, 128, 192]},
    }
    response = post(as_alice, body, **{"Idempotency-Key": "grid"})
    assert len(response.json()["jobs"]) == 6
    again = post(as_alice, body, **{"Idempotency-Key": "grid"})
    assert again.json()["jobs"][5]["id"] == response.json()["jobs"][5]["id"]
    assert alice.jobs.count() == 6
    assert alice.jobs.values("batch").distinct().count() == 1


def test_a_wrong_grid_is_named(as_alice, alice):
    body = {"template": "test-card", "sweep": {"width": [64, "wide"]}}
    response = post(as_alice, body)
    assert response.status_code == 422
    assert [e["field"] for e in response.json()["errors"]] == ["sweep"]
    assert not alice.jobs.exists()


def test_a_picture_of_my_gallery_is_given_by_its_id(as_alice, alice, bob):
    def ask(image):
        values = {"prompt": "x", "image": str(image.pk)}
        return post(as_alice, {"template": "image-to-image", "parameters": values})

    assert ask(make.image(alice)).status_code == 202
    assert ask(make.image(bob)).status_code == 422
    assert alice.jobs.count() == 1


def test_a_schema_is_within_the_limits_of_the_nodes(as_alice):
    answer = as_alice.get("/api/comfyui/templates/text-to-image").json()
    properties = answer["parameters"]["properties"]
    assert properties["cfg"]["maximum"] == 30
    assert properties["seed"]["anyOf"][0]["maximum"] == 2**64 - 1

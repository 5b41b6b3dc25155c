"""What a person keeps, by the API: presets, word lists, limits, inputs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from generation.models import PersonLimits
from tests import make

API = "/api/comfyui"


@pytest.fixture(autouse=True)
def ready(db):
    make.workflow()
    make.server()


def send(client, method, path, body):
    return getattr(client, method)(API + path, body, content_type="application/json")


def preset(client, **fields):
    body = {"template": "test-card", "name": "wide", "values": {"width": 640}} | fields
    return send(client, "post", "/presets", body)


def errors(answer):
    assert answer.status_code == 422, answer.content
    return [error["field"] for error in answer.json()["errors"]]


def test_limits_tell_what_is_used_and_left(as_alice, alice):
    PersonLimits.objects.create(
        person=alice, max_queued=5, pictures_per_day=10, gpu_minutes_per_day=60
    )
    make.job(alice)
    make.job(alice, status="running", pictures=2)
    done = make.job(alice, status="done")
    now = timezone.now()
    times = {"started_at": now - timedelta(seconds=90), "finished_at": now}
    make.attempt(done, make.server(), state="ended", **times)
    make.job(alice, status="failed")
    make.job(make.user("carol"))
    found = as_alice.get(f"{API}/limits").json()
    assert found["queued"] == {"limit": 5, "used": 2, "left": 3}
    assert found["in_flight"] == {"limit": None, "used": 1, "left": None}
    assert found["pictures_per_day"] == {"limit": 10, "used": 4, "left": 6}
    assert found["gpu_minutes_per_day"] == {"limit": 60, "used": 1.5, "left": 58.5}
    assert found["waits_because"] == ""


def test_the_queue_tells_of_ones_own_places(as_alice, alice, bob):
    make.job(bob)
    mine = make.job(alice)
    found = as_alice.get(f"{API}/queue").json()
    assert found["paused"] is False
    assert [(job["id"], job["status"]) for job in found["jobs"]] == [
        (str(mine.pk), "queued")
    ]
    assert found["jobs"][0]["position"] in (1, 2)


def test_a_preset_from_cradle_to_grave(as_alice, as_bob, alice, bob):
    made = preset(as_alice).json()
    assert made["values"] == {"width": 640}
    address = f"/presets/{made['id']}"
    assert as_bob.get(API + address).status_code == 404
    make.group("studio", alice, bob)
    shared = send(as_alice, "patch", address, {"group": "studio", "name": "broad"})
    assert (shared.json()["name"], shared.json()["group"]) == ("broad", "studio")
    seen = as_bob.get(API + address).json()
    assert (seen["own"], seen["name"]) == (False, "broad")
    # Seen is not owned.
    assert send(as_bob, "patch", address, {"name": "mine"}).status_code == 404
    assert as_bob.delete(API + address).status_code == 404
    assert as_alice.delete(API + address).status_code == 204
    assert as_alice.get(f"{API}/presets").json()["items"] == []


def test_what_is_wrong_with_a_preset_is_named(as_alice, alice, bob):
    make.group("others", bob)
    assert errors(preset(as_alice, values={"width": 5})) == ["values.width"]
    assert errors(preset(as_alice, values={"wdith": 64})) == ["values.wdith"]
    assert errors(preset(as_alice, group="others")) == ["group"]
    assert errors(preset(as_alice, template="none")) == ["template"]
    assert errors(preset(as_alice, name=" ")) == ["name"]
    assert not alice.presets.exists()
    preset(as_alice)
    other = preset(as_alice, name="tall").json()
    taken = send(as_alice, "patch", f"/presets/{other['id']}", {"name": "wide"})
    assert errors(taken) == ["name"]


def test_a_preset_takes_nobody_elses_file(as_alice, bob):
    values = {"prompt": "x", "image": f"inputs/{bob.pk}/a.png"}
    answer = preset(as_alice, template="image-to-image", values=values)
    assert errors(answer) == ["values.image"]


def test_word_lists(as_alice, as_bob):
    path = "/word-lists/moods"
    assert send(as_alice, "put", path, {"words": ["calm", "wild\nhair", " "]}).json()[
        "words"
    ] == ["calm", "wild hair"]
    assert as_alice.get(f"{API}/word-lists").json()["items"][0]["name"] == "moods"
    assert as_bob.get(API + path).status_code == 404
    assert as_bob.delete(API + path).status_code == 404
    assert errors(send(as_alice, "put", path, {"words": []})) == ["words"]
    assert errors(send(as_alice, "put", "/word-lists/No", {"words": ["a"]})) == ["name"]
    assert as_alice.delete(API + path).status_code == 204
    assert as_alice.get(API + path).status_code == 404


def test_an_input_that_was_sent_is_used(as_alice, as_bob, alice):
    sent = as_alice.post(f"{API}/inputs", {"file": make.upload(), "kind": "image"})
    assert sent.status_code == 201
    key = sent.json()["value"]
    assert key.startswith(f"inputs/{alice.pk}/")

    def ask(client):
        values = {"prompt": "x", "image": key}
        body = {"template": "image-to-image", "parameters": values}
        return send(client, "post", "/generate", body)

    assert ask(as_alice).status_code == 202
    assert errors(ask(as_bob)) == ["image"]


def test_a_bad_input_is_named(as_alice, settings):
    from django.core.files.uploadedfile import SimpleUploadedFile

    def file(content):
        return {"file": SimpleUploadedFile("a.png", content), "kind": "image"}

    assert errors(as_alice.post(f"{API}/inputs", file(b"<svg/>"))) == ["file"]
    assert errors(as_alice.post(f"{API}/inputs", file(b""))) == ["file"]
    assert errors(as_alice.post(f"{API}/inputs", {"kind": "image"})) == ["file"]
    settings.LIFEOS_MAX_UPLOAD_BYTES = 10
    assert errors(as_alice.post(f"{API}/inputs", {"file": make.upload()})) == ["file"]

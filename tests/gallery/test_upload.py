"""Files that people add themselves: by the page with and without its script, by API."""

from __future__ import annotations

import io
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from gallery.keeping import quota
from gallery.models import Image
from tests import make
from tests.gallery import bad
from tests.gallery.test_media import FILM
from tests.generation import files as carrying

JSON = {"Accept": "application/json"}


def file(content, name="a.png"):
    return SimpleUploadedFile(name, content, content_type="image/png")


def send(client, *files, **headers):
    return client.post("/gallery/upload/", {"files": files}, headers=headers)


def test_pictures_and_films_are_kept_for_whoever_brings_them(as_alice, alice, as_bob):
    response = send(as_alice, file(make.png()), file(FILM, "film.bin"))
    assert response.status_code == 200
    kept = {image.media: image for image in Image.objects.all()}
    assert set(kept) == {"picture", "video"}
    assert kept["video"].owner == alice
    assert kept["video"].source_name == "film.bin"
    assert kept["video"].job is None
    page = response.content.decode()
    assert all(f"/gallery/{image.pk}/" in page for image in kept.values())
    assert as_bob.get(f"/gallery/{kept['video'].pk}/").status_code == 404


def test_each_refused_file_has_its_reason_and_the_others_are_kept(as_alice):
    response = send(as_alice, file(bad.SVG, "evil.png"), file(make.png()), **JSON)
    refused, kept = response.json()["items"]
    assert response.status_code == 200
    assert refused["name"] == "evil.png"
    assert "SVG" in refused["reason"]
    assert as_alice.get(kept["url"]).status_code == 200
    assert as_alice.get(kept["thumbnail"]).status_code == 200
    page = send(as_alice, file(bad.SVG, "<b>evil"))
    assert page.status_code == 422
    assert "&lt;b&gt;evil" in page.content.decode()


@pytest.mark.parametrize("content", [b"just words", b'{"a": 1}'])
def test_texts_are_for_servers_to_put_out(content, as_alice):
    [item] = send(as_alice, file(content), **JSON).json()["items"]
    assert item["reason"].startswith("This is neither")
    assert not Image.objects.exists()


def test_nothing_chosen_is_told(as_alice):
    response = as_alice.post("/gallery/upload/")
    assert response.status_code == 422
    assert b"Choose at least one file." in response.content


def test_a_file_that_is_too_large(as_alice, settings):
    settings.LIFEOS_MAX_UPLOAD_BYTES = 100
    [item] = send(as_alice, file(make.png()), **JSON).json()["items"]
    assert item["reason"] == "The file is larger than 100\xa0bytes."


def test_a_person_whose_storage_is_full(as_alice, monkeypatch):
    monkeypatch.setattr(
        quota, "_source", [lambda ids: {pk: quota.Quota(bytes=10) for pk in ids}]
    )
    [item] = send(as_alice, file(make.png()), **JSON).json()["items"]
    assert "Delete pictures" in item["reason"]
    assert not Image.objects.exists()


def test_a_full_disk_is_told_and_nothing_stays(as_alice, monkeypatch):
    from gallery import storage

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.Homes, "_save", full)
    [item] = send(as_alice, file(make.png()), **JSON).json()["items"]
    assert item["reason"].endswith("Please try again.")
    assert not Image.objects.exists()


def test_the_same_file_twice_is_one_picture(as_alice, as_bob, alice):
    send(as_alice, file(make.png()))
    [item] = send(as_alice, file(make.png(), "again.png"), **JSON).json()["items"]
    assert item["reason"] == "This file is in your gallery already."
    assert Image.objects.count() == 1
    [theirs] = send(as_bob, file(make.png()), **JSON).json()["items"]
    assert "url" in theirs  # it tells nobody what others have
    Image.objects.get(owner=alice).delete_softly()
    [back] = send(as_alice, file(make.png()), **JSON).json()["items"]
    assert "back in your gallery" in back["reason"]
    assert Image.objects.owned_by(alice).count() == 1


A1111 = (
    "a quay at dawn\nNegative prompt: fog\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 12345, Size: 4x4, Model: harbour"
)


def test_what_a_picture_says_of_its_making_comes_along(as_alice):
    send(as_alice, file(carrying.png({"parameters": A1111})))
    image = Image.objects.get()
    assert (image.prompt, image.negative_prompt) == ("a quay at dawn", "fog")
    assert (image.seed, image.model) == ("12345", "harbour")


def test_a_picture_of_comfyui_too(as_alice):
    graph = make.starter("text-to-image")["graph"]
    graph["6"]["inputs"]["text"] = "a lighthouse"
    send(as_alice, file(carrying.png({"prompt": json.dumps(graph)})))
    assert Image.objects.get().prompt == "a lighthouse"


def test_the_api_adds_files(as_alice):
    files = [io.BytesIO(make.png()), io.BytesIO(bad.SVG)]
    response = as_alice.post("/api/gallery/images", {"files": files})
    assert response.status_code == 201
    answer = response.json()
    assert answer["items"][0]["mime_type"] == "image/png"
    assert "SVG" in answer["refused"][0]["reason"]
    again = as_alice.post("/api/gallery/images", {"files": io.BytesIO(bad.SVG)})
    assert again.status_code == 422
    assert as_alice.post("/api/gallery/images").status_code == 422


def test_one_has_to_be_signed_in(client):
    assert client.post("/gallery/upload/").status_code == 302
    assert client.post("/api/gallery/images").status_code == 401

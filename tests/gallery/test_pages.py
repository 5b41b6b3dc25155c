"""The gallery, a picture's page, its files."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from tests import make

HTMX = {"HX-Request": "true"}


def address(name, image, *more):
    return reverse(f"gallery:{name}", args=[image.pk, *more])


def test_the_gallery_pages_through_all_pictures_newest_first(
    as_alice, alice, monkeypatch
):
    monkeypatch.setattr("gallery.grid.PAGE", 2)
    now = timezone.now()
    made = [make.image(alice, created=now - timedelta(hours=i)) for i in range(5)]
    seen, cursor = [], ""
    while cursor is not None:
        response = as_alice.get(f"/gallery/?cursor={cursor}", headers=HTMX)
        assert b"<html" not in response.content
        page = response.context["page"]
        seen += [tile.image.pk for tile in page.tiles]
        cursor = page.next
    assert seen == [image.pk for image in made]


def test_more_pictures_come_by_a_link_too(as_alice, alice, monkeypatch):
    monkeypatch.setattr("gallery.grid.PAGE", 1)
    make.image(alice)
    make.image(alice)
    response = as_alice.get("/gallery/")
    cursor = response.context["page"].next
    assert f'href="?cursor={cursor}"' in response.content.decode()
    assert b"<html" in as_alice.get(f"/gallery/?cursor={cursor}").content


def test_tiles_keep_their_place_while_they_load(as_alice, alice):
    image = make.image(alice)
    page = as_alice.get("/gallery/").content.decode()
    assert f'width="{image.width}" height="{image.height}"' in page
    assert image.placeholder in page


def test_a_picture_shows_what_it_was_made_with(as_alice, alice):
    job = make.job(alice, values={"width": 320})
    image = make.image(alice, job, prompt="a <b>harbour</b>", seed=str(2**64 - 1))
    page = as_alice.get(address("image", image)).content.decode()
    assert "a &lt;b&gt;harbour&lt;/b&gt;" in page
    assert str(2**64 - 1) in page
    assert image.sha256 in page
    assert f"/generate/test-card/?from={image.pk}" in page


def test_a_picture_leads_to_its_neighbours(as_alice, alice):
    now = timezone.now()
    new, middle, old = (
        make.image(alice, created=now - timedelta(hours=i)) for i in range(3)
    )
    page = as_alice.get(address("image", middle)).content.decode()
    assert f'rel="prev" href="{address("image", new)}"' in page
    assert f'rel="next" href="{address("image", old)}"' in page


def test_a_deleted_picture_is_gone_everywhere(as_alice, alice):
    image = make.image(alice)
    response = as_alice.post(address("delete-image", image))
    assert response["Location"] == "/gallery/"
    assert str(image.pk) not in as_alice.get("/gallery/").content.decode()
    for name, more in (
        ("image", ()),
        ("image-file", ()),
        ("image-thumbnail", ("small",)),
    ):
        assert as_alice.get(address(name, image, *more)).status_code == 404


def test_looking_does_not_delete(as_alice, alice):
    image = make.image(alice)
    assert as_alice.get(address("delete-image", image)).status_code == 405
    assert as_alice.get(address("image", image)).status_code == 200


@pytest.mark.parametrize("size", ["small", "large"])
def test_thumbnails_are_webp(as_alice, alice, size):
    response = as_alice.get(address("image-thumbnail", make.image(alice), size))
    assert response["Content-Type"] == "image/webp"
    assert b"".join(response.streaming_content)[8:12] == b"WEBP"


def test_another_size_does_not_exist(as_alice, alice):
    image = make.image(alice)
    assert as_alice.get(address("image-thumbnail", image, "huge")).status_code == 404

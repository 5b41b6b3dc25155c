"""A picture's page: its neighbours in a list, what it tells, notes, what is alike."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from gallery.models import Album, AlbumItem, Image, Tag, Tagged
from tests import make

HTMX = {"HX-Request": "true"}


@pytest.fixture
def row(alice):
    """Four pictures, the newest first; the two in the middle of the same moment."""
    now = timezone.now()
    ages = (1, 2, 2, 3)
    made = [make.image(alice, created=now - timedelta(hours=age)) for age in ages]
    return sorted(made, key=lambda image: (image.created, image.pk), reverse=True)


def around(client, image, query=""):
    context = client.get(f"/gallery/{image.pk}/{query}").context
    return context["newer"], context["older"]


def test_neighbours_follow_the_gallery_both_ways(as_alice, row):
    for place, image in enumerate(row):
        before = row[place - 1] if place else None
        after = row[place + 1] if place + 1 < len(row) else None
        assert around(as_alice, image) == (before, after)
        assert around(as_alice, image, "?order=oldest") == (after, before)


def test_neighbours_follow_an_album_in_its_own_order(as_alice, alice, row):
    album = Album.objects.create(owner=alice, title="Coast")
    order = [row[2], row[0], row[3]]
    for image, position in zip(order, (1.0, 2.0, 2.0), strict=True):
        AlbumItem.objects.create(album=album, image=image, position=position)
    query = f"?in=album:{album.pk}"
    assert around(as_alice, order[0], query) == (None, order[1])
    assert around(as_alice, order[1], query) == (order[0], order[2])
    assert around(as_alice, order[2], query) == (order[1], None)
    page = as_alice.get(f"/gallery/{order[1].pk}/{query}").content.decode()
    assert f'href="/gallery/{order[2].pk}/?in=album%3A{album.pk}"' in page
    assert f'href="/gallery/albums/{album.pk}/"' in page
    order[2].delete_softly()
    assert around(as_alice, order[1], query) == (order[0], None)


def test_neighbours_follow_a_tag(as_alice, alice, row):
    tag = Tag.objects.create(owner=alice, name="Fog")
    for image in (row[0], row[3]):
        Tagged.objects.create(tag=tag, image=image, created=image.created)
    assert around(as_alice, row[0], "?in=tag:fog") == (None, row[3])
    assert around(as_alice, row[3], "?in=tag:fog") == (row[0], None)


def test_a_list_of_somebody_else_is_no_list(as_alice, bob, row):
    album = Album.objects.create(owner=bob, title="A secret coast")
    theirs = make.image(bob)
    for place, image in enumerate((theirs, row[1])):
        AlbumItem.objects.create(album=album, image=image, position=place)
    for query in (f"?in=album:{album.pk}", "?in=album:x", "?in=x", "?in=tag:%00"):
        assert around(as_alice, row[1], query) == (row[0], row[2])
    page = as_alice.get(f"/gallery/{row[1].pk}/?in=album:{album.pk}").content.decode()
    assert "secret coast" not in page


def test_a_page_costs_the_same_however_long_the_list_is(
    as_alice, alice, row, django_assert_max_num_queries
):
    with django_assert_max_num_queries(12) as few:
        as_alice.get(f"/gallery/{row[1].pk}/")
    for _ in range(20):
        make.image(alice)
    with django_assert_max_num_queries(len(few)):
        as_alice.get(f"/gallery/{row[1].pk}/")


def test_htmx_gets_the_part_that_changes(as_alice, row):
    response = as_alice.get(f"/gallery/{row[0].pk}/", headers=HTMX)
    shown = response.content.decode()
    assert "<html" not in shown
    assert 'id="view"' in shown
    assert "<title>a lighthouse at dusk" in shown
    assert "HX-Request" in response["Vary"]


# What it tells ---------------------------------------------------------------------


@pytest.fixture
def made(alice):
    values = {"prompt": "x", "seed": 2**64 - 1, "steps": 7, "width": 512, "height": 768}
    return make.made_image(alice, "text-to-image", values, prompt="a \u201cquay\u201d")


def test_all_settings_are_there_as_json(as_alice, made):
    context = as_alice.get(f"/gallery/{made.pk}/").context
    told = json.loads(context["as_json"])
    assert told["prompt"] == "a \u201cquay\u201d"
    assert told["template"] == "text-to-image"
    assert told["parameters"]["seed"] == 2**64 - 1
    assert told["input_hashes"] == {}


def test_json_does_not_tell_where_files_lie(as_alice, alice):
    key = f"inputs/{alice.pk}/{'ab' * 32}.png"
    image = make.made_image(alice, "image-to-image", {"prompt": "x", "image": key})
    page = as_alice.get(f"/gallery/{image.pk}/")
    told = json.loads(page.context["as_json"])
    assert told["input_hashes"] == {"image": "ab" * 32}
    assert key not in page.content.decode()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"width": 512, "height": 768}, "512×768"),
        ({"name": "fog.safetensors", "strength": 0.5}, "fog.safetensors, strength 0.5"),
        (True, "Yes"),
        (False, "No"),
        (1.0, "1"),
        ({"a": 1, "b": 2}, "1 · 2"),
        ("plain", "plain"),
        (7, 7),
    ],
)
def test_values_are_spoken(value, said):
    from generation.templatetags.remake import spoken

    assert spoken(value) == said


def test_players_and_tiles_by_kind(as_alice, alice):
    shown = {
        "picture": "<img",
        "animation": "<img",
        "video": "<video",
        "audio": "<audio",
        "model": "Download</a></figure>",
        "other": "Download</a></figure>",
    }
    for media, element in shown.items():
        image = make.image(alice, media=media)
        page = as_alice.get(f"/gallery/{image.pk}/").content.decode()
        stage = page.split('class="view-canvas"')[1].split('class="view-bar"')[0]
        assert element in stage, media


def test_a_text_is_shown_as_text(as_alice, alice):
    key = f"images/{alice.pk}/a.txt"
    content = b"<script>alert(1)</script> caf\xe9"
    default_storage.save(key, ContentFile(content))
    image = make.image(alice, media="text", file=key, bytes=len(content))
    page = as_alice.get(f"/gallery/{image.pk}/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; caf\ufffd" in page
    assert "<script>alert" not in page


def test_a_long_text_is_shown_from_its_beginning(as_alice, alice, monkeypatch):
    monkeypatch.setattr("gallery.viewing.SHOWN_TEXT", 4)
    key = f"images/{alice.pk}/a.txt"
    default_storage.save(key, ContentFile(b"abcdefgh"))
    image = make.image(alice, media="text", file=key, bytes=8)
    assert as_alice.get(f"/gallery/{image.pk}/").context["text"] == "abcd\n…"


def test_a_text_whose_file_is_gone_has_a_page(as_alice, alice):
    image = make.image(alice, media="text", file="images/none.txt")
    assert as_alice.get(f"/gallery/{image.pk}/").status_code == 200


# Notes and labels ------------------------------------------------------------------


def test_notes_are_kept(as_alice, row):
    address = f"/gallery/{row[0].pk}/notes/"
    response = as_alice.post(address, {"notes": " too dark\r\n"}, headers=HTMX)
    assert "Saved" in response.content.decode()
    row[0].refresh_from_db()
    assert row[0].notes == " too dark\n"
    as_alice.post(address, {"notes": ""})
    row[0].refresh_from_db()
    assert row[0].notes == ""


def test_notes_that_are_too_long_come_back_with_a_sentence(as_alice, row):
    long = "n" * 5001
    address = f"/gallery/{row[0].pk}/notes/"
    response = as_alice.post(address, {"notes": long}, headers=HTMX)
    assert response.status_code == 422
    assert long in response.content.decode()
    assert "at most 5000" in response.content.decode()
    row[0].refresh_from_db()
    assert row[0].notes == ""


def test_nobody_writes_on_others_pictures(as_bob, row):
    for path, form in (("notes/", {"notes": "x"}), ("labels/", None)):
        address = f"/gallery/{row[0].pk}/{path}"
        answer = as_bob.post(address, form) if form else as_bob.get(address)
        assert answer.status_code == 404
    row[0].refresh_from_db()
    assert row[0].notes == ""


def test_tags_and_albums_are_told(as_alice, alice, row):
    album = Album.objects.create(owner=alice, title="Coast")
    other = Album.objects.create(owner=alice, title="Harbours")
    AlbumItem.objects.create(album=album, image=row[0], position=1)
    tag = Tag.objects.create(owner=alice, name="Fog")
    Tagged.objects.create(tag=tag, image=row[0], created=row[0].created)
    context = as_alice.get(f"/gallery/{row[0].pk}/labels/").context
    assert list(context["albums"]) == [album]
    assert list(context["tags"]) == [tag]
    assert list(context["other_albums"]) == [other]


# Privacy ---------------------------------------------------------------------------


def test_a_picture_is_made_private_and_back(as_alice, row):
    form = {"ids": str(row[0].pk), "private": "on"}
    assert as_alice.post("/gallery/private/", form).status_code == 204
    assert 'class="tile veiled"' in as_alice.get("/gallery/").content.decode()
    assert as_alice.get(f"/gallery/{row[0].pk}/").context["veiled"]
    as_alice.post("/gallery/private/", form | {"private": "off"})
    assert "veiled" not in as_alice.get("/gallery/").content.decode()


def test_an_album_is_private_with_what_is_in_it(as_alice, alice, bob, row):
    album = Album.objects.create(owner=alice, title="Coast")
    theirs = make.image(bob)
    for place, image in enumerate((row[0], theirs)):
        AlbumItem.objects.create(album=album, image=image, position=place)
    as_alice.post("/gallery/private/", {"album": str(album.pk), "private": "on"})
    private = set(Image.objects.filter(private=True).values_list("pk", flat=True))
    assert private == {row[0].pk}
    # What comes later is blurred in the album, and only there.
    AlbumItem.objects.create(album=album, image=row[1], position=9)
    query = f"?in=album:{album.pk}"
    assert as_alice.get(f"/gallery/{row[1].pk}/{query}").context["veiled"]
    assert not as_alice.get(f"/gallery/{row[1].pk}/").context["veiled"]


def test_nobody_changes_the_privacy_of_others(as_bob, alice, row):
    album = Album.objects.create(owner=alice, title="Coast")
    for form in ({"ids": str(row[0].pk)}, {"album": str(album.pk)}, {"album": "x"}, {}):
        answer = as_bob.post("/gallery/private/", form | {"private": "on"})
        assert answer.status_code == 404
    assert not Image.objects.filter(private=True).exists()


def test_pages_are_blurred_by_the_server(as_alice, alice):
    assert "data-blur" not in as_alice.get("/gallery/").content.decode()
    response = as_alice.post("/privacy/blur/", {"blur": "on"})
    assert response.status_code == 302
    for address in ("/", "/gallery/", "/jobs/"):
        page = as_alice.get(address).content.decode()
        assert '<html lang="en" data-blur data-panic="escape">' in page
    as_alice.post("/privacy/blur/", {"blur": "off"})
    assert "data-blur" not in as_alice.get("/gallery/").content.decode()


def test_the_panic_key_is_chosen(as_alice, alice):
    as_alice.post("/privacy/", {"panic_key": "F9", "blur_pictures": "on"})
    alice.refresh_from_db()
    assert (alice.panic_key, alice.blur_pictures) == ("F9", True)
    assert 'data-panic="F9"' in as_alice.get("/").content.decode()
    assert as_alice.post("/privacy/", {"panic_key": "Enter"}).status_code == 422
    as_alice.post("/privacy/", {"panic_key": ""})
    assert 'data-panic=""' in as_alice.get("/").content.decode()


def test_the_switch_leads_back_but_never_elsewhere(as_alice):
    def back(place):
        headers = {"Referer": place}
        return as_alice.post("/privacy/blur/", {"blur": "on"}, headers=headers)

    assert back("http://testserver/jobs/")["Location"] == "http://testserver/jobs/"
    assert back("http://elsewhere.example/")["Location"] == "/"


def test_the_blank_page_says_nothing(client, as_alice):
    for visitor in (client, as_alice):
        response = visitor.get("/blank/")
        assert "Life" not in response.content.decode()
        assert response["Cache-Control"] == "no-store"


# Alike -----------------------------------------------------------------------------


def groups(client, image):
    response = client.get(f"/gallery/{image.pk}/related/", headers=HTMX)
    return {title: list(images) for title, images in response.context["groups"]}


def test_pictures_like_this_one(as_alice, alice, bob):
    now = timezone.now()

    def add(prompt, owner=alice, of=None, **fields):
        return make.image(owner, of, prompt=prompt, created=now, **fields)

    job = make.job(alice)
    this = add("a lighthouse at dusk, best quality", of=job, seed="7")
    sibling = add("a lighthouse at dusk, best quality", of=job)
    close = add("a lighthouse at dawn, best quality")
    far = add("a red bicycle, best quality", seed="7")
    for _ in range(5):
        add("a bowl of pears, best quality")
    add("a lighthouse at dusk, best quality", owner=bob, seed="7")
    trashed = add("a lighthouse at dusk", deleted_at=now)
    found = groups(as_alice, this)
    assert found["Made together"] == [sibling]
    assert found["Similar prompts"][0] == close
    assert far not in found["Similar prompts"]
    assert found["Same seed"] == [far]
    assert trashed not in [image for some in found.values() for image in some]


def test_looking_for_likeness_reads_a_bounded_number(as_alice, alice, monkeypatch):
    monkeypatch.setattr("gallery.viewing.AROUND", 2)
    now = timezone.now()
    made = [
        make.image(alice, created=now - timedelta(minutes=n), prompt="a quay in fog")
        for n in range(9)
    ]
    found = groups(as_alice, made[4])
    assert set(found["Similar prompts"]) == {made[n] for n in (2, 3, 5, 6)}


def test_likeness_costs_the_same_however_much_there_is(
    as_alice, alice, django_assert_max_num_queries
):
    image = make.image(alice)
    with django_assert_max_num_queries(8) as few:
        groups(as_alice, image)
    for _ in range(10):
        make.image(alice)
    # One more: there was nothing to fetch before.
    with django_assert_max_num_queries(len(few) + 1):
        groups(as_alice, image)


def test_likeness_without_a_script_is_a_page(as_alice, row):
    assert b"<html" in as_alice.get(f"/gallery/{row[0].pk}/related/").content


# In albums of others ---------------------------------------------------------------


def test_whoever_may_only_look_gets_no_secret(as_bob, alice, bob, made):
    album = Album.objects.create(owner=alice, title="Coast")
    AlbumItem.objects.create(album=album, image=made, position=1)
    album.shares.create(person=bob)
    Image.objects.filter(pk=made.pk).update(notes="mine alone", rating=4)
    query = f"?in=album:{album.pk}"
    for headers in ({}, HTMX):
        page = as_bob.get(f"/gallery/{made.pk}/{query}", headers=headers)
        shown = page.content.decode()
        for secret in ("quay", "mine alone", "Guidance", str(2**64 - 1), "data-mark-f"):
            assert secret not in shown
        assert page.context["as_json"] == ""
    other = make.image(bob)
    compared = as_bob.get(f"/gallery/compare/?ids={made.pk},{other.pk}")
    for secret in ("quay", "Guidance", str(2**64 - 1)):
        assert secret not in compared.content.decode()
    for path in ("notes/", "related/"):
        assert b"quay" not in as_bob.get(f"/gallery/{made.pk}/{path}").content
    form = {"ids": str(made.pk), "private": "on"}
    assert as_bob.post("/gallery/private/", form).status_code == 404
    assert as_bob.get(f"/gallery/shares/new/?ids={made.pk}").status_code == 404


def test_likeness_tells_nothing_of_a_prompt_that_is_not_shown(as_bob, alice, bob, made):
    """Else one could guess at it, word by word, with pictures of one's own."""
    album = Album.objects.create(owner=alice, title="Coast")
    AlbumItem.objects.create(album=album, image=made, position=1)
    album.shares.create(person=bob)
    make.image(bob, prompt=made.prompt, seed=made.seed)
    assert as_bob.get(f"/gallery/{made.pk}/related/").status_code == 404

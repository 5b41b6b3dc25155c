"""Changing many pictures at once, and taking it back."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gallery.models import Album, AlbumItem, AlbumShare, Image, Tag, Undo
from tests import make

JSON = {"Accept": "application/json"}
PAGE = {"Accept": "text/html,*/*;q=0.8"}


def post(client, images, action, value=""):
    ids = [str(getattr(image, "pk", image)) for image in images]
    data = {"ids": ids, "action": action, "value": value}
    return client.post("/gallery/mark/", data, headers=JSON)


def undo(client, token):
    return client.post("/gallery/undo/", {"undo": token}, headers=JSON)


def state(owner):
    rows = Image.objects.filter(owner=owner).order_by("pk")
    return [
        (
            row.favourite,
            row.rating,
            row.deleted_at,
            sorted(row.tags.values_list("name", flat=True)),
            sorted(row.album_items.values_list("album", "position", "added_by")),
        )
        for row in rows
    ]


@pytest.fixture
def album(alice):
    return Album.objects.create(owner=alice, title="Lighthouses")


@pytest.fixture
def three(alice):
    """Three pictures that differ in everything that can be changed."""
    plain, rated = make.image(alice), make.image(alice, rating=2, favourite=True)
    tagged = make.image(alice, rating=5)
    tag = Tag.objects.create(owner=alice, name="Sea")
    tag.tagged.create(image=tagged, created=tagged.created)
    return [plain, rated, tagged]


@pytest.mark.parametrize(
    ("action", "value", "changed"),
    [
        ("favourite", "", 2),
        ("unfavourite", "", 1),
        ("rate", "5", 2),
        ("rate", "0", 2),
        ("trash", "", 3),
        ("tag", "sea", 2),
        ("tag", "New word", 3),
        ("untag", "SEA", 1),
        ("album-add", "album", 2),
        ("album-remove", "album", 1),
    ],
)
def test_every_change_is_taken_back_to_what_was(
    as_alice, alice, three, album, action, value, changed
):
    AlbumItem.objects.create(album=album, image=three[0], position=3.5, added_by=alice)
    before = state(alice)
    value = str(album.pk) if value == "album" else value
    answer = post(as_alice, three, action, value).json()
    assert answer["changed"] == changed
    assert state(alice) != before
    assert undo(as_alice, answer["undo"]).status_code == 200
    assert state(alice) == before
    assert set(Tag.objects.values_list("name", flat=True)) == {"Sea"}


def test_restoring_is_taken_back_with_the_day_of_deletion(as_alice, alice):
    image = make.image(alice)
    image.delete_softly()
    before = state(alice)
    answer = post(as_alice, [image], "restore").json()
    assert answer["message"] == "1 picture is back in your gallery."
    assert not Image.objects.filter(deleted_at__isnull=False)
    undo(as_alice, answer["undo"])
    assert state(alice) == before


def test_an_undo_works_once_and_for_oneself_alone(as_alice, as_bob, alice):
    token = post(as_alice, [make.image(alice)], "favourite").json()["undo"]
    refused = undo(as_bob, token)
    assert refused.status_code == 422
    assert Image.objects.get().favourite
    assert undo(as_alice, token).status_code == 200
    assert undo(as_alice, token).json() == refused.json()
    assert undo(as_alice, "nonsense").json() == refused.json()


def test_other_peoples_pictures_stay_as_they_are(as_alice, alice, bob):
    theirs, mine = make.image(bob), make.image(alice)
    before = state(bob)
    strange = post(as_alice, [uuid.uuid4()], "trash")
    assert strange.status_code == 422
    assert post(as_alice, [theirs], "trash").json() == strange.json()
    assert post(as_alice, [theirs, mine], "trash").json()["changed"] == 1
    assert state(bob) == before


@pytest.mark.parametrize(
    ("action", "value", "field"),
    [
        ("explode", "", "action"),
        ("rate", "6", "value"),
        ("rate", "many", "value"),
        ("tag", " ", "value"),
        ("tag", "x" * 61, "value"),
        ("tag", "a,b", "value"),
        ("untag", "unknown", "value"),
        ("album-add", str(uuid.uuid4()), "value"),
        ("album-add", "nonsense", "value"),
    ],
)
def test_wrong_values_are_told_beside_their_field(
    as_alice, alice, action, value, field
):
    response = post(as_alice, [make.image(alice)], action, value)
    assert response.status_code == 422
    assert list(response.json()["errors"]) == [field]
    assert not Undo.objects.exists()


def test_ids_are_few_enough_and_ids(as_alice, alice):
    for images in ([], ["nonsense"], [uuid.uuid4() for _ in range(501)]):
        response = post(as_alice, images, "trash")
        assert response.status_code == 422
        assert list(response.json()["errors"]) == ["ids"]


def test_nothing_to_change_leaves_nothing_to_undo(as_alice, alice):
    answer = post(as_alice, [make.image(alice)], "rate", "0").json()
    assert answer == {"changed": 0, "undo": "", "message": "Nothing changed."}


@pytest.mark.parametrize(
    ("action", "value"),
    [("favourite", ""), ("rate", "3"), ("trash", ""), ("tag", "x"), ("album-add", "")],
)
def test_the_number_of_queries_does_not_grow(as_alice, alice, album, action, value):
    value = value or str(album.pk)

    def queries(count):
        images = [make.image(alice) for _ in range(count)]
        with CaptureQueriesContext(
            connection,
        ) as seen:
            answer = post(as_alice, images, action, value).json()
            undo(as_alice, answer["undo"])
        assert answer["changed"] == count
        return len(seen)

    assert queries(1) == queries(12)


def test_a_member_adds_own_pictures_and_takes_out_only_those(
    as_alice, as_bob, alice, bob, album
):
    hers, his = make.image(alice), make.image(bob)
    post(as_alice, [hers], "album-add", str(album.pk))
    assert post(as_bob, [his], "album-add", str(album.pk)).status_code == 422
    share = AlbumShare.objects.create(album=album, person=bob)
    assert post(as_bob, [his], "album-add", str(album.pk)).status_code == 422
    AlbumShare.objects.filter(pk=share.pk).update(may_add=True)
    assert post(as_bob, [his, hers], "album-add", str(album.pk)).json()["changed"] == 1
    assert post(as_bob, [hers], "album-remove", str(album.pk)).status_code == 422
    taken = post(as_alice, [hers, his], "album-remove", str(album.pk)).json()
    assert taken["changed"] == 2
    # Bob lost the album meanwhile: his picture does not come back by an undo.
    AlbumShare.objects.all().delete()
    undo(as_alice, taken["undo"])
    assert [item.image for item in album.items.all()] == [hers]


def test_a_page_without_scripts_goes_back_with_an_undo_button(as_alice, alice):
    image = make.image(alice)
    data = {"ids": [image.pk], "action": "favourite", "next": "/gallery/?cursor="}
    response = as_alice.post("/gallery/mark/", data, headers=PAGE, follow=True)
    assert response.redirect_chain == [("/gallery/?cursor=", 302)]
    page = response.content.decode()
    token = Undo.objects.get().pk
    assert "1 picture is a favourite now." in page
    assert f'name="undo" value="{token}"' in page
    response = as_alice.post("/gallery/undo/", {"undo": token}, headers=PAGE)
    assert response.status_code == 302
    assert not Image.objects.get().favourite


def test_a_page_is_never_sent_to_another_site(as_alice, alice):
    for place in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        data = {"ids": [], "next": place}
        response = as_alice.post("/gallery/mark/", data, headers=PAGE)
        assert response.url == "/gallery/"


def test_marking_is_a_post_of_somebody_signed_in(as_alice, client):
    assert as_alice.get("/gallery/mark/").status_code == 405
    assert client.post("/gallery/mark/").status_code == 302


# The API ---------------------------------------------------------------------------


def send(client, method, path, body):
    call = getattr(client, method)
    return call(f"/api/gallery/{path}", body, content_type="application/json")


def test_the_api_changes_one_picture(as_alice, as_bob, alice):
    image = make.image(alice)
    body = {"favourite": True, "rating": 4, "notes": "Print it", "tags": ["Sea", "b"]}
    answer = send(as_alice, "patch", f"images/{image.pk}", body).json()
    assert {name: answer[name] for name in body} == body | {"tags": ["Sea", "b"]}
    answer = send(as_alice, "patch", f"images/{image.pk}", {"tags": ["sea"]}).json()
    assert (answer["tags"], answer["rating"]) == (["Sea"], 4)
    assert send(as_bob, "patch", f"images/{image.pk}", {"rating": 1}).status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [("rating", 6), ("tags", [""]), ("notes", "x" * 5001), ("notes", "\0")],
)
def test_the_api_tells_which_field_is_wrong(as_alice, alice, field, value):
    image = make.image(alice)
    body = {"favourite": True, field: value}
    response = send(as_alice, "patch", f"images/{image.pk}", body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"].endswith(field)
    assert not Image.objects.get().favourite


def test_the_api_changes_many_and_takes_it_back(as_alice, alice):
    ids = [str(make.image(alice).pk) for _ in range(3)]
    answer = send(as_alice, "post", "mark", {"ids": ids, "action": "trash"}).json()
    assert answer["changed"] == 3
    assert as_alice.get("/api/gallery/images").json()["items"] == []
    undone = send(as_alice, "post", "undo", {"undo": answer["undo"]})
    assert undone.json() == {"message": "Undone."}
    assert len(as_alice.get("/api/gallery/images").json()["items"]) == 3
    wrong = send(as_alice, "post", "mark", {"ids": ids, "action": "explode"})
    assert wrong.status_code == 422

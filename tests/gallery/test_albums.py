"""Albums: their order, their pages, and who sees what of a shared one."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gallery import album_order, marks
from gallery.models import Album, AlbumItem, AlbumShare, Image
from tests import make

PAGE = {"Accept": "text/html"}
SECRET = "a secret wish"


@pytest.fixture
def album(alice):
    return Album.objects.create(owner=alice, title="Lighthouses")


@pytest.fixture
def carol(db):
    return make.user("carol", email="carol@example.org")


def add(album, *images):
    for image in images:
        marks.mark(image.owner, [image.pk], "album-add", str(album.pk))


def url(album, more=""):
    return f"/gallery/albums/{album.pk}/{more}"


def order(album):
    return [item.image_id for item in album_order.page(album, "")[0]]


# Order -----------------------------------------------------------------------------


def test_pictures_stand_where_they_are_put(as_alice, alice, album):
    made = [make.image(alice).pk for _ in range(5)]
    marks.mark(alice, made, "album-add", str(album.pk))
    a, b, c, d, e = made
    for ids, before, wanted in [
        ([c], a, [c, a, b, d, e]),
        ([a, e], d, [c, b, a, e, d]),
        ([d], None, [d, c, b, a, e]),
        ([b, c], b, None),
    ]:
        data = {"ids": ids, "before": before} if before else {"ids": ids}
        response = as_alice.post(url(album, "move/"), data)
        if wanted is None:
            assert response.status_code == 422
        else:
            assert response.status_code == 200
            assert order(album) == wanted


def test_there_is_always_room_between_two(alice, album):
    made = [make.image(alice).pk for _ in range(3)]
    marks.mark(alice, made, "album-add", str(album.pk))
    a, b, c = made
    for _ in range(80):
        album_order.move(album, [c], b)
        assert order(album) == [a, c, b]
        album_order.move(album, [b], c)
        assert order(album) == [a, b, c]


def test_an_album_is_paged_in_its_order(as_alice, alice, album, monkeypatch):
    monkeypatch.setattr("gallery.album_order.PAGE", 2)
    made = [make.image(alice).pk for _ in range(5)]
    marks.mark(alice, made, "album-add", str(album.pk))
    AlbumItem.objects.update(position=1.0)
    seen, cursor = [], ""
    while cursor is not None:
        page = as_alice.get(url(album, f"?cursor={cursor}")).context["page"]
        seen += [tile.image.pk for tile in page["tiles"]]
        cursor = page["next"]
    assert seen == made
    for wrong in ("nonsense", "bmFufDE", "MXwtMQ"):
        assert as_alice.get(url(album, f"?cursor={wrong}")).status_code == 404


# Pages -----------------------------------------------------------------------------


def test_an_album_is_made_of_what_is_selected(as_alice, alice):
    image, stack = make.image(alice), uuid.uuid4()
    make.image(alice, stack=stack)
    data = {"title": " New  one ", "ids": [image.pk], "stacks": [stack]}
    response = as_alice.post("/gallery/albums/", data)
    album = Album.objects.get()
    assert response.url == url(album)
    assert (album.title, album.items.count()) == ("New one", 2)


@pytest.mark.parametrize("title", [" ", "a\0", "x" * 121])
def test_an_album_needs_a_title(as_alice, title):
    response = as_alice.post("/gallery/albums/", {"title": title})
    assert response.status_code == 422
    assert "Give the album a title" in response.content.decode()
    assert not Album.objects.exists()


def test_albums_show_their_cover_and_their_size(as_alice, alice, album):
    first, second = make.image(alice), make.image(alice)
    add(album, first, second)

    def card():
        [card] = as_alice.get("/gallery/albums/").context["cards"]
        return card.cover and card.cover.pk, card.count

    assert card() == (first.pk, 2)
    as_alice.post(url(album, "cover/"), {"ids": [second.pk]})
    assert card() == (second.pk, 2)
    second.delete_softly()
    assert card() == (first.pk, 1)
    as_alice.post(url(album, "cover/"), {"ids": [make.image(alice).pk]})
    assert card() == (first.pk, 1)


def test_the_list_of_albums_costs_the_same_however_many(as_alice, alice):
    def queries(count):
        for n in range(count):
            add(Album.objects.create(owner=alice, title=str(n)), make.image(alice))
        with CaptureQueriesContext(connection) as seen:
            as_alice.get("/gallery/albums/")
        return len(seen)

    assert queries(1) == queries(5)


def test_an_album_goes_and_its_pictures_stay(as_alice, alice, album):
    add(album, make.image(alice))
    as_alice.post(url(album, "delete/"))
    assert not Album.objects.exists()
    assert Image.objects.owned_by(alice).count() == 1


def test_wrong_words_are_told_beside_their_field(as_alice, album):
    response = as_alice.post(url(album, "edit/"), {"title": ""})
    assert response.status_code == 422
    assert "Give the album a title." in response.content.decode()


@pytest.mark.parametrize(
    "more", ["", "edit/", "cover/", "move/", "share/", "delete/", "share/1/end/"]
)
def test_strangers_and_staff_find_no_album(as_bob, album, more):
    staff = Client()
    staff.force_login(make.user("root", is_staff=True, is_superuser=True))
    for client in (as_bob, staff):
        for method in ("get", "post"):
            response = getattr(client, method)(url(album, more), {"title": "x"})
            assert response.status_code in (404, 405)
    assert Album.objects.get().title == "Lighthouses"


@pytest.mark.parametrize("more", ["edit/", "cover/", "move/", "share/", "delete/"])
def test_a_member_changes_nothing_of_the_album(as_bob, bob, album, more):
    AlbumShare.objects.create(album=album, person=bob, may_add=True)
    assert as_bob.get(url(album)).status_code == 200
    response = as_bob.post(url(album, more), {"title": "x", "person": "bob"})
    assert response.status_code == 404


# Sharing ---------------------------------------------------------------------------


def test_sharing_is_by_exact_name_or_address_or_own_group(
    as_alice, alice, bob, carol, album
):
    def share(**fields):
        return as_alice.post(url(album, "share/"), fields)

    assert share(person="bob").status_code == 302
    assert share(person="Carol@Example.org", may_add="on").status_code == 302
    shares = AlbumShare.objects.order_by("pk").values_list(
        "person__username", "may_add"
    )
    assert list(shares) == [("bob", False), ("carol", True)]
    page = as_alice.get(url(album, "edit/")).content.decode()
    assert "carol" in page
    assert "example.org" not in page
    hers = make.group("studio", alice)
    strange = make.group("others", bob)
    assert share(group=str(hers.pk)).status_code == 302
    assert share(group=str(strange.pk)).status_code == 422
    assert share(group="nonsense").status_code == 422
    assert share(person="alice").status_code == 422


def test_who_is_there_is_not_learnt_by_trying(as_alice, bob, album):
    def share(name):
        return as_alice.post(url(album, "share/"), {"person": name})

    gone = make.user("gone", is_active=False)
    answers = set()
    for name in ("nobody", "nobody@example.org", gone.username, "bo", "BOB%"):
        answers.add(share(name).context["errors"]["person"])
    assert len(answers) == 1
    for n in range(20):
        last = share(f"name{n}")
    assert "Too many" in last.context["errors"]["person"]
    # Not even a right name tells then.
    assert share("bob").status_code == 422


@pytest.fixture
def shared(alice, bob, album):
    """Alice's picture in an album that Bob may look at."""
    image = make.made_image(alice, prompt=SECRET, notes="mine", favourite=True)
    Image.objects.filter(pk=image.pk).update(source_name=SECRET)
    add(album, image)
    AlbumShare.objects.create(album=album, person=bob)
    return image


LOOKS = ["", "file/", "thumbnail/small/", "thumbnail/large/"]


def test_a_person_looks_until_the_share_ends(as_alice, as_bob, album, shared):
    for more in LOOKS:
        assert as_bob.get(f"/gallery/{shared.pk}/{more}").status_code == 200
    api = f"/api/gallery/images/{shared.pk}"
    for more in ("", "/file", "/thumbnail"):
        assert as_bob.get(f"{api}{more}").status_code == 200
    share = AlbumShare.objects.get()
    as_alice.post(url(album, f"share/{share.pk}/end/"))
    for more in LOOKS:
        assert as_bob.get(f"/gallery/{shared.pk}/{more}").status_code == 404
    for more in ("", "/file", "/thumbnail"):
        assert as_bob.get(f"{api}{more}").status_code == 404
    assert as_bob.get(url(album)).status_code == 404


def test_a_picture_leaves_with_the_album_the_group_or_into_the_trash(
    as_bob, alice, bob, album
):
    image = make.image(alice)
    studio = make.group("studio", alice, bob)
    AlbumShare.objects.create(album=album, group=studio)
    add(album, image)
    page = f"/gallery/{image.pk}/"
    assert as_bob.get(page).status_code == 200
    bob.groups.clear()
    assert as_bob.get(page).status_code == 404
    bob.groups.add(studio)
    assert as_bob.get(page).status_code == 200
    image.delete_softly()
    assert as_bob.get(page).status_code == 404
    assert as_bob.get(url(album)).context["page"]["tiles"] == []
    marks.mark(alice, [image.pk], "restore")
    marks.mark(alice, [image.pk], "album-remove", str(album.pk))
    assert as_bob.get(page).status_code == 404


def told_anything(client, image, album):
    """What of the secret a person gets from any page, file or answer."""
    paths = [f"/gallery/{image.pk}/", url(album), "/gallery/albums/"]
    paths += [f"/gallery/{image.pk}/{more}" for more in ("file/", "workflow/")]
    paths += [f"/api/gallery/images/{image.pk}{more}" for more in ("", "/file")]
    paths += [f"/generate/test-card/?from={image.pk}", f"/remix/{image.pk}/"]
    found = []
    for path in paths:
        response = client.get(path)
        body = b"".join(response) if response.streaming else response.content
        if SECRET.encode() in body or (b"test-card" in body and "image" in path):
            found.append(path)
    return found


def test_whoever_may_only_look_learns_no_prompt(as_bob, album, shared, monkeypatch):
    page = as_bob.get(f"/gallery/{shared.pk}/").content.decode()
    for word in (SECRET, "Seed", "Use these settings", "Test card"):
        assert word not in page
    assert SECRET not in as_bob.get(url(album)).content.decode()
    assert as_bob.get(f"/gallery/{shared.pk}/workflow/").status_code == 404
    answer = as_bob.get(f"/api/gallery/images/{shared.pk}").json()
    assert not any(
        answer[name]
        for name in (
            "prompt",
            "seed",
            "model",
            "template",
            "notes",
            "provenance",
            "job",
        )
    )
    assert (answer["favourite"], answer["tags"]) == (False, [])
    # The original holds the workflow: they get the large preview.
    file = as_bob.get(f"/gallery/{shared.pk}/file/")
    assert file["Content-Type"] == "image/webp"
    assert as_bob.get(f"/api/gallery/images/{shared.pk}/file")["ETag"] == file["ETag"]
    assert told_anything(as_bob, shared, album) == []


def test_an_album_may_tell_how_its_pictures_were_made(as_bob, album, shared):
    Album.objects.update(shows_prompts=True)
    page = as_bob.get(f"/gallery/{shared.pk}/").content.decode()
    assert SECRET in page
    assert "mine" not in as_bob.get(f"/api/gallery/images/{shared.pk}").json()["notes"]
    assert as_bob.get(f"/gallery/{shared.pk}/workflow/").status_code == 200
    assert as_bob.get(f"/gallery/{shared.pk}/file/")["Content-Type"] == "image/png"
    assert as_bob.get(url(album)).context["page"]["tiles"][0].image.favourite is False


def test_looking_is_all_that_a_viewer_may_do(as_bob, album, shared):
    Album.objects.update(shows_prompts=True)
    before = Image.objects.values().get()
    ids = {"ids": [shared.pk]}
    for action, value in [
        ("trash", ""),
        ("rate", "1"),
        ("favourite", ""),
        ("tag", "x"),
    ]:
        data = ids | {"action": action, "value": value}
        assert as_bob.post("/gallery/mark/", data).status_code == 422
    assert as_bob.post(f"/gallery/{shared.pk}/delete/").status_code == 404
    api = f"/api/gallery/images/{shared.pk}"
    assert as_bob.delete(api).status_code == 404
    patch = as_bob.patch(api, {"rating": 5}, content_type="application/json")
    assert patch.status_code == 404
    assert as_bob.post(f"{api}/run-again").status_code == 404
    assert Image.objects.values().get() == before
    # And it is in nobody's gallery but the owner's.
    assert as_bob.get("/gallery/").context["page"].tiles == []
    assert as_bob.get("/api/gallery/images").json()["items"] == []


def test_members_pictures_leave_with_them(as_alice, as_bob, alice, bob, carol, album):
    studio = make.group("studio", carol)
    person = AlbumShare.objects.create(album=album, person=bob, may_add=True)
    AlbumShare.objects.create(album=album, group=studio, may_add=True)
    hers, his, carols = make.image(alice), make.image(bob), make.image(carol)
    add(album, hers, his, carols)
    # All of the album see what members added, the owner too.
    assert as_alice.get(f"/gallery/{his.pk}/").status_code == 200
    as_alice.post(url(album, f"share/{person.pk}/end/"))
    assert order(album) == [hers.pk, carols.pk]
    assert as_alice.get(f"/gallery/{his.pk}/").status_code == 404
    studio.delete()
    assert order(album) == [hers.pk]


def test_members_leave_by_themselves(as_bob, bob, album):
    share = AlbumShare.objects.create(album=album, person=bob, may_add=True)
    add(album, make.image(bob))
    response = as_bob.post(url(album, f"share/{share.pk}/end/"))
    assert response.url == "/gallery/albums/"
    assert order(album) == []


def test_whoever_leaves_a_group_takes_their_pictures(carol, album):
    studio = make.group("studio", carol)
    AlbumShare.objects.create(album=album, group=studio, may_add=True)
    add(album, make.image(carol))
    assert len(order(album)) == 1
    studio.user_set.remove(carol)
    assert order(album) == []

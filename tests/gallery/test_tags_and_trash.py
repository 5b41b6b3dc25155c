"""Tags are renamed, merged and deleted; the trash gives back, and asks twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from gallery import marks
from gallery.models import Image, Tag
from tests import make


def tag(owner, name, *images):
    made, _ = Tag.objects.get_or_create(owner=owner, name=name)
    for image in images:
        made.tagged.create(image=image, created=image.created)
    return made


def names(image):
    return sorted(image.tags.values_list("name", flat=True))


def test_a_tag_is_renamed(as_alice, alice):
    made = tag(alice, "sea", make.image(alice))
    as_alice.post(f"/gallery/tags/{made.pk}/rename/", {"name": "Sea"})
    assert names(Image.objects.get()) == ["Sea"]


def test_two_tags_become_one_only_when_asked_to(as_alice, alice):
    both, one = make.image(alice), make.image(alice)
    sea, ocean = tag(alice, "sea", both, one), tag(alice, "Ocean", both)
    url = f"/gallery/tags/{sea.pk}/rename/"
    page = as_alice.post(url, {"name": "ocean"})
    assert page.status_code == 422
    assert "You have a tag “Ocean” already." in page.content.decode()
    assert Tag.objects.count() == 2
    as_alice.post(url, {"name": "ocean", "merge": "1"})
    assert names(both) == names(one) == ["Ocean"]
    assert list(Tag.objects.all()) == [ocean]


@pytest.mark.parametrize("name", [" ", "a,b", "x" * 61, "a\nb\x00"])
def test_a_wrong_name_is_told_beside_its_field(as_alice, alice, name):
    made = tag(alice, "sea")
    page = as_alice.post(f"/gallery/tags/{made.pk}/rename/", {"name": name})
    assert page.status_code == 422
    assert "aria-invalid" in page.content.decode()
    assert Tag.objects.get().name == "sea"


def test_a_tag_goes_and_its_pictures_stay(as_alice, as_bob, alice):
    made = tag(alice, "sea", make.image(alice))
    for more in ("rename/", "delete/"):
        response = as_bob.post(f"/gallery/tags/{made.pk}/{more}", {"name": "x"})
        assert response.status_code == 404
    as_alice.post(f"/gallery/tags/{made.pk}/delete/")
    assert not Tag.objects.exists()
    assert Image.objects.owned_by(alice).count() == 1


def test_tags_are_listed_with_their_pictures_that_are_not_deleted(
    as_alice, as_bob, alice, monkeypatch
):
    monkeypatch.setattr("gallery.tag_pages.PAGE", 2)
    kept, gone = make.image(alice), make.image(alice)
    for name in ("b", "A", "c"):
        tag(alice, name, kept, gone)
    gone.delete_softly()
    page = as_alice.get("/gallery/tags/")
    assert [(t.name, t.size) for t in page.context["tags"]] == [("A", 1), ("b", 1)]
    page = as_alice.get("/gallery/tags/?after=b%00")
    assert [t.name for t in page.context["tags"]] == ["c"]
    assert list(as_bob.get("/gallery/tags/").context["tags"]) == []


# Trash -----------------------------------------------------------------------------


@pytest.fixture
def trashed(alice):
    image = make.image(alice)
    image.delete_softly()
    image.refresh_from_db()
    return image


def test_the_trash_shows_what_is_left_and_gives_it_back(as_alice, alice, trashed):
    Image.objects.update(deleted_at=timezone.now() - timedelta(days=28, hours=12))
    page = as_alice.get("/gallery/trash/").content.decode()
    assert "2 days left" in page
    assert as_alice.get(f"/gallery/trash/{trashed.pk}/small/").status_code == 200
    marks.mark(alice, [trashed.pk], "restore")
    assert "The trash is empty" in as_alice.get("/gallery/trash/").content.decode()
    assert as_alice.get(f"/gallery/{trashed.pk}/").status_code == 200


def test_the_trash_is_ones_own(as_bob, trashed):
    assert as_bob.get("/gallery/trash/").context["page"]["tiles"] == []
    assert as_bob.get(f"/gallery/trash/{trashed.pk}/small/").status_code == 404
    for data in ({"ids": [trashed.pk], "sure": "1"}, {"all": "1", "sure": "1"}):
        as_bob.post("/gallery/trash/delete/", data)
    assert Image.objects.count() == 1


def test_what_has_no_look_has_no_thumbnail(as_alice, alice):
    image = make.image(alice, thumb_small="", thumb_large="")
    address = f"/gallery/{image.pk}/thumbnail/small/"
    assert as_alice.get(address).status_code == 404
    marks.mark(alice, [image.pk], "trash")
    assert as_alice.get(f"/gallery/trash/{image.pk}/small/").status_code == 404


def test_the_trash_is_paged(as_alice, alice, monkeypatch):
    monkeypatch.setattr("gallery.grid.PAGE", 2)
    now = timezone.now()
    keys = [make.image(alice, deleted_at=now - timedelta(hours=n)).pk for n in range(5)]
    seen, cursor = [], ""
    while cursor is not None:
        page = as_alice.get(f"/gallery/trash/?cursor={cursor}").context["page"]
        seen += [deleted.tile.image.pk for deleted in page["tiles"]]
        cursor = page["next"]
    assert seen == keys


@pytest.mark.parametrize("everything", [True, False])
def test_nothing_is_gone_for_good_by_one_click(as_alice, alice, trashed, everything):
    kept = make.image(alice)
    data = {"all": "1"} if everything else {"ids": [trashed.pk, kept.pk]}
    names = [trashed.file.name, trashed.thumb_small.name, trashed.thumb_large.name]
    asked = as_alice.post("/gallery/trash/delete/", data)
    assert "for good?" in asked.content.decode()
    assert Image.objects.count() == 2
    as_alice.post("/gallery/trash/delete/", data | {"sure": "1"})
    assert list(Image.objects.all()) == [kept]
    assert not any(default_storage.exists(name) for name in names)
    assert default_storage.exists(kept.file.name)


def test_emptying_goes_in_portions(as_alice, alice, monkeypatch):
    monkeypatch.setattr("gallery.marks.MAX_PICTURES", 2)
    for _ in range(3):
        make.image(alice).delete_softly()
    data = {"all": "1", "sure": "1"}
    page = as_alice.post("/gallery/trash/delete/", data, follow=True)
    assert "There are more" in page.content.decode()
    assert Image.objects.count() == 1


@pytest.mark.parametrize("data", [{}, {"ids": ["nonsense"]}, {"all": "1"}])
def test_deleting_nothing_says_so(as_alice, data):
    page = as_alice.post("/gallery/trash/delete/", data, follow=True)
    assert "Choose at least one picture" in page.content.decode()


def test_jobs_do_not_show_what_is_in_the_trash(as_alice, alice):
    image = make.made_image(alice)
    job = image.job
    image.delete_softly()
    for path in (f"/jobs/{job.pk}/", "/jobs/", "/"):
        assert str(image.pk) not in as_alice.get(path).content.decode()
    assert as_alice.get(f"/api/comfyui/jobs/{job.pk}").json()["images"] == []
    assert as_alice.get("/api/gallery/images").json()["items"] == []
    assert as_alice.get(f"/api/gallery/images/{image.pk}").status_code == 404

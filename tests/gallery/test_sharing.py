"""Links for people without an account: what they show, and what they never show."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.utils import timezone
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from gallery import files
from gallery.models import Album, AlbumItem, Image, ShareItem, ShareLink
from gallery.models import sharing as limits
from tests import make

PASSWORD = "seven gulls"
MASKED = re.compile(rb'"X-CSRFToken": "\w+"')


@pytest.fixture
def visitor():
    return Client()


@pytest.fixture
def picture(alice):
    return make.image(alice, prompt="a secret harbour")


def share(owner, *images, password="", **fields):
    link = ShareLink(owner=owner, **fields)
    link.set_password(password)
    link.save()
    for place, image in enumerate(images):
        ShareItem.objects.create(link=link, image=image, position=place)
    return link


def page(link):
    return f"/s/{link.token}/"


def file(link, image, size="large"):
    return f"/s/{link.token}/{image.pk}/{size}/"


def body(response):
    return b"".join(response.streaming_content)


def views(link):
    link.refresh_from_db()
    return link.views


# Showing ---------------------------------------------------------------------------


def test_anybody_with_the_link_sees_the_picture(visitor, alice, picture):
    link = share(alice, picture, title="Harbours")
    response = visitor.get(page(link))
    assert response.status_code == 200
    shown = response.content.decode()
    assert "Harbours" in shown
    assert file(link, picture, "file") in shown
    assert body(visitor.get(file(link, picture)))[8:12] == b"WEBP"


def test_nothing_tells_who_it_was_or_what_they_asked_for(visitor, alice, picture):
    alice.first_name = "Alice"
    shown = visitor.get(page(share(alice, picture))).content.decode()
    for secret in ("alice", "secret harbour", picture.sha256, "/gallery/"):
        assert secret not in shown


def test_the_prompt_is_shown_if_the_owner_says_so(visitor, alice, picture):
    link = share(alice, picture, show_prompt=True)
    assert "a secret harbour" in visitor.get(page(link)).content.decode()


def test_pages_are_for_nobody_else(visitor, alice, picture):
    link = share(alice, picture)
    response = visitor.get(page(link))
    assert response["Referrer-Policy"] == "no-referrer"
    assert "noindex" in response["X-Robots-Tag"]
    assert "no-store" in response["Cache-Control"]
    assert "no-cache" in visitor.get(file(link, picture))["Cache-Control"]


def test_a_preview_has_title_and_picture(visitor, alice, picture):
    link = share(alice, picture, title="Harbours")
    shown = visitor.get(page(link)).content.decode()
    assert '<meta property="og:title" content="Harbours">' in shown
    assert f'content="http://testserver{file(link, picture)}"' in shown
    assert "og:description" not in shown


def test_no_preview_before_a_gate(visitor, alice, picture):
    for gate in ({"password": PASSWORD}, {"view_limit": 5}):
        link = share(alice, picture, title="Harbours", show_prompt=True, **gate)
        shown = visitor.get(page(link)).content.decode()
        assert "og:image" not in shown
        assert str(picture.pk) not in shown
        assert "a secret harbour" not in shown


def test_several_pictures_lead_to_each_other(visitor, alice):
    images = [make.image(alice) for _ in range(3)]
    link = share(alice, *images)
    assert all(str(i.pk) in visitor.get(page(link)).content.decode() for i in images)
    middle = visitor.get(f"/s/{link.token}/{images[1].pk}/").content.decode()
    assert f'rel="prev" href="/s/{link.token}/{images[0].pk}/"' in middle
    assert f'rel="next" href="/s/{link.token}/{images[2].pk}/"' in middle


def test_many_pictures_come_in_pages(visitor, alice, monkeypatch):
    monkeypatch.setattr("gallery.visiting.PAGE", 2)
    images = [make.image(alice) for _ in range(5)]
    link, seen, after = share(alice, *images), [], ""
    while after is not None:
        response = visitor.get(page(link), {"after": after} if after else {})
        seen += [item.image_id for item in response.context["items"]]
        after = response.context["next"] or None
    assert seen == [image.pk for image in images]


@pytest.mark.parametrize("after", ["x", "1,x", "nan,1", "1", "1,-1", f"1,{2**70}"])
def test_an_invented_page_does_not_exist(visitor, alice, picture, after):
    link = share(alice, picture)
    assert visitor.get(page(link), {"after": after}).status_code == 404


def test_an_album_shows_what_is_in_it_now(visitor, alice, picture):
    album = Album.objects.create(owner=alice, title="Coast")
    link = share(alice, album=album)
    assert str(picture.pk) not in visitor.get(page(link)).content.decode()
    item = AlbumItem.objects.create(album=album, image=picture, position=1)
    assert str(picture.pk) in visitor.get(page(link)).content.decode()
    item.delete()
    assert visitor.get(file(link, picture)).status_code == 404


def test_an_album_shows_nothing_of_others(visitor, alice, bob):
    """Who may add pictures to an album has not agreed to show them to the world."""
    album = Album.objects.create(owner=alice, title="Coast")
    theirs = make.image(bob)
    AlbumItem.objects.create(album=album, image=theirs, position=1)
    link = share(alice, album=album)
    assert str(theirs.pk) not in visitor.get(page(link)).content.decode()
    assert visitor.get(file(link, theirs)).status_code == 404


def test_costs_do_not_grow_with_the_link(
    visitor, alice, django_assert_num_queries, picture
):
    few = share(alice, picture, make.image(alice))
    many = share(alice, *(make.image(alice) for _ in range(12)))
    visitor.get(page(few))
    visitor.get(page(many))
    with django_assert_num_queries(2):
        visitor.get(page(few))
    with django_assert_num_queries(2):
        visitor.get(page(many))


# Attacks ---------------------------------------------------------------------------


def same_as_unknown(response, visitor):
    unknown = visitor.get(f"/s/{'A' * 43}/")
    assert response.status_code == unknown.status_code == 404
    # But for the token of forms, which is masked anew each time.
    assert MASKED.sub(b"", response.content) == MASKED.sub(b"", unknown.content)
    assert set(response.headers) == set(unknown.headers)


def test_a_token_has_256_bits():
    assert len({limits.new_token() for _ in range(100)}) == 100
    assert len(limits.new_token()) == 43


@pytest.mark.parametrize("token", ["x", "A" * 43, "A" * 500, "%00", "..", "' or 1=1"])
def test_unknown_tokens(visitor, db, token):
    assert visitor.get(f"/s/{token}/").status_code == 404


def test_ids_of_other_pictures_are_not_in_the_link(visitor, alice, bob, picture):
    link = share(alice, picture)
    visitor.get(page(link))
    for other in (make.image(alice), make.image(bob)):
        for size in ("small", "large", "file"):
            same_as_unknown(visitor.get(file(link, other, size)), visitor)
        same_as_unknown(visitor.get(f"/s/{link.token}/{other.pk}/"), visitor)


def test_the_token_of_another_link_opens_nothing(visitor, alice, bob, picture):
    mine, theirs = share(alice, picture), share(bob, make.image(bob))
    visitor.get(page(theirs))
    same_as_unknown(visitor.get(file(theirs, picture)), visitor)
    assert visitor.get(file(mine, picture)).status_code == 200


def test_the_gallery_itself_stays_closed(visitor, alice, picture):
    visitor.get(page(share(alice, picture)))
    for path in ("", "file/", "thumbnail/large/", "workflow/"):
        assert visitor.get(f"/gallery/{picture.pk}/{path}").status_code == 302


@pytest.mark.parametrize("end", ["expired", "revoked", "used up", "owner left"])
def test_an_ended_link_is_like_none(visitor, alice, picture, end):
    link = share(alice, picture)
    assert visitor.get(page(link)).status_code == 200
    if end == "expired":
        link.expires = timezone.now() - timedelta(seconds=1)
    elif end == "used up":
        link.view_limit, link.views = 1, 1
    link.save()
    if end == "revoked":
        assert link.revoke()
    if end == "owner left":
        alice.is_active = False
        alice.save()
    stranger = Client()
    same_as_unknown(stranger.get(page(link)), stranger)
    same_as_unknown(stranger.post(page(link)), stranger)
    same_as_unknown(stranger.get(file(link, picture)), stranger)
    if end != "used up":  # who is in already stays until their hour is over
        same_as_unknown(visitor.get(page(link)), visitor)
        same_as_unknown(visitor.get(file(link, picture)), visitor)


def test_a_picture_in_the_trash_is_gone_at_once(visitor, alice, picture):
    other = make.image(alice)
    link, alone = share(alice, picture, other), share(alice, picture)
    assert visitor.get(file(link, picture)).status_code == 200
    picture.delete_softly()
    assert str(picture.pk) not in visitor.get(page(link)).content.decode()
    same_as_unknown(visitor.get(file(link, picture)), visitor)
    same_as_unknown(visitor.get(f"/s/{link.token}/{picture.pk}/"), visitor)
    same_as_unknown(visitor.get(page(alone)), visitor)


def test_a_size_that_is_none(visitor, alice, picture):
    assert visitor.get(file(share(alice, picture), picture, "huge")).status_code == 404


# Passwords -------------------------------------------------------------------------


def enter(client, link, password=PASSWORD, **more):
    return client.post(page(link), {"password": password}, **more)


def test_a_password_is_asked_before_anything_is_shown(visitor, alice, picture):
    link = share(alice, picture, password=PASSWORD)
    assert PASSWORD not in link.password
    asked = visitor.get(page(link))
    assert str(picture.pk) not in asked.content.decode()
    same_as_unknown(visitor.get(file(link, picture)), visitor)
    same_as_unknown(visitor.get(f"/s/{link.token}/{picture.pk}/"), visitor)
    wrong = enter(visitor, link, "seven geese")
    assert wrong.status_code == 422
    assert "This is not the password." in wrong.content.decode()
    assert visitor.get(file(link, picture)).status_code == 404
    assert enter(visitor, link).status_code == 302
    assert str(picture.pk) in visitor.get(page(link)).content.decode()
    assert visitor.get(file(link, picture)).status_code == 200
    assert Client().get(file(link, picture)).status_code == 404


def test_a_pass_opens_one_link_with_one_password(visitor, alice, picture):
    first = share(alice, picture, password=PASSWORD)
    second = share(alice, picture, password=PASSWORD)
    enter(visitor, first)
    given = visitor.cookies[f"share-{first.pk.hex[:12]}"]
    assert given["path"] == page(first)
    assert given["httponly"]
    thief = Client()
    thief.cookies[f"share-{second.pk.hex[:12]}"] = given.value
    assert thief.get(file(second, picture)).status_code == 404
    first.set_password("eight gulls")
    first.save()
    assert visitor.get(file(first, picture)).status_code == 404


def test_a_pass_ends_after_an_hour(visitor, alice, picture, monkeypatch):
    link = share(alice, picture, password=PASSWORD)
    enter(visitor, link)
    monkeypatch.setattr("gallery.visiting.PASS_LASTS", -1)
    assert visitor.get(file(link, picture)).status_code == 404


def test_one_address_may_not_try_for_ever(visitor, alice, picture):
    link = share(alice, picture, password=PASSWORD)
    answers = [enter(visitor, link, f"guess {n}") for n in range(9)]
    assert [a.status_code for a in answers] == [422] * 8 + [429]
    assert answers[-1]["Retry-After"]
    assert enter(visitor, link).status_code == 429
    elsewhere = Client(REMOTE_ADDR="198.51.100.7")
    assert enter(elsewhere, link).status_code == 302


def test_a_link_bears_so_many_tries_from_anywhere(alice, picture, monkeypatch):
    monkeypatch.setattr(limits, "TRIES", 5)
    link = share(alice, picture, password=PASSWORD)
    answers = []
    for n in range(7):
        client = Client(REMOTE_ADDR=f"198.51.100.{n}")
        answers.append(enter(client, link, f"guess {n}").status_code)
    assert answers == [422] * 5 + [429] * 2
    right = enter(Client(REMOTE_ADDR="198.51.100.99"), link)
    assert right.status_code == 429
    ShareLink.objects.update(tries_since=timezone.now() - limits.TRIES_WINDOW * 2)
    assert enter(Client(REMOTE_ADDR="198.51.100.99"), link).status_code == 302


def test_the_gate_needs_its_own_form(alice, picture):
    link = share(alice, picture, password=PASSWORD)
    strict = Client(enforce_csrf_checks=True)
    assert enter(strict, link).status_code == 403


# Counting --------------------------------------------------------------------------


def test_a_reload_is_no_second_view(visitor, alice, picture):
    link = share(alice, picture)
    for _ in range(3):
        visitor.get(page(link))
    assert views(link) == 1
    assert link.last_viewed is not None
    Client().get(page(link))
    assert views(link) == 2


def test_looking_at_the_header_counts_nothing(visitor, alice, picture):
    link = share(alice, picture)
    assert visitor.head(page(link)).status_code == 200
    assert views(link) == 0


def test_a_limit_holds(alice, picture):
    link = share(alice, picture, view_limit=2)
    people = [Client() for _ in range(3)]
    # A robot that draws previews only gets the gate, and uses nothing up.
    assert all(p.get(page(link)).status_code == 200 for p in people)
    assert views(link) == 0
    assert [p.post(page(link)).status_code for p in people] == [302, 302, 404]
    assert views(link) == 2
    assert people[0].get(file(link, picture)).status_code == 200
    assert people[2].get(file(link, picture)).status_code == 404
    same_as_unknown(people[2].get(page(link)), people[2])


@pytest.mark.django_db(transaction=True)
def test_two_at_once_share_no_last_view(alice, picture):
    if connection.vendor == "sqlite":
        pytest.skip("in memory, SQLite has one connection for all")
    link = share(alice, picture, view_limit=3)

    def open_it(_):
        try:
            return Client().post(page(link)).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        answers = sorted(pool.map(open_it, range(6)))
    assert answers == [302] * 3 + [404] * 3
    assert views(link) == 3


# Metadata --------------------------------------------------------------------------


@pytest.fixture
def talkative(alice):
    """A picture whose file says how it was made."""
    told, out = PngInfo(), io.BytesIO()
    told.add_text("prompt", "a secret workflow")
    Pillow.new("RGB", (64, 48), "#336699").save(out, "PNG", pnginfo=told)
    thumbs = files.thumbnails(io.BytesIO(out.getvalue()))
    image = make.image(alice)

    def keep(name, data):
        key = files.key(alice.pk, image.pk, name)
        return default_storage.save(key, ContentFile(data))

    Image.objects.filter(pk=image.pk).update(
        file=keep("original.png", out.getvalue()),
        thumb_small=keep("320.webp", thumbs.small),
        thumb_large=keep("960.webp", thumbs.large),
    )
    return Image.objects.get(pk=image.pk)


@pytest.mark.parametrize("size", ["small", "large", "file"])
def test_no_file_tells_how_it_was_made(visitor, alice, talkative, size):
    link = share(alice, talkative)
    content = body(visitor.get(file(link, talkative, size)))
    assert b"secret" not in content
    with Pillow.open(io.BytesIO(content)) as shown:
        assert not {"prompt", "workflow"} & set(shown.info)


def test_the_original_is_given_if_the_owner_says_so(visitor, alice, talkative):
    link = share(alice, talkative, strip_metadata=False)
    assert b"a secret workflow" in body(visitor.get(file(link, talkative, "file")))
    assert b"secret" not in body(visitor.get(file(link, talkative, "large")))


# Remix -----------------------------------------------------------------------------


@pytest.fixture
def made(alice):
    values = {"prompt": "a secret harbour", "seed": 77, "steps": 9}
    return make.made_image(alice, "text-to-image", values, prompt="a secret harbour")


def test_members_may_use_the_settings_if_the_owner_says_so(as_bob, alice, made):
    link = share(alice, made, remix_allowed=True)
    chosen = as_bob.get(f"/s/{link.token}/{made.pk}/remix/", follow=True)
    assert "a secret harbour" in chosen.content.decode()
    assert chosen.context["source"].settings.graph is None
    assert chosen.context["source"].settings.seed == 77
    assert str(made.pk) not in chosen.content.decode()


def test_settings_are_not_given_otherwise(as_bob, visitor, alice, made):
    closed, open_ = share(alice, made), share(alice, made, remix_allowed=True)
    locked = share(alice, made, remix_allowed=True, password=PASSWORD)
    for link in (closed, locked):
        assert as_bob.get(f"/s/{link.token}/{made.pk}/remix/").status_code == 404
    other = make.made_image(alice, "text-to-image", {"prompt": "x"})
    assert as_bob.get(f"/s/{open_.token}/{other.pk}/remix/").status_code == 404
    to_login = visitor.get(f"/s/{open_.token}/{made.pk}/remix/")
    assert to_login["Location"].startswith("/accounts/login/")


# My links --------------------------------------------------------------------------

FORM = {"lasts": "week", "strip_metadata": "on"}


def test_a_link_is_made_from_pictures(as_alice, alice, visitor):
    images = [make.image(alice) for _ in range(2)]
    ids = ",".join(str(image.pk) for image in images)
    form = FORM | {"title": "Two", "password": PASSWORD, "view_limit": "5"}
    response = as_alice.post(f"/gallery/shares/new/?ids={ids}", form)
    link = ShareLink.objects.get()
    assert response["Location"] == f"/gallery/shares/?new={link.pk}"
    assert [item.image for item in link.items()] == images
    assert link.check_password(PASSWORD)
    assert not link.check_password("seven geese")
    assert link.view_limit == 5
    assert link.strip_metadata
    assert not link.show_prompt
    left = link.expires - timezone.now()
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    listed = as_alice.get("/gallery/shares/").content.decode()
    assert f"http://testserver{page(link)}" in listed


def test_a_link_is_made_from_an_album(as_alice, alice):
    album = Album.objects.create(owner=alice, title="Coast")
    as_alice.post(f"/gallery/shares/new/?album={album.pk}", FORM | {"lasts": "never"})
    link = ShareLink.objects.get()
    assert link.album == album
    assert link.expires is None


def test_nobody_shares_what_is_not_theirs(as_bob, alice, bob, picture):
    album = Album.objects.create(owner=alice, title="Coast")
    trashed = make.image(bob, deleted_at=timezone.now())
    both = f"{make.image(bob).pk},{picture.pk}"
    for query in (
        f"ids={picture.pk}",
        f"ids={both}",
        f"ids={trashed.pk}",
        f"album={album.pk}",
        "ids=x",
        "album=x",
        "",
    ):
        address = f"/gallery/shares/new/?{query}"
        assert as_bob.get(address).status_code == 404
        assert as_bob.post(address, FORM).status_code == 404
    assert not ShareLink.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("password", "short", "at least 8 characters"),
        ("view_limit", "0", "greater than or equal to 1"),
        ("view_limit", "many", "whole number"),
        ("lasts", "tomorrow", "not one of the available choices"),
    ],
)
def test_wrong_values_are_named_beside_their_field(
    as_alice, picture, field, value, said
):
    address = f"/gallery/shares/new/?ids={picture.pk}"
    response = as_alice.post(address, FORM | {field: value, "title": "Kept"})
    assert response.status_code == 422
    assert said in str(response.context["form"].errors[field])
    assert 'value="Kept"' in response.content.decode()


def test_a_link_is_changed(as_alice, alice, picture, visitor):
    link = share(alice, picture, password=PASSWORD, expires=timezone.now())
    form = {"lasts": "day", "title": "New", "show_prompt": "on", "no_password": "on"}
    assert as_alice.post(f"/gallery/shares/{link.pk}/", form).status_code == 302
    link.refresh_from_db()
    assert (link.title, link.password, link.strip_metadata) == ("New", "", False)
    assert link.state == "active"
    assert "a secret harbour" in visitor.get(page(link)).content.decode()


def test_a_change_leaves_what_it_does_not_say(as_alice, alice, picture):
    end = timezone.now() + timedelta(hours=5)
    link = share(alice, picture, password=PASSWORD, expires=end, views=3)
    as_alice.post(f"/gallery/shares/{link.pk}/", {"lasts": "keep"})
    link.refresh_from_db()
    assert link.expires == end
    assert link.check_password(PASSWORD)
    assert link.views == 3


def test_a_link_is_revoked_for_good(as_alice, alice, picture, visitor):
    link = share(alice, picture)
    assert as_alice.get(f"/gallery/shares/{link.pk}/revoke/").status_code == 405
    as_alice.post(f"/gallery/shares/{link.pk}/revoke/")
    as_alice.post(f"/gallery/shares/{link.pk}/", {"lasts": "never"})
    assert visitor.get(page(link)).status_code == 404
    assert "Revoked" in as_alice.get("/gallery/shares/").content.decode()


def test_others_links_do_not_exist(as_bob, alice, picture):
    link = share(alice, picture, title="Harbours")
    assert "Harbours" not in as_bob.get("/gallery/shares/").content.decode()
    assert as_bob.get(f"/gallery/shares/{link.pk}/").status_code == 404
    assert as_bob.post(f"/gallery/shares/{link.pk}/", FORM).status_code == 404
    assert as_bob.post(f"/gallery/shares/{link.pk}/revoke/").status_code == 404
    assert views(link) == 0
    assert link.revoked_at is None


def test_the_list_costs_the_same_however_long_it_is(
    as_alice, alice, django_assert_max_num_queries
):
    for _ in range(8):
        share(alice, make.image(alice))
    with django_assert_max_num_queries(6):
        as_alice.get("/gallery/shares/")


# Other media -----------------------------------------------------------------------


def test_a_text_is_shown_as_text(visitor, alice):
    key = f"images/{alice.pk}/a.txt"
    default_storage.save(key, ContentFile(b"<b>fog</b>"))
    image = make.image(alice, media="text", file=key, bytes=10)
    shown = visitor.get(page(share(alice, image))).content.decode()
    assert "&lt;b&gt;fog&lt;/b&gt;" in shown


def test_a_picture_without_a_preview_has_a_page(visitor, alice):
    image = make.image(alice, media="model", thumb_small="", thumb_large="")
    link = share(alice, image)
    shown = visitor.get(page(link)).content.decode()
    assert "og:image" not in shown
    assert "Download" in shown
    assert visitor.get(file(link, image)).status_code == 404

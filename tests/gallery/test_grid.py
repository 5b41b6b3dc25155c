"""The grid: stacks, days, the place that an address keeps, constant queries."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from gallery import marks
from gallery.models import Image
from tests import make

HTMX = {"HX-Request": "true"}
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(hours):
    return NOON - timedelta(hours=hours)


def shown(response):
    return [tile.image.pk for tile in response.context["page"].tiles]


def stack_of(owner, count, hours=0, **fields):
    stack = uuid.uuid4()
    made = [
        make.image(
            owner, stack=stack, created=at(hours) + timedelta(seconds=n), **fields
        )
        for n in range(count)
    ]
    return stack, made


def leads(stack):
    return [
        i.pk for i in Image.objects.filter(stack=stack, deleted_at=None, leads=True)
    ]


# Stacks ----------------------------------------------------------------------------


def test_what_was_made_at_once_is_one_tile_with_a_count(as_alice, alice):
    stack, made = stack_of(alice, 3)
    single = make.image(alice, created=at(1))
    page = as_alice.get("/gallery/")
    assert shown(page) == [made[0].pk, single.pk]
    assert [tile.count for tile in page.context["page"].tiles] == [3, 1]
    assert f'href="/gallery/stacks/{stack}/"' in page.content.decode()


def test_a_stack_of_one_is_a_picture(as_alice, alice):
    _, [image] = stack_of(alice, 1)
    page = as_alice.get("/gallery/").content.decode()
    assert f'href="/gallery/{image.pk}/"' in page
    assert "/gallery/stacks/" not in page.replace("/gallery/stacks/ids/", "")


def test_the_next_picture_leads_when_the_first_is_deleted(as_alice, alice):
    stack, made = stack_of(alice, 3)
    made[0].delete_softly()
    assert leads(stack) == [made[1].pk]
    marked = marks.mark(alice, [made[1].pk, made[2].pk], "trash")
    assert leads(stack) == []
    assert shown(as_alice.get("/gallery/")) == []
    marks.undo(alice, marked.undo)
    assert leads(stack) == [made[1].pk]
    marks.mark(alice, [made[0].pk], "restore")
    assert leads(stack) == [made[0].pk]


@pytest.mark.django_db(transaction=True)
def test_two_that_are_stored_at_once_have_one_lead():
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    alice = make.user("alice")
    stack = uuid.uuid4()
    barrier = threading.Barrier(4)

    def store(number):
        barrier.wait()
        try:
            with transaction.atomic():
                make.image(alice, stack=stack, created=at(0), index=number)
        finally:
            connection.close()

    threads = [threading.Thread(target=store, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(leads(stack)) == 1


def test_a_stack_opens_with_what_tells_its_pictures_apart(as_alice, as_bob, alice):
    stack = uuid.uuid4()
    for steps in ("1", "2"):
        size = {"width": 512, "height": 256 * int(steps)}
        make.made_image(alice, values=size, stack=stack)
    page = as_alice.get(f"/gallery/stacks/{stack}/").content.decode()
    assert "height 256" in page
    assert "height 512" in page
    assert "width 512" not in page
    assert as_bob.get(f"/gallery/stacks/{stack}/").status_code == 404


def test_a_stack_is_marked_as_a_whole(as_alice, as_bob, alice):
    stack, made = stack_of(alice, 3)
    data = {"stacks": [stack], "action": "favourite"}
    accept = {"Accept": "application/json"}
    assert as_bob.post("/gallery/mark/", data, headers=accept).status_code == 422
    answer = as_alice.post("/gallery/mark/", data, headers=accept).json()
    assert answer["changed"] == 3
    url = f"/gallery/stacks/ids/?stacks={stack}"
    assert as_alice.get(url).json() == {"ids": [str(i.pk) for i in made]}
    assert as_bob.get(url).json() == {"ids": []}
    assert as_alice.get("/gallery/stacks/ids/?stacks=nonsense").status_code == 404


# Days ------------------------------------------------------------------------------


def days(response):
    return [str(t.day) for t in response.context["page"].tiles if t.day]


def test_a_heading_says_of_which_day_it_is(as_alice, alice):
    today = timezone.localdate()
    for days_ago in (0, 1, 400):
        make.image(alice, created=timezone.now() - timedelta(days=days_ago))
    page = as_alice.get("/gallery/").content.decode()
    long_ago = today - timedelta(days=400)
    assert f'data-day="{today}">Today</h2>' in page
    assert ">Yesterday</h2>" in page
    assert f">{long_ago.day} {long_ago:%B %Y}</h2>" in page


def test_a_day_has_one_heading_across_pages(as_alice, alice, monkeypatch):
    monkeypatch.setattr("gallery.grid.PAGE", 2)
    for hours in (0, 1, 2, 24, 25):
        make.image(alice, created=at(hours))
    page = as_alice.get("/gallery/")
    assert days(page) == ["2026-11-20"]
    cursor = page.context["page"].next
    page = as_alice.get(f"/gallery/?cursor={cursor}", headers=HTMX)
    assert days(page) == ["2026-11-19"]
    assert 'data-day="2026-11-19"' in page.content.decode()


# Place -----------------------------------------------------------------------------


def test_an_address_begins_at_a_picture_and_goes_both_ways(
    as_alice, alice, monkeypatch
):
    monkeypatch.setattr("gallery.grid.PAGE", 2)
    same = at(3)
    made = [make.image(alice, created=at(n)) for n in range(3)]
    made += sorted(
        (make.image(alice, created=same) for _ in range(3)), key=lambda i: i.pk
    )[::-1]
    keys = [image.pk for image in made]
    page = as_alice.get(f"/gallery/?at={keys[4]}")
    assert shown(page) == keys[4:6]
    assert page.context["page"].newer == keys[4]
    up = as_alice.get(f"/gallery/?newer={keys[4]}", headers=HTMX)
    assert shown(up) == keys[2:4]
    assert f"newer={keys[2]}" in up.content.decode()
    up = as_alice.get(f"/gallery/?newer={keys[2]}", headers=HTMX)
    assert shown(up) == keys[0:2]
    assert up.context["page"].newer is None
    assert b"<html" not in up.content
    page = as_alice.get(f"/gallery/?at={keys[0]}")
    assert page.context["page"].newer is None


def test_a_place_holds_when_its_picture_is_in_the_trash(as_alice, alice):
    made = [make.image(alice, created=at(n)) for n in range(3)]
    made[1].delete_softly()
    assert shown(as_alice.get(f"/gallery/?at={made[1].pk}")) == [made[2].pk]


def test_a_place_tells_nothing_of_other_peoples_pictures(as_alice, alice, bob):
    mine = make.image(alice, created=at(0))
    theirs = make.image(bob, created=at(1))
    for key in (theirs.pk, uuid.uuid4(), "nonsense"):
        assert shown(as_alice.get(f"/gallery/?at={key}")) == [mine.pk]


def test_a_fragment_is_never_shown_for_the_page(as_alice, alice):
    assert "HX-Request" in as_alice.get("/gallery/")["Vary"]
    assert as_alice.get("/gallery/?cursor=nonsense").status_code == 404


def test_links_keep_what_else_the_address_says(as_alice, alice, monkeypatch):
    monkeypatch.setattr("gallery.grid.PAGE", 1)
    for n in range(3):
        make.image(alice, created=at(n), prompt="the sea")
    page = as_alice.get("/gallery/?q=sea").content.decode()
    assert 'href="?q=sea&amp;cursor=' in page


# Costs -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/gallery/", "/gallery/?at={0}", "/gallery/albums/"])
def test_a_page_costs_the_same_however_much_there_is(as_alice, alice, path):
    def queries():
        first = Image.objects.owned_by(alice).newest_first()[0]
        with CaptureQueriesContext(connection) as seen:
            assert as_alice.get(path.format(first.pk)).status_code == 200
        return len(seen)

    stack_of(alice, 2, hours=1)
    make.image(alice, created=at(2))
    few = queries()
    for n in range(12):
        stack_of(alice, 3, hours=3 + n)
    assert queries() == few


@pytest.mark.parametrize("kind", ["first", "deep", "upwards"])
def test_a_page_is_read_by_one_index(alice, kind):
    """Whatever the database thinks of its few rows: the index must be usable."""
    from accounts.paging import encode, newest_first, oldest_first

    image = make.image(alice)
    rows = Image.objects.owned_by(alice).leads_only()
    with CaptureQueriesContext(connection) as seen:
        if kind == "upwards":
            oldest_first(rows, image, 5)
        else:
            newest_first(rows, encode(image) if kind == "deep" else "", 5)
    sql = seen[0]["sql"]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Of a few rows the index of all pictures reads as many.
            cursor.execute("DROP INDEX image_gallery_order")
            cursor.execute(
                "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off"
            )
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = "\n".join(str(row[3]) for row in cursor.fetchall())
    assert "image_gallery_leads" in plan
    assert "TEMP B-TREE" not in plan
    if kind != "first":
        # A bound of the index, not a filter of what was read.
        bound = "created" in plan.partition("image_gallery_leads")[2]
        assert bound, plan


def test_sizes_follow_the_density(as_alice, alice):
    make.image(alice, width=200, height=100)
    as_alice.cookies["density"] = "1"
    page = as_alice.get("/gallery/").content.decode()
    assert "tiles-d1" in page
    assert 'sizes="(max-width: 52rem) 10.0rem, 14.0rem"' in page
    as_alice.cookies["density"] = '99"><script>'
    assert "tiles-d3" in as_alice.get("/gallery/").content.decode()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"media": "video", "seconds": 4.2}, "4 s"),
        ({"media": "audio", "thumb_small": "", "source_name": "a.mp3"}, "a.mp3"),
        ({"media": "model", "thumb_small": ""}, "3D model"),
    ],
)
def test_other_media_have_a_badge_or_a_plain_tile(as_alice, alice, fields, words):
    make.image(alice, created=timezone.now(), **fields)
    assert words in as_alice.get("/gallery/").content.decode()

"""One corpus, searched by the database and by plain Python: the same pictures."""

from __future__ import annotations

import io
import itertools
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from hypothesis import given, settings

from accounts.paging import BadCursor
from gallery.models import (
    Album,
    AlbumItem,
    Facet,
    Image,
    Provenance,
    SearchEntry,
    SearchMark,
    Tag,
    Tagged,
)
from gallery.search import (
    counting,
    find,
    finding,
    guard,
    indexing,
    schema,
    sweep,
    walking,
)
from gallery.search.document import place
from gallery.search.parsing import parse
from tests import make
from tests.gallery.search_corpus import NOW, blank, corpus, matches, queries

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _today(monkeypatch):
    monkeypatch.setattr(finding.timezone, "localdate", lambda: NOW.date())
    # So that a small corpus has pictures on both sides of it.
    monkeypatch.setattr(walking, "NEAR", 9)


def texts(found, limit=200):
    return [image.prompt for image in found.page("", limit).items]


_index = itertools.count()


def picture(owner, prompt, **fields):
    base = blank(next(_index)) | {"width": 64, "height": 48, "mime_type": "image/png"}
    return Image.objects.create(owner=owner, prompt=prompt, **(base | fields))


def test_the_same_as_plain_python(alice, bob):
    corpus(bob, 10)
    corpus(alice)
    sweep()
    facts = {
        pk: f
        for pk, (_, f) in indexing._facts(
            list(Image.objects.filter(owner=alice).values_list("pk", flat=True))
        ).items()
    }
    ordered = list(Image.objects.owned_by(alice).newest_first())
    seen = {"some": 0}

    @settings(max_examples=600)
    @given(queries)
    def same(text):
        node = parse(text).tree
        wanted = [i for i in ordered if matches(node, facts[i.pk], NOW.date())]
        found = find(alice, text)
        assert found.ok
        assert found.page("", 200).items == wanted, str(found.parsed)
        seen["some"] += 0 < len(wanted) < len(ordered)

    same()
    # Neither all nor none, or it would show nothing.
    assert seen["some"] > 100


@pytest.mark.parametrize("few", [5, 500])
@pytest.mark.parametrize("order", finding.ORDERS)
@pytest.mark.parametrize("text", ["", "castle OR rating:>2", "-is:favourite"])
def test_paging_gives_each_once(alice, order, text, few, monkeypatch):
    monkeypatch.setattr(finding, "FEW", few)
    corpus(alice)
    keys = {
        "newest": lambda i: (i.created, i.pk),
        "oldest": lambda i: (-i.created.timestamp(), -i.pk.int),
        "rating": lambda i: (i.rating, i.created, i.pk),
    }
    whole = find(alice, text, order).page("", 200).items
    assert whole == sorted(whole, key=keys[order], reverse=True)
    pages, cursor = [], ""
    while cursor is not None:
        page = find(alice, text, order).page(cursor, 7)
        pages += page.items
        cursor = page.next
    assert pages == whole and len(pages) > 10


@pytest.mark.parametrize("few", [0, 500])
@pytest.mark.parametrize("order", finding.ORDERS)
def test_more_words_than_the_index_is_asked_for(alice, order, few, monkeypatch):
    monkeypatch.setattr(finding, "FEW", few)
    words = ["old", "red", "castle", "above", "the", "sea"]
    assert len(words) > walking.MOST
    whole = picture(alice, " ".join(words), rating=3)
    for word in words:
        picture(alice, " ".join(w for w in words if w != word), rating=4)
    for number in range(walking.NEAR + 1):
        picture(alice, f"newer {number}")
    found = find(alice, " ".join(words), order).page("", 20).items
    assert found == [whole]


@pytest.mark.parametrize(
    "cursor", ["x", "bzB8", "!!", "bjB8OTk5OTk5OTk5OTk5OTk5OTk5OTk5"]
)
def test_a_cursor_of_another_s_making(alice, cursor):
    with pytest.raises(BadCursor):
        find(alice, "", "newest").page(cursor, 5)


def test_nobody_finds_another_s(alice, bob):
    picture(bob, "a secret castle")
    tag = Tag.objects.create(owner=bob, name="secret")
    mine = picture(alice, "a castle")
    Tagged.objects.create(
        tag=tag, image=picture(bob, "another castle"), created=timezone.now()
    )
    for text in ("castle", "-nothing", "tag:secret OR castle", "", "a*"):
        assert find(alice, text).page("", 10).items == [mine]
    assert set(counting.of_gallery(alice)) == {"type", "rating", "month"}
    assert find(AnonymousUser(), "castle").page("", 10).items == []


def test_every_change_is_found_at_once(alice):
    image = picture(alice, "a red castle")
    assert texts(find(alice, "red")) == ["a red castle"]
    # Past the model's `save`, as bulk actions and the administrator's SQL go.
    Image.objects.filter(pk=image.pk).update(prompt="a blue castle", notes="for Ann")
    assert texts(find(alice, "red")) == []
    assert texts(find(alice, "blue ann")) == ["a blue castle"]
    tag = Tag.objects.create(owner=alice, name="Sea")
    Tagged.objects.bulk_create([Tagged(tag=tag, image=image, created=image.created)])
    assert find(alice, "tag:sea sea is:tagged").page("", 5).items == [image]
    Tag.objects.filter(pk=tag.pk).update(name="Shore")
    assert find(alice, "tag:sea").page("", 5).items == []
    assert find(alice, "tag:shore shore").page("", 5).items == [image]
    tag.delete()
    assert find(alice, "shore").page("", 5).items == []
    album = Album.objects.create(owner=alice, title="One")
    AlbumItem.objects.create(album=album, image=image, position=1)
    assert find(alice, "album:one").page("", 5).items == [image]
    Album.objects.update(title="Two")
    assert find(alice, "album:two -album:one").page("", 5).items == [image]
    Image.objects.filter(pk=image.pk).update(rating=4, favourite=True)
    assert find(alice, "rating:4 is:favourite").page("", 5).items == [image]
    image.delete_softly()
    assert find(alice, "castle").page("", 5).items == []
    assert not SearchEntry.objects.exists()
    Image.objects.filter(pk=image.pk).update(deleted_at=None)
    assert find(alice, "castle").page("", 5).items == [image]
    Image.objects.all().delete()
    assert find(alice, "castle").page("", 5).items == []
    assert not SearchMark.objects.exists() and not SearchEntry.objects.exists()
    assert not Facet.objects.filter(count__gt=0).exists()


def test_provenance_is_found(alice):
    image = make.made_image(alice, prompt="a fox")
    Provenance.objects.filter(image=image).update(loras=["styles/ink_wash.safetensors"])
    for text in ("lora:ink", "template:test-card", "is:made", 'lora:"ink wash"'):
        assert find(alice, text).page("", 5).items == [image], text
    assert find(alice, "is:upload").page("", 5).items == []


def test_phrases_end_where_a_text_does(alice):
    picture(alice, "the old", notes="castle of mine", workflow_title="night")
    assert texts(find(alice, '"old castle"')) == []
    assert texts(find(alice, '"castle of mine" night')) == ["the old"]


def test_texts_of_any_length_and_repetition(alice):
    picture(alice, "fog " * 30_000)
    picture(alice, "x" * 5000 + " end")
    picture(alice, " ".join(f"w{n}" for n in range(20_000)))
    assert len(texts(find(alice, '"fog fog"'))) == 1
    assert len(texts(find(alice, "x" * 400))) == 1
    assert len(texts(find(alice, "w5 OR end"))) == 2


def test_pictures_of_one_moment(alice):
    made = [picture(alice, "same", created=NOW) for _ in range(300)]
    found = find(alice, "same").page("", 400).items
    assert sorted(found, key=lambda i: i.pk) == sorted(made, key=lambda i: i.pk)
    assert SearchEntry.objects.values("place").distinct().count() == 300


def test_place_is_the_order_of_age():
    low, high = uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)
    second = timedelta(microseconds=1)
    assert place(NOW, low) < place(NOW, high) < place(NOW + second, low)
    assert place(NOW.replace(year=1), low) > -(2**63)
    assert place(NOW.replace(year=9999), high) < 2**63


def test_counts_are_kept(alice, bob):
    corpus(alice, 20)
    corpus(bob, 5)
    before = counting.of_gallery(alice)
    tags = {c.value: c.count for c in before["tag"]}
    assert tags["Sea side"] == 7
    assert sum(c.count for c in before["type"]) == 20
    Tagged.objects.filter(tag__name="Sea side", tag__owner=alice).first().delete()
    after = counting.of_gallery(alice)
    assert {c.value: c.count for c in after["tag"]}["Sea side"] == 6
    counting.recount()
    assert counting.of_gallery(alice) == after


def test_counts_of_a_search_are_bounded(alice, monkeypatch):
    corpus(alice, 20)
    found = find(alice, "rating:>2")
    whole = counting.of_search(found)
    assert sum(c.count for c in whole["type"]) == 9
    assert not any(c.bounded for some in whole.values() for c in some)
    for some in whole.values():
        for count in some:
            both = find(alice, f"({found.text}) {count.query}").page("", 50)
            assert len(both.items) == count.count, count
    monkeypatch.setattr(counting, "BOUND", 5)
    assert {c.shown[-1] for c in counting.of_search(found)["type"]} == {"+"}


def test_rebuild_from_nothing(alice):
    corpus(alice, 15)
    before = texts(find(alice, "castle"))
    entry = SearchEntry.objects.first()
    SearchEntry.objects.exclude(pk=entry.pk).delete()
    Image.objects.filter(pk=entry.image).delete()
    SearchMark.objects.all().delete()
    Facet.objects.all().delete()
    connection.check_constraints()
    call_command("search", "rebuild", stdout=io.StringIO())
    gone = Image.objects.filter(pk=entry.image).count()
    assert SearchEntry.objects.count() == Image.objects.count() == 14 and gone == 0
    left = texts(find(alice, "castle"))
    assert len(before) - len(left) in (0, 1) and left
    assert sum(c.count for c in counting.of_gallery(alice)["type"]) == 14


def test_queries_of_a_page_are_constant(alice, django_assert_num_queries):
    corpus(alice, 10)
    sweep()
    extra = 5 if connection.vendor == "postgresql" else 0
    with django_assert_num_queries(3 + extra):
        find(alice, "-zebra -tag:x").page("", 3)
    Tag.objects.all().delete()
    corpus(alice)
    sweep()
    for text in ("castle", "rating:>1 OR -model:x", ""):
        for order in finding.ORDERS:
            with django_assert_num_queries(3 + extra):
                find(alice, text, order).page("", 20)


def test_a_search_that_takes_too_long(alice, settings):
    corpus(alice, 5)
    sweep()
    settings.LIFEOS_SEARCH_SECONDS = 0.05
    slow = (
        "SELECT pg_sleep(5)"
        if connection.vendor == "postgresql"
        else "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c"
        " WHERE x < 100000000) SELECT count(*) FROM c"
    )
    with pytest.raises(guard.TooSlow), guard.limited(), connection.cursor() as cursor:
        cursor.execute(slow)
    # The next one is not affected.
    assert find(alice, "").page("", 5).items
    settings.LIFEOS_SEARCH_SECONDS = 5
    with connection.cursor() as cursor, guard.limited():
        cursor.execute("SELECT 1")


def test_the_page_tells_of_it(alice, monkeypatch):
    picture(alice, "castle")

    def slow():
        raise guard.TooSlow

    monkeypatch.setattr(finding, "limited", slow)
    found = find(alice, "castle")
    assert found.page("", 5).items == []
    assert "too long" in found.problems[0].sentence


def test_triggers_may_be_installed_again(alice):
    schema.remove_triggers(connection)
    schema.install(connection)
    schema.install(connection)
    picture(alice, "castle")
    assert SearchMark.objects.count() == 1
    assert texts(find(alice, "castle")) == ["castle"]

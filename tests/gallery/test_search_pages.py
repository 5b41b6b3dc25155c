"""The search as people and scripts meet it: field, chips, filters, kept searches."""

from __future__ import annotations

import re

import pytest
from django.db import connection

from gallery.models import Image, SavedSearch, Tag, Tagged
from gallery.search import sweep
from tests.gallery.search_corpus import blank

pytestmark = pytest.mark.django_db


def picture(owner, prompt, index, **fields):
    base = blank(index) | {"width": 64, "height": 48, "mime_type": "image/png"}
    return Image.objects.create(owner=owner, prompt=prompt, **(base | fields))


@pytest.fixture
def pictures(alice):
    made = [
        picture(alice, "a red castle", 0, model="m/dream_8.safetensors"),
        picture(alice, "a blue castle", 1, rating=5, media="video"),
        picture(alice, "a fox", 2, favourite=True),
    ]
    tag = Tag.objects.create(owner=alice, name="Sea side")
    Tagged.objects.create(tag=tag, image=made[0], created=made[0].created)
    return made


def text_of(response):
    return re.sub(r"<[^>]+>", " ", response.content.decode())


def shown(response):
    return [tile.image.prompt for tile in response.context["page"].tiles]


def test_the_field_searches(as_alice, pictures):
    response = as_alice.get("/gallery/", {"q": "castle -red"})
    assert shown(response) == ["a blue castle"]
    content = response.content.decode()
    assert 'value="castle -red"' in content
    assert (
        'href="/gallery/?q=-red"' in content and 'href="/gallery/?q=castle"' in content
    )


def test_orders_and_more_pages_keep_the_search(as_alice, pictures, monkeypatch):
    monkeypatch.setattr("gallery.grid.PAGE", 1)
    response = as_alice.get("/gallery/", {"q": "castle", "order": "oldest"})
    assert shown(response) == ["a red castle"]
    more = re.search(r'href="(\?[^"]*cursor=[^"]+)"', response.content.decode())[1]
    again = as_alice.get(
        "/gallery/" + more.replace("&amp;", "&"), HTTP_HX_REQUEST="true"
    )
    assert shown(again) == ["a blue castle"]
    assert as_alice.get("/gallery/", {"order": "rating"}).context["search"].order == (
        "rating"
    )
    assert as_alice.get("/gallery/", {"q": "a", "cursor": "?"}).status_code == 404


def test_a_bad_query_has_a_sentence_and_is_kept(as_alice, pictures):
    response = as_alice.get("/gallery/", {"q": "castle raiting:5 <b>"})
    assert response.status_code == 200
    content = response.content.decode()
    assert "Did you mean “rating:”?" in content and 'aria-invalid="true"' in content
    assert "castle raiting:5 &lt;b&gt;" in content and "<b>" not in content


def test_nothing_found_says_which_part_is_in_the_way(as_alice, pictures):
    response = as_alice.get("/gallery/", {"q": "castle model:flux"})
    assert shown(response) == []
    assert [h.part for h in response.context["search"].hints] == ["model:flux"]
    assert 'href="/gallery/?q=castle"' in response.content.decode()


def test_facets_edit_the_query(as_alice, pictures):
    whole = as_alice.get("/gallery/facets/", HTTP_HX_REQUEST="true").content.decode()
    assert "dream_8.safetensors" in whole and "Sea side" in whole
    assert "<html" not in whole
    response = as_alice.get("/gallery/facets/", {"q": "castle OR fox"})
    assert "<html" in response.content.decode()
    choices = {c.count.query: c for _, some in response.context["groups"] for c in some}
    found = as_alice.get("/gallery/?" + choices["type:video"].address)
    assert shown(found) == ["a blue castle"]
    chosen = as_alice.get("/gallery/facets/?" + choices["type:video"].address)
    assert 'aria-current="true"' in chosen.content.decode()
    tag = choices['tag:"Sea side"'].address
    assert shown(as_alice.get("/gallery/?" + tag)) == ["a red castle"]


def test_suggestions_are_one_s_own(as_alice, as_bob, pictures):
    sweep()

    def suggested(client, word):
        found = client.get("/gallery/suggest/", {"word": word}).json()["suggestions"]
        return [one["text"] for one in found]

    assert suggested(as_alice, "ra") == ["rating:"]
    assert suggested(as_alice, "side") == ['tag:"Sea side"']
    assert suggested(as_alice, "tag:se") == ['tag:"Sea side"']
    assert suggested(as_alice, "-model:dre") == ['-model:"m/dream_8.safetensors"']
    assert suggested(as_alice, "is:fav") == ["is:favourite"]
    assert suggested(as_alice, "nope:x") == []
    assert len(suggested(as_alice, "")) > 10
    assert suggested(as_bob, "tag:se") == suggested(as_bob, "side") == []


def test_a_search_is_kept_changed_and_deleted(as_alice, as_bob, pictures):
    page = as_alice.get("/gallery/searches/", {"q": "castle"})
    assert 'value="castle"' in page.content.decode()
    response = as_alice.post(
        "/gallery/searches/", {"title": "Forts", "query": "castle"}, follow=True
    )
    assert shown(response) == ["a blue castle", "a red castle"]
    kept = SavedSearch.objects.get()
    assert "Forts" in as_alice.get("/gallery/searches/").content.decode()
    assert "Forts" in as_alice.get("/gallery/albums/").content.decode()
    assert "Forts" not in as_bob.get("/gallery/albums/").content.decode()
    again = as_alice.post("/gallery/searches/", {"title": "Forts", "query": "fox"})
    assert again.status_code == 422 and "of this name already" in text_of(again)
    wrong = as_alice.post("/gallery/searches/", {"title": "X", "query": "is:odd"})
    assert wrong.status_code == 422 and "takes one of" in text_of(wrong)
    for method in (as_bob.get, as_bob.post):
        assert method(f"/gallery/searches/{kept.pk}/").status_code == 404
    assert as_bob.post(f"/gallery/searches/{kept.pk}/delete/").status_code == 404
    assert "Forts" not in as_bob.get("/gallery/searches/").content.decode()
    as_alice.post(f"/gallery/searches/{kept.pk}/", {"title": "Foxes", "query": "fox"})
    kept.refresh_from_db()
    assert (kept.title, kept.query) == ("Foxes", "fox")
    as_alice.post(f"/gallery/searches/{kept.pk}/delete/")
    assert not SavedSearch.objects.exists() and Image.objects.count() == 3


def test_the_api_has_the_same_language(as_alice, as_bob, pictures):
    address = "/api/gallery/images"
    found = as_alice.get(address, {"q": "castle", "limit": 1}).json()
    assert [item["prompt"] for item in found["items"]] == ["a blue castle"]
    rest = as_alice.get(address, {"q": "castle", "limit": 1, "cursor": found["next"]})
    assert [item["prompt"] for item in rest.json()["items"]] == ["a red castle"]
    assert rest.json()["next"] is None
    bad = as_alice.get(address, {"q": "rating:9"})
    assert bad.status_code == 422
    assert bad.json()["errors"] == [
        {"field": "q", "message": "A rating is from 0 to 5, as in “rating:>3”."}
    ]
    assert as_alice.get(address, {"q": "a", "cursor": "no"}).status_code == 422
    assert as_bob.get(address, {"q": "castle"}).json()["items"] == []


def test_a_page_has_as_many_queries_whatever_is_there(
    as_alice, alice, pictures, django_assert_num_queries
):
    extra = 5 if connection.vendor == "postgresql" else 0
    sweep()
    for _ in range(2):
        # Session, person, marks, matches, rows; tags and albums for the bar.
        with django_assert_num_queries(7 + extra):
            as_alice.get("/gallery/", {"q": "castle OR fox"})
        for n in range(30):
            picture(
                alice, "a fox and a castle", len(pictures) + Image.objects.count() + n
            )
        sweep()


@pytest.mark.parametrize(
    "path", ["/gallery/facets/", "/gallery/suggest/", "/gallery/searches/"]
)
def test_nobody_without_an_account(client, path):
    assert client.get(path).status_code == 302

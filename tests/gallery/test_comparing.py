"""Pictures beside each other: which, and what is said of how they differ."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gallery import differences, similar
from tests import make


def made(owner, prompt, **values):
    values = {"prompt": prompt, "seed": 1, "steps": 7} | values
    return make.made_image(owner, "text-to-image", values, prompt=prompt)


def compare(client, *images):
    ids = ",".join(str(getattr(image, "pk", image)) for image in images)
    return client.get(f"/gallery/compare/?ids={ids}")


def test_what_differs_is_told(as_alice, alice):
    first = made(alice, "a quay in fog", steps=7)
    second = made(alice, "a quay in rain", steps=9)
    response = compare(as_alice, first, second)
    assert response.context["images"] == [first, second]
    rows = {row.label: row for row in response.context["rows"]}
    assert rows["Steps"].values == (7, 9)
    assert rows["Steps"].differs
    assert not rows["Guidance"].differs
    page = response.content.decode()
    assert "<del>fog</del><ins>rain</ins>" in page


def test_the_order_is_the_one_that_was_asked_for(as_alice, alice):
    images = [make.image(alice) for _ in range(4)]
    backwards = images[::-1]
    assert compare(as_alice, *backwards).context["images"] == backwards


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_or_too_many_are_named(as_alice, alice, count):
    response = compare(as_alice, *(make.image(alice) for _ in range(count)))
    assert response.status_code == 422
    assert "Choose two to four pictures" in response.content.decode()


def test_others_pictures_are_not_compared(as_alice, alice, bob):
    mine, theirs = make.image(alice), make.image(bob)
    unknown = uuid.uuid4()
    assert compare(as_alice, mine, theirs).status_code == 404
    assert compare(as_alice, mine, unknown).status_code == 404
    assert compare(as_alice, mine, "x").status_code == 404


def test_it_costs_the_same_for_two_and_four(
    as_alice, alice, django_assert_max_num_queries
):
    images = [made(alice, f"a quay {n}") for n in range(4)]
    with django_assert_max_num_queries(6) as two:
        compare(as_alice, *images[:2])
    with django_assert_max_num_queries(len(two)):
        compare(as_alice, *images)


def test_a_picture_without_a_setting_differs_from_one_with_it():
    [row] = differences.rows([{"Steps": 7}, {}])
    assert row.values == (7, None)
    assert row.differs


# So much in common that no two texts are others altogether, which are shown whole.
ALIKE = "".join(f"w{n} " for n in range(60))


@given(st.text(max_size=60), st.text(max_size=60))
def test_pieces_make_both_texts_again(old, new):
    old, new = ALIKE + old, ALIKE + new
    pieces = differences.texts([old, new])[1]
    assert "".join(p.text for p in pieces if p.how != "removed") == new
    assert "".join(p.text for p in pieces if p.how != "added") == old


def test_words_are_marked_with_the_blanks_behind_them():
    pieces = differences.texts(["a quay at dusk, calm", "a pier at dusk, fog, calm"])[1]
    marked = [(p.how, p.text) for p in pieces if p.how != "same"]
    assert marked == [("removed", "quay "), ("added", "pier "), ("added", "fog, ")]


def test_prompts_beyond_reason_are_shown_whole(monkeypatch):
    monkeypatch.setattr(differences, "LONGEST", 3)
    [_, second] = differences.texts(["a b c d e", "a b c d f"])
    assert second == [differences.Piece("a b c d f")]


def test_another_text_is_shown_as_it_is():
    """Struck out word by word, it could not be read."""
    texts = ["a lighthouse at dusk, long exposure", "market in the rain, number 5"]
    assert differences.texts(texts)[1] == [differences.Piece(texts[1])]


def test_rare_words_make_prompts_alike():
    common = "masterpiece, best quality"
    others = [("lamp", f"a lighthouse, {common}"), ("pear", f"a pear, {common}")]
    others += [(n, f"a chair, {common}") for n in range(20)]
    found = similar.ranked(f"a lighthouse by the sea, {common}", others)
    assert [key for key, _ in found] == ["lamp"]


@given(st.text(max_size=80), st.lists(st.text(max_size=80), max_size=8))
def test_likeness_is_between_nothing_and_the_same(prompt, others):
    found = similar.ranked(prompt, list(enumerate(others)), least=0.0)
    assert all(0 <= alike <= 1.0001 for _, alike in found)
    if similar.words(prompt):
        same = similar.ranked(prompt, [("same", prompt)], least=0.0)
        assert same[0][1] == pytest.approx(1)


def test_a_prompt_without_words_is_like_none():
    assert similar.ranked("", [(1, "a"), (2, "")]) == []

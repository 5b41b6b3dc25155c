"""`{a|b}` and `__name__` in prompts."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation import wildcards
from generation.wildcards import TooWild

LISTS = {
    "colour": ["red", "{light|dark} blue"],
    "round": ["__round__"],
    "pair": ["__pair__ __pair__"],
    "empty": [],
}


def expand(text, seed=0, longest=2000):
    chance = random.Random(seed)
    return wildcards.expand(text, LISTS.get, chance=chance, longest=longest)


def possible(text):
    return {expand(text, seed) for seed in range(40)}


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("a {cat|dog} here", {"a cat here", "a dog here"}),
        ("{a|{b|c}}", {"a", "b", "c"}),
        ("a{| small} cat", {"a cat", "a small cat"}),
        ("__colour__ sky", {"red sky", "light blue sky", "dark blue sky"}),
        ("{__colour__|green}", {"red", "light blue", "dark blue", "green"}),
        (r"\{a\|b\} \__colour__", {"{a|b} __colour__"}),
        (r"{a\|b|a\|b}", {"a|b"}),
        ('{"scene": {"sky": "{red|red}"}}', {'{"scene": {"sky": "red"}}'}),
        ("{a} a|b } {", {"{a} a|b } {"}),
        (r"(word:1.1) \(bracket\)", {r"(word:1.1) \(bracket\)"}),
    ],
)
def test_what_a_text_may_become(text, texts):
    assert possible(text) == texts


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("__nothing__", "no word list “nothing”"),
        ("__empty__", "no word list “empty”"),
        ("__round__", "circle"),
        ("__pair__", "circle|choices"),
        ("{a|b}" * 501, "more than 500 choices"),
    ],
)
def test_an_expansion_comes_to_an_end(text, sentence):
    with pytest.raises(TooWild, match=sentence):
        expand(text)


def test_a_text_does_not_grow_beyond_its_limit():
    with pytest.raises(TooWild, match="longer than 10"):
        expand("__colour__ __colour__ __colour__", longest=10)


marks = st.text(alphabet="{}|\\_ab ", max_size=60)


@given(st.one_of(st.text(), marks))
def test_an_escaped_text_comes_out_as_it_was(text):
    assert expand(wildcards.escape(text)) == text


@given(marks, st.integers())
def test_any_text_expands_or_says_why(text, seed):
    try:
        assert isinstance(expand(text, seed), str)
    except TooWild as exc:
        assert str(exc)

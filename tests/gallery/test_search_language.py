"""The language: every text has a meaning or a sentence, and never an exception."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gallery.search import compiling, words
from gallery.search.language import And, Filter, Not, Or, Text
from gallery.search.parsing import MAX_DEPTH, MAX_LENGTH, parse
from tests.gallery.search_corpus import queries, scraps

TODAY = date(2026, 11, 24)


def tree(text):
    parsed = parse(text)
    assert parsed.problems == ()
    return parsed.tree


@given(st.one_of(scraps, st.text(max_size=600)))
def test_parsing_never_raises_and_says_the_same_again(text):
    parsed = parse(text)
    again = parse(str(parsed))
    assert again.problems == ()
    assert again.tree == parsed.tree
    for problem in parsed.problems:
        assert problem.sentence.endswith((".", "?", '".'))
        assert 0 <= problem.span.start <= problem.span.end <= max(len(text), 500)


@given(scraps)
def test_what_is_parsed_can_be_compiled(text):
    compiled = compiling.compiled(parse(text), TODAY)
    assert compiled.for_postgres(1) and compiled.for_sqlite(1)


@given(queries)
def test_the_queries_of_the_corpus_have_no_problems(text):
    assert parse(text).problems == ()


def test_precedence():
    a, b, c = (Text(word) for word in "abc")
    assert tree("a b OR c") == Or((And((a, b)), c))
    assert tree("a (b OR c)") == And((a, Or((b, c))))
    assert tree("-a b") == And((Not(a), b))
    assert tree("NOT (a OR b)") == Not(Or((a, b)))
    assert tree("a AND b") == And((a, b)) == tree("(a b)")
    assert tree("--a") == a


def test_values():
    assert tree('"a castle"') == Text("a castle", phrase=True)
    assert tree("cast*") == Text("cast", open=True)
    assert tree('tag:"sea side"') == Filter("tag", "sea side", phrase=True)
    assert tree("SIZE:>=1024") == Filter("size", "1024", ">=")
    assert tree("lora:deta*") == Filter("lora", "deta", open=True)
    # A prompt that was pasted: its commas are nothing to look for.
    assert tree("castle , night") == And((Text("castle"), Text("night")))
    assert tree("") is tree("  , ") is None


@pytest.mark.parametrize(
    ("text", "part", "start"),
    [
        ("castle rating:9", "from 0 to 5", 7),
        ("rating:good", "whole number", 0),
        ("modle:x", "Did you mean “model:”?", 0),
        ("(red:1.2)", 'put them in quotation marks: "red:1.2"', 1),
        ("is:happy", "takes one of favourite", 0),
        ("date:2026-13", "no “2026-13” in the calendar", 0),
        ("date:soon", "written as in", 0),
        ("seed:abc", "whole number", 0),
        ("model:>x", "cannot be compared", 0),
        ("size:>1024x768", "longest side", 0),
        ("size:>1..2", "takes no comparison", 0),
        ('a "b c', "opened and not closed", 2),
        ("(a", "opened and not closed", 0),
        ("a )", "closed that was not opened", 2),
        ("a OR", "between two things", 2),
        ("OR a", "between two things", 0),
        ("tag:", "Write a value after “tag:”", 0),
        ("a NOT", "after the minus sign", 2),
        ("is:video*", "takes no “*”", 0),
        ("x" * (MAX_LENGTH + 1), "at most 500 characters", 500),
        ("a " * 70, "at most 60 parts", 0),
        ("(" * (MAX_DEPTH + 1) + "a", "too deep", MAX_DEPTH),
    ],
)
def test_sentences(text, part, start):
    problems = parse(text).problems
    found = [problem for problem in problems if part in problem.sentence]
    assert found, problems
    assert found[0].span.start == start


def test_a_part_can_be_taken_out():
    parsed = parse("castle (a OR b) -rating:<3")
    assert [str(part) for part in parsed.parts] == ["castle", "a OR b", "-rating:<3"]
    assert parsed.without(0) == "(a OR b) -rating:<3"
    assert parsed.without(1) == "castle -rating:<3"
    assert parse("castle").without(0) == ""


@given(st.integers(0, 70_000), st.integers(0, 70_000), st.integers(0, 70_000))
def test_range_words(low, high, value):
    has = set(words.number_words(value)) & set(words.range_words(low, high))
    value, top = min(value, words.LARGEST), min(high, words.LARGEST)
    assert bool(has) == (low <= value <= top)


@given(st.dates(), st.dates(), st.dates())
def test_period_words(first, last, day):
    has = set(words.day_words(day)) & set(words.period_words(first, last))
    first, last, day = words.clamped(first), words.clamped(last), words.clamped(day)
    assert bool(has) == (first <= day <= last)
    assert sum(1 for _ in words.period_words(first, last)) <= 120


def test_words():
    assert words.words("Élan, (red:1.2) lo_fi") == ["elan", "red", "1", "2", "lo", "fi"]
    assert words.words("東京の夜 night") == [*"東京の夜", "night"]
    assert words.words("Straße ½") == ["strasse", "1", "2"]
    assert words.key("Sea  Side") == words.key("sea side") != words.key("seaside")


@given(st.text())
def test_folding_is_done_once(text):
    for word in words.words(text):
        assert words.words(word)[:1] == [word]


def test_relative_dates():
    def period(text):
        return compiling.fields.days(tree(text), TODAY)

    assert period("date:today") == (TODAY, TODAY)
    assert period("date:7d") == (TODAY - timedelta(days=6), TODAY)
    assert period("date:2026-02") == (date(2026, 2, 1), date(2026, 2, 28))
    assert period("date:>2026-11-01") == (date(2026, 11, 2), date.max)

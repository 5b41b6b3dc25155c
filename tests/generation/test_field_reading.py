"""The fields of a version: JSON to values and back, every fault by name."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation import fields, starters

GRAPH = {"1": {"class_type": "N", "inputs": {"a": 1, "b": 2}}}
GOOD = {"name": "a", "kind": "integer", "targets": [["1", "a"]]}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=20,
)
NAMES = sorted(fields.Parameter.__dataclass_fields__)


def errors_of(entry):
    with pytest.raises(fields.BadFields) as caught:
        fields.read([entry], GRAPH)
    return caught.value.errors


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "A b"}, "Field 1: the name is written with a-z, 0-9 and _."),
        ({"name": "count"}, "Field 1: every form has a “count” of its own."),
        ({"kind": "spell"}, "Field 1: “spell” is no kind of field."),
        ({"targets": []}, 'Field 1 (a): targets are written as [["6", "text"]].'),
        (
            {"targets": [["1", "c"]]},
            "Field 1 (a): the graph has no input c at node 1.",
        ),
        (
            {"minimum": 3, "maximum": 2},
            "Field 1 (a): the minimum is above the maximum.",
        ),
        ({"step": 0}, "Field 1 (a): the step must be above 0."),
        ({"minimum": float("nan")}, "Field 1 (a): minimum is far too large."),
        ({"required": "no"}, "Field 1 (a): required is true or false."),
        ({"colour": 1}, "Field 1 (a): “colour” is nothing that a field has."),
    ],
)
def test_what_is_wrong_is_said(change, sentence):
    assert sentence in errors_of(GOOD | change)


def test_a_name_is_taken_once():
    with pytest.raises(fields.BadFields, match="another field has this name"):
        fields.read([GOOD, GOOD], GRAPH)


def test_all_faults_are_told_at_once():
    with pytest.raises(fields.BadFields) as caught:
        fields.read([GOOD | {"kind": "x"}, GOOD | {"step": -1}], GRAPH)
    assert len(caught.value.errors) == 2


def test_the_starters_survive_reading_and_writing():
    folder = starters.__path__[0]
    for path in sorted(starters.Path(folder).glob("*.json")):
        starter = json.loads(path.read_text())
        read = fields.read(starter["parameters"], starter["graph"])
        assert fields.read(fields.write(read), starter["graph"]) == read


@given(st.lists(st.dictionaries(st.sampled_from(NAMES), anything), max_size=4))
def test_anything_is_read_or_refused(raw):
    try:
        read = fields.read(raw, GRAPH)
    except fields.BadFields as exc:
        assert exc.errors
    else:
        assert fields.read(fields.write(read), GRAPH) == read


@given(anything)
def test_what_is_no_list_of_fields_is_refused(raw):
    try:
        assert fields.read(raw, GRAPH) == ()
    except fields.BadFields as exc:
        assert exc.errors

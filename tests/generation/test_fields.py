"""The fields of a template as JSON: what is kept, and what is refused."""

from __future__ import annotations

import pytest

from generation import fields
from generation.schema import json_schema

GRAPH = {"1": {"class_type": "Node", "inputs": {"w": 1, "h": 1, "n": "", "s": 1}}}
SIZE = {
    "name": "size",
    "label": "Size",
    "kind": "size",
    "targets": [["1", "w", "width"], ["1", "h", "height"]],
    "default": {"width": 64, "height": 32},
}
PLAIN = {"name": "plain", "label": "Plain", "kind": "integer", "targets": [["1", "s"]]}
IMAGE = {"name": "image", "label": "Image", "kind": "image", "targets": [["1", "n"]]}


def test_parts_conditions_and_masks_are_kept():
    raw = [
        SIZE,
        PLAIN | {"shown_if": {"parameter": "choice", "is": ["a", "b"]}},
        PLAIN | {"name": "choice", "label": "Choice", "kind": "choice"},
        IMAGE,
        IMAGE | {"name": "mask", "label": "Mask", "kind": "mask", "paints": "image"},
    ]
    assert fields.write(fields.read(raw, GRAPH)) == raw


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (SIZE | {"targets": [["1", "w"]]}, "its targets are written as"),
        (SIZE | {"targets": [["1", "w", "width"]]}, "nothing takes its height"),
        (SIZE | {"targets": [["1", "w", "name"]]}, "its targets are written as"),
        (SIZE | {"default": {"width": 64}}, "the default has width and height"),
        (PLAIN | {"targets": [["1", "s", "width"]]}, "its targets are written as"),
        (PLAIN | {"shown_if": {"parameter": "x"}}, "shown_if is written as"),
        (PLAIN | {"shown_if": {"parameter": "x", "is": [1]}}, "cannot depend on “x”"),
        (PLAIN | {"shown_if": {"parameter": "plain", "is": [1]}}, "on itself"),
        (IMAGE | {"kind": "mask", "paints": "nothing"}, "no picture"),
    ],
)
def test_what_is_wrong_is_named(raw, sentence):
    with pytest.raises(fields.BadFields, match=sentence):
        fields.read([raw], GRAPH)


def test_fields_may_not_depend_on_each_other_in_a_circle():
    one = PLAIN | {"name": "one", "shown_if": {"parameter": "two", "is": [1]}}
    two = PLAIN | {"name": "two", "shown_if": {"parameter": "one", "is": [1]}}
    with pytest.raises(fields.BadFields, match="depends on itself"):
        fields.read([one, two], GRAPH)


def test_the_api_tells_the_parts_of_a_size():
    schema = json_schema(fields.read([SIZE], GRAPH), lambda _: None)
    size = schema["properties"]["size"]
    assert size["type"] == "object"
    assert set(size["properties"]) == {"width", "height"}

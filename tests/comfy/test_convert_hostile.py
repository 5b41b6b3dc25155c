"""Whatever somebody uploads: a workflow, or one kind of error, and soon."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.comfy.convert import Definitions, Unconvertible, convert, read
from tests.comfy.graphs import KNOWN, converted, inputs, node, subgraph, workflow
from tests.make import recording

TXT2IMG = recording("workflows/sd15_txt2img.api")
# Seconds of the processor, which a busy machine does not stretch.
SOON = 5


def refusal(document):
    begun = time.process_time()
    with pytest.raises(Unconvertible) as caught:
        convert(document, KNOWN)
    assert time.process_time() - begun < SOON
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        b"\xff\xfe",
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": 1e999}',
        '{"a": 1' + "0" * 5000 + "}",
        '{"a": 1, "a": 2}',
        "[" * 100_000,
        "[" * 101 + "]" * 101,
        " " * (10 * 1024 * 1024) + "{}",
    ],
)
def test_only_json_within_limits_is_read(text):
    with pytest.raises(Unconvertible) as caught:
        read(text)
    assert caught.value.sentence.endswith(".") or "JSON" in caught.value.sentence


def test_json_in_text_and_bytes_is_read():
    assert read('{"a": [1, 2.5, null]}') == read(b'\xef\xbb\xbf{"a": [1, 2.5, null]}')


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"nodes": None},
        {"nodes": {}},
        {"nodes": [1]},
        {"nodes": [{}]},
        {"nodes": [{"type": 5}]},
        {"nodes": [{"type": "Note", "id": []}]},
        {"nodes": [{"type": "Note", "id": 1, "inputs": {}}]},
        {"nodes": [{"type": "Note", "id": 1, "widgets_values": 5}]},
        {"nodes": [], "links": {}},
        {"nodes": [], "links": [5]},
        {"nodes": [], "definitions": {"subgraphs": 5}},
        {"nodes": [], "definitions": {"subgraphs": [5]}},
    ],
)
def test_what_has_not_the_shape_of_a_workflow_is_refused(document):
    assert refusal(document).sentence


def test_too_many_nodes_are_refused():
    assert (
        "nodes" in refusal(workflow(*[node(n, "Note") for n in range(30_000)])).sentence
    )


def test_a_subgraph_in_itself_is_refused():
    ring = [subgraph("a", node(1, "b")), subgraph("b", node(1, "a"))]
    document = workflow(node(1, "a"), definitions={"subgraphs": ring})
    assert "itself" in refusal(document).sentence


def test_subgraphs_that_multiply_are_refused_before_they_do():
    levels = [
        subgraph(f"s{n}", *[node(k, f"s{n + 1}") for k in range(10)]) for n in range(20)
    ]
    document = workflow(node(1, "s0"), definitions={"subgraphs": levels})
    assert "more than" in refusal(document).sentence


def test_subgraphs_nested_too_deeply_are_refused():
    levels = [subgraph(f"s{n}", node(1, f"s{n + 1}")) for n in range(100)]
    document = workflow(node(1, "s0"), definitions={"subgraphs": levels})
    assert "deeply" in refusal(document).sentence


def test_chains_that_take_too_long_are_refused():
    count = 3000
    chain = [
        node(n, "Reroute", inputs=[("", "*", n)], outputs=[("*", n + 1)])
        for n in range(1, count)
    ]
    links = [(n, n - 1, 0, n, 0, "*") for n in range(1, count)]
    assert "entangled" in refusal(workflow(*chain, links=links)).sentence


@pytest.mark.parametrize("text", ["{" * 5000, "{a|b}" * 1_000_000])
def test_texts_with_too_many_braces_are_refused(text):
    assert "braces" in refusal(workflow(node(1, "CLIPTextEncode", text))).sentence


def test_names_that_would_explode_are_refused():
    text = node(1, "CLIPTextEncode", "x" * 10_000, title="T")
    saver = node(2, "SaveImage", "%T.text%" * 1000)
    assert "long" in refusal(workflow(text, saver)).sentence


def test_growing_groups_of_inputs_have_an_end():
    slots = [(f"images.image{n}", "IMAGE", None) for n in range(900)]
    prompt = converted(node(1, "BatchImagesNode", inputs=slots))
    assert inputs(prompt)["1"] == {}


def test_a_prompt_passes_as_it_is():
    assert convert(TXT2IMG, KNOWN) == TXT2IMG


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (5, "object"),
        ({"inputs": {}}, "class_type"),
        ({"class_type": "Nope", "inputs": {}}, "known"),
        ({"class_type": "KSampler"}, "inputs"),
        ({"class_type": "KSampler", "inputs": {"model": ["99", 0]}}, "model"),
    ],
)
def test_a_prompt_that_cannot_run_names_its_nodes(broken, reason):
    error = refusal(TXT2IMG | {"77": broken})
    assert [one.id for one in error.nodes] == ["77"]
    assert reason in error.nodes[0].reason


def test_a_prompt_that_goes_round_in_a_circle_is_refused():
    one = {"class_type": "ImageScale", "inputs": {"image": ["2", 0]}}
    other = {"class_type": "ImageScale", "inputs": {"image": ["1", 0]}}
    assert {n.id for n in refusal({"1": one, "2": other}).nodes} == {"1", "2"}


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)


def converts_or_refuses(document):
    try:
        prompt = convert(read(json.dumps(document)), KNOWN)
    except Unconvertible as error:
        assert error.sentence
    else:
        json.dumps(prompt)


@given(json_values)
def test_any_json_is_converted_or_refused(document):
    converts_or_refuses(document)


@given(st.text() | st.binary())
def test_any_text_is_read_or_refused(document):
    try:
        read(document)
    except Unconvertible as error:
        assert error.sentence


def odd(*likely):
    """Mostly something likely."""
    return st.sampled_from(likely) | st.sampled_from(likely) | json_values


KINDS = (
    *("KSampler", "CLIPTextEncode", "LoadImage", "Reroute", "PrimitiveNode", "Note"),
    *("BatchImagesNode", "ResizeImageMaskNode", "CustomCombo", "SaveImage", "Load3D"),
    *("ComfySwitchNode", "LoadAudio", "PreviewAny", "Nope", "s1", "s2", "workflow>g"),
)
ids = odd(1, 2, 3, "4", -10, -20)
slots = st.fixed_dictionaries(
    {"name": odd("image", "seed", "text", "images.image1", "resize_type.width")},
    optional={
        "type": odd("IMAGE", "*", "INT"),
        "link": odd(1, 2, 3, None),
        "links": odd([1], [2, 3], None),
        "widget": odd({"name": "seed"}, {"name": "text"}),
        "linkIds": odd([1], [2]),
        "id": odd("a"),
    },
)
nodes = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS), "id": st.sampled_from([1, 2, 3, "4"])},
    optional={
        "mode": odd(0, 2, 4),
        "inputs": st.lists(slots, max_size=4),
        "outputs": st.lists(slots, max_size=3),
        "widgets_values": st.lists(json_values, max_size=6) | st.just({"seed": 5}),
        "properties": odd({"proxyWidgets": [["1", "seed"]]}),
        "title": odd("T"),
    },
)
links = st.lists(
    st.tuples(ids, ids, odd(0, 1), ids, odd(0, 1), odd("IMAGE")).map(list)
    | st.fixed_dictionaries(
        {"id": ids, "origin_id": ids, "origin_slot": odd(0, 1)},
        optional={"target_id": ids, "target_slot": odd(0, 1)},
    ),
    max_size=6,
)
graphs = {"nodes": st.lists(nodes, max_size=5), "links": links}
subgraphs = st.fixed_dictionaries(
    graphs | {"id": st.sampled_from(["s1", "s2"])},
    optional={"inputs": st.lists(slots, max_size=3), "outputs": st.lists(slots)},
)
groups = st.fixed_dictionaries(
    {"nodes": st.lists(nodes, max_size=3)},
    optional={"links": links, "external": json_values, "config": json_values},
)
workflows = st.fixed_dictionaries(
    graphs,
    optional={
        "version": odd(0.4, 1),
        "last_node_id": odd(9),
        "definitions": st.lists(subgraphs, max_size=3).map(
            lambda found: {"subgraphs": found}
        ),
        "extra": groups.map(lambda found: {"groupNodes": {"g": found}}) | json_values,
    },
)


@settings(max_examples=300, deadline=None)
@given(workflows)
def test_anything_like_a_workflow_is_converted_or_refused(document):
    converts_or_refuses(document)


@given(json_values)
def test_odd_definitions_do_no_harm(entry):
    document = workflow(node(1, "N", 1, 2))
    for info in ({"N": entry}, {"N": {"input": {"required": {"a": entry}}}}):
        try:
            convert(document, Definitions(info))
        except Unconvertible as error:
            assert error.sentence

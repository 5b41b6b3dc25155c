"""Subgraphs and groups: nodes inside of nodes, and the values that they show."""

from __future__ import annotations

import copy

import pytest

from generation.comfy.convert import Unconvertible
from tests.comfy.graphs import converted, inputs, loader, node, preview, subgraph

BYPASS, MUTE = 4, 2


def scaling(name="scaling", inner="ImageScale", inner_id=5, **more):
    """A picture comes in and goes out scaled; the width can be set from outside."""
    inner_node = node(
        inner_id,
        inner,
        *("lanczos", 100, 200, "center"),
        inputs=[("image", "IMAGE", 1), ("width", "INT", 2, "width")],
        outputs=[("IMAGE", 3)],
        **more,
    )
    return subgraph(
        name,
        inner_node,
        inputs=[("image", "IMAGE", 1), ("width", "INT", 2)],
        outputs=[("IMAGE", "IMAGE", 3)],
        links=[
            (1, -10, 0, inner_id, 0, "IMAGE"),
            (2, -10, 1, inner_id, 1, "INT"),
            (3, inner_id, 0, -20, 0, "IMAGE"),
        ],
    )


def instance(node_id, link, *out, kind="scaling", width=None, **more):
    slots = [("image", "IMAGE", link), ("width", "INT", width)]
    outputs = [("IMAGE", *out)]
    return node(node_id, kind, inputs=slots, outputs=outputs, **more)


LINKS = [(1, 1, 0, 2, 0, "IMAGE"), (2, 2, 0, 9, 0, "IMAGE")]


def run(*nodes, definitions, links=LINKS, **more):
    found = {"definitions": {"subgraphs": list(definitions)}}
    return converted(*nodes, links=links, **found, **more)


def test_nodes_inside_are_named_after_their_instance():
    prompt = run(loader(1), instance(2, 1, 2), preview(2), definitions=[scaling()])
    assert set(prompt) == {"1", "2:5", "9"}
    assert inputs(prompt)["9"] == {"images": ["2:5", 0]}
    assert inputs(prompt)["2:5"]["image"] == ["1", 0]


def test_a_field_that_is_shown_outside_has_the_value_of_the_node_inside():
    promoted = instance(2, 1, 2, widgets_values=[999])
    promoted["properties"] = {"proxyWidgets": [["5", "width"]]}
    prompt = run(loader(1), promoted, preview(2), definitions=[scaling()])
    assert inputs(prompt)["2:5"]["width"] == 100


def test_a_link_from_outside_replaces_the_field():
    number = node(3, "PrimitiveInt", 640, "fixed", outputs=[("INT", 4)])
    links = [*LINKS, (4, 3, 0, 2, 1, "INT")]
    nodes = [loader(1), instance(2, 1, 2, width=4), preview(2), number]
    prompt = run(*nodes, definitions=[scaling()], links=links)
    assert inputs(prompt)["2:5"]["width"] == ["3", 0]


def test_a_primitive_outside_sets_the_field_inside():
    primitive = node(3, "PrimitiveNode", 640, "fixed", outputs=[("INT", 4)])
    links = [*LINKS, (4, 3, 0, 2, 1, "INT")]
    nodes = [loader(1), instance(2, 1, 2, width=4), preview(2), primitive]
    prompt = run(*nodes, definitions=[scaling()], links=links)
    assert inputs(prompt)["2:5"]["width"] == 640


def test_one_input_gives_all_its_fields_the_value_of_the_first():
    shared = scaling()
    shared["nodes"].append(
        node(6, "EmptyImage", 7, 8, inputs=[("width", "INT", 4, "width")])
    )
    shared["links"].append(dict(shared["links"][1], id=4, target_id=6, target_slot=0))
    shared["inputs"][1]["linkIds"] = [2, 4]
    prompt = run(loader(1), instance(2, 1, 2), preview(2), definitions=[shared])
    assert inputs(prompt)["2:6"]["width"] == 100


def test_instances_share_their_values():
    nodes = [loader(1, 3), instance(2, 1, 2), instance(4, 3), preview(2)]
    links = [*LINKS, (3, 1, 0, 4, 0, "IMAGE")]
    prompt = run(*nodes, definitions=[scaling()], links=links)
    assert inputs(prompt)["2:5"] == inputs(prompt)["4:5"]


def outer():
    """A subgraph around `scaling`."""
    return scaling(name="outer", inner="scaling", inner_id=7)


@pytest.mark.parametrize("order", [1, -1])
def test_subgraphs_may_lie_in_each_other(order):
    definitions = [scaling(), outer()][::order]
    nodes = [loader(1), instance(2, 1, 2, kind="outer"), preview(2)]
    prompt = run(*nodes, definitions=definitions)
    assert set(prompt) == {"1", "2:7:5", "9"}
    assert inputs(prompt)["9"] == {"images": ["2:7:5", 0]}
    assert inputs(prompt)["2:7:5"]["image"] == ["1", 0]
    assert inputs(prompt)["2:7:5"]["width"] == 100


def test_an_id_that_is_taken_outside_is_changed_inside():
    nodes = [loader(1), instance(2, 1, 2), preview(2)]
    prompt = run(*nodes, definitions=[scaling(inner_id=1)], last_node_id=20)
    assert set(prompt) == {"1", "2:21", "9"}
    assert inputs(prompt)["2:21"]["image"] == ["1", 0]


@pytest.mark.parametrize(("mode", "left"), [(MUTE, {}), (BYPASS, {"images": ["1", 0]})])
def test_an_instance_that_does_not_run_keeps_its_nodes_to_itself(mode, left):
    switched = instance(2, 1, 2, mode=mode)
    prompt = run(loader(1), switched, preview(2), definitions=[scaling()])
    assert set(prompt) == {"1", "9"}
    assert inputs(prompt)["9"] == left


def test_a_bypassed_node_inside_passes_on_what_comes_in():
    nodes = [loader(1), instance(2, 1, 2), preview(2)]
    prompt = run(*nodes, definitions=[scaling(mode=BYPASS)])
    assert inputs(prompt)["9"] == {"images": ["1", 0]}


def test_an_unknown_node_inside_is_named_with_its_path():
    with pytest.raises(Unconvertible) as caught:
        run(loader(1), instance(2, 1, 2), definitions=[scaling(inner="Nope")])
    assert [(one.id, one.type) for one in caught.value.nodes] == [("2:5", "Nope")]


def test_the_document_is_left_as_it_was():
    definition, nodes = scaling(inner_id=1), [loader(1), instance(2, 1, 2), preview(2)]
    before = copy.deepcopy([definition, nodes])
    run(*nodes, definitions=[definition])
    assert [definition, nodes] == before


def group(*nodes, links=(), external=()):
    data = {"nodes": list(nodes), "links": list(links), "external": list(external)}
    return {"groupNodes": {"pair": data}}


@pytest.mark.parametrize("separator", [">", "/"])
def test_a_group_becomes_its_nodes_with_the_values_of_the_group(separator):
    inner = [
        node(-1, "CLIPTextEncode", "old", inputs=[("clip", "CLIP", None)]),
        node(-1, "KSampler", inputs=[("positive", "CONDITIONING", None)]),
    ]
    links = [[0, 0, 1, 1, 5, "CONDITIONING"], [None, 1, 0, 0, 1, "CLIP"]]
    values = ["new", 77, "fixed", 11, 3.5, "dpmpp_2m", "karras", 0.5]
    slots = {"inputs": [("clip", "CLIP", 1)], "outputs": [("LATENT", 2)]}
    prompt = converted(
        node(1, "CheckpointLoaderSimple", "a", outputs=[("MODEL",), ("CLIP", 1)]),
        node(5, f"workflow{separator}pair", *values, **slots),
        node(9, "PreviewAny", inputs=[("source", "*", 2)]),
        links=[(1, 1, 1, 5, 0, "CLIP"), (2, 5, 0, 9, 0, "*")],
        extra=group(*inner, links=links, external=[[1, 0, "LATENT"]]),
    )
    assert set(prompt) == {"1", "5:0", "5:1", "9"}
    assert inputs(prompt)["5:0"] == {"text": "new", "clip": ["1", 1]}
    assert inputs(prompt)["5:1"]["positive"] == ["5:0", 0]
    assert inputs(prompt)["5:1"]["seed"] == 77
    assert inputs(prompt)["9"] == {"source": ["5:1", 0]}


def test_a_group_with_an_unknown_node_is_unknown_itself():
    with pytest.raises(Unconvertible) as caught:
        converted(node(5, "workflow>pair"), extra=group(node(-1, "Nope")))
    assert caught.value.nodes[0].type == "workflow>pair"

"""Links: through bypassed, muted and virtual nodes, and what breaks them."""

from __future__ import annotations

import pytest

from generation.comfy.convert import Unconvertible
from tests.comfy.graphs import converted, inputs, loader, node, preview

BYPASS, MUTE = 4, 2


def scale(link, *out, mode=0, node_id=2):
    return node(
        node_id,
        "ImageScale",
        inputs=[("image", "IMAGE", link)],
        outputs=[("IMAGE", *out)],
        mode=mode,
    )


CHAIN = [(1, 1, 0, 2, 0, "IMAGE"), (2, 2, 0, 9, 0, "IMAGE")]


def reroute(node_id, link, *out, mode=0, kind="IMAGE"):
    slots = {"inputs": [("", "*", link)], "outputs": [(kind, *out)]}
    return node(node_id, "Reroute", mode=mode, **slots)


def refused(*nodes, **more):
    with pytest.raises(Unconvertible) as caught:
        converted(*nodes, **more)
    return caught.value


def test_links_name_node_and_output():
    prompt = converted(loader(1), scale(1, 2), preview(2), links=CHAIN)
    assert inputs(prompt)["9"] == {"images": ["2", 0]}
    assert inputs(prompt)["2"]["image"] == ["1", 0]


def test_a_bypassed_node_passes_on_the_input_of_its_type():
    prompt = converted(loader(1), scale(1, 2, mode=BYPASS), preview(2), links=CHAIN)
    assert set(prompt) == {"1", "9"}
    assert inputs(prompt)["9"] == {"images": ["1", 0]}


def test_a_bypassed_node_without_a_fitting_input_passes_nothing_on():
    encode = node(
        2,
        "VAEDecode",
        inputs=[("samples", "LATENT", 1)],
        outputs=[("IMAGE", 2)],
        mode=BYPASS,
    )
    prompt = converted(
        node(1, "EmptyLatentImage", outputs=[("LATENT", 1)]),
        encode,
        preview(2),
        links=[(1, 1, 0, 2, 0, "LATENT"), CHAIN[1]],
    )
    assert inputs(prompt)["9"] == {}


def test_a_muted_node_takes_its_links_with_it():
    prompt = converted(loader(1), scale(1, 2, mode=MUTE), preview(2), links=CHAIN)
    assert inputs(prompt) == {"1": {"image": "a.png"}, "9": {}}


def test_reroutes_vanish():
    prompt = converted(
        loader(1),
        reroute(2, 1, 2),
        reroute(3, 2, 3),
        preview(3),
        links=[
            (1, 1, 0, 2, 0, "*"),
            (2, 2, 0, 3, 0, "IMAGE"),
            (3, 3, 0, 9, 0, "IMAGE"),
        ],
    )
    assert inputs(prompt) == {"1": {"image": "a.png"}, "9": {"images": ["1", 0]}}


def test_a_reroute_to_an_input_of_another_type_is_cut():
    decode = node(9, "VAEDecode", inputs=[("samples", "LATENT", 2)])
    links = [(1, 1, 0, 2, 0, "*"), (2, 2, 0, 9, 0, "IMAGE")]
    prompt = converted(loader(1), reroute(2, 1, 2), decode, links=links)
    assert inputs(prompt)["9"] == {}


def test_native_reroutes_change_nothing():
    extra = {
        "reroutes": [{"id": 1, "pos": [0, 0], "linkIds": [1]}],
        "linkExtensions": [{"id": 1, "parentId": 1}],
    }
    links = [(1, 1, 0, 9, 0, "IMAGE")]
    prompt = converted(loader(1), preview(1), links=links, extra=extra)
    assert inputs(prompt)["9"] == {"images": ["1", 0]}


def test_notes_are_for_people():
    prompt = converted(loader(), node(2, "Note", "hi"), node(3, "MarkdownNote", "hi"))
    assert set(prompt) == {"1"}


def test_a_widget_that_is_an_input_is_linked():
    sampler = node(
        2,
        "KSampler",
        *(1, "fixed", 20, 8, "euler", "normal", 1),
        inputs=[("steps", "INT", 1, "steps")],
    )
    number = node(1, "PrimitiveInt", 12, "fixed", outputs=[("INT", 1)])
    prompt = converted(number, sampler, links=[(1, 1, 0, 2, 0, "INT")])
    assert inputs(prompt)["2"]["steps"] == ["1", 0]
    assert inputs(prompt)["1"] == {"value": 12}


def test_slots_are_found_by_name_wherever_they_were_saved():
    """Older pages saved other places; the link of the input counts."""
    sampler = node(
        2, "KSampler", inputs=[("seed", "INT", None, "seed"), ("model", "MODEL", 1)]
    )
    checkpoint = node(1, "CheckpointLoaderSimple", "a", outputs=[("MODEL", 1)])
    prompt = converted(checkpoint, sampler, links=[(1, 1, 0, 2, 1, "MODEL")])
    assert inputs(prompt)["2"]["model"] == ["1", 0]


def primitive(values, kind="INT", links=(1,)):
    return node(1, "PrimitiveNode", *values, outputs=[(kind, *links)])


def test_a_primitive_puts_its_value_into_its_targets():
    samplers = [
        node(n, "KSampler", inputs=[("seed", "INT", n, "seed")]) for n in (2, 3)
    ]
    links = [(n, 1, 0, n, 0, "INT") for n in (2, 3)]
    prompt = converted(
        primitive([55, "randomize"], links=(2, 3)), *samplers, links=links
    )
    assert [inputs(prompt)[n]["seed"] for n in ("2", "3")] == [55, 55]
    assert "1" not in prompt


def test_a_primitive_keeps_to_the_limits_of_its_target():
    sampler = node(2, "KSampler", inputs=[("steps", "INT", 1, "steps")])
    prompt = converted(
        primitive([-3, "fixed"]), sampler, links=[(1, 1, 0, 2, 0, "INT")]
    )
    assert inputs(prompt)["2"]["steps"] == 1


def test_a_primitive_without_a_value_leaves_its_targets_as_they_are():
    sampler = node(
        2,
        "KSampler",
        *(7, "fixed", 33, 8, "euler", "normal", 1),
        inputs=[("steps", "INT", 1, "steps")],
    )
    prompt = converted(primitive([]), sampler, links=[(1, 1, 0, 2, 0, "INT")])
    assert inputs(prompt)["2"]["steps"] == 33


def test_unknown_nodes_are_named_one_by_one():
    error = refused(loader(), node(2, "SetNode"), node(3, "Nope"))
    assert [(one.id, one.type) for one in error.nodes] == [
        ("2", "SetNode"),
        ("3", "Nope"),
    ]
    assert "SetNode" in error.sentence
    assert all("known" in one.reason for one in error.nodes)


@pytest.mark.parametrize("mode", [BYPASS, MUTE])
def test_unknown_nodes_that_do_not_run_are_no_obstacle(mode):
    slots = {"inputs": [("x", "IMAGE", 1)], "outputs": [("IMAGE", 2)]}
    unknown = node(2, "Nope", mode=mode, **slots)
    prompt = converted(loader(1), unknown, preview(2), links=CHAIN)
    expected = {"images": ["1", 0]} if mode == BYPASS else {}
    assert inputs(prompt)["9"] == expected


def test_a_link_that_does_not_exist_names_its_node():
    error = refused(loader(1), preview(1), links=[])
    assert [one.id for one in error.nodes] == ["9"]
    assert "images" in error.nodes[0].reason


def test_of_several_equal_links_the_used_one_counts():
    links = [(n, 1, 0, 9, 0, "IMAGE") for n in (4, 5, 6)]
    prompt = converted(loader(4, 5, 6), preview(6), links=links)
    assert inputs(prompt)["9"] == {"images": ["1", 0]}


def test_links_in_a_circle_are_refused_with_their_nodes():
    links = [(1, 3, 0, 2, 0, "IMAGE"), (2, 2, 0, 3, 0, "IMAGE")]
    error = refused(scale(1, 2), scale(2, 1, node_id=3), links=links)
    assert {one.id for one in error.nodes} == {"2", "3"}


def test_bypassed_nodes_in_a_circle_are_refused():
    links = [(1, 3, 0, 2, 0, "IMAGE"), (2, 2, 0, 3, 0, "IMAGE")]
    ring = [scale(1, 2, mode=BYPASS), scale(2, 1, 3, mode=BYPASS, node_id=3)]
    error = refused(*ring, preview(3), links=[*links, (3, 3, 0, 9, 0, "IMAGE")])
    assert [one.id for one in error.nodes] == ["9"]

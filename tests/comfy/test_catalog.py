from __future__ import annotations

import copy

import pytest

from generation.comfy.catalog import Catalog
from tests.make import recording

INFO = recording("object_info")
TXT2IMG = recording("workflows/sd15_txt2img.api")


@pytest.fixture(scope="module")
def catalog():
    return Catalog(INFO)


def missing(catalog, graph):
    return [(lack.kind, lack.node_id, lack.value) for lack in catalog.lacks(graph)]


def changed(node, name, value):
    graph = copy.deepcopy(TXT2IMG)
    graph[node]["inputs"][name] = value
    return graph


def test_it_knows_nodes_and_inputs(catalog):
    assert catalog.has("KSampler")
    assert not catalog.has("NoSuchNode")
    steps = catalog.input("KSampler", "steps")
    assert (steps.type, steps.min, steps.max, steps.default) == ("INT", 1, 10000, 20)
    assert steps.required
    assert catalog.input("CLIPTextEncode", "text").multiline
    assert catalog.input("KSampler", "nothing") is None
    assert catalog.choices("KSampler", "steps") is None
    assert "euler" in catalog.choices("KSampler", "sampler_name")


def test_both_dialects_say_the_same():
    old = Catalog({"N": {"input": {"required": {"a": [["x", "y"], {"default": "y"}]}}}})
    new_input = ["COMBO", {"options": ["x", "y"], "default": "y"}]
    new = Catalog({"N": {"input": {"required": {"a": new_input}}}})
    assert old.input("N", "a") == new.input("N", "a")
    assert old.choices("N", "a") == ("x", "y")


def test_a_graph_that_the_server_ran_lacks_nothing(catalog):
    assert catalog.lacks(TXT2IMG) == ()


def test_it_names_a_lacking_model_a_choice_and_a_node(catalog):
    graph = changed("4", "ckpt_name", "other.safetensors")
    assert missing(catalog, graph) == [("model", "4", "other.safetensors")]
    assert "other.safetensors" in str(catalog.lacks(graph)[0])
    graph = changed("3", "sampler_name", "sorcery")
    assert missing(catalog, graph) == [("choice", "3", "sorcery")]
    graph = {"1": {"class_type": "NoSuchNode", "inputs": {}}}
    assert missing(catalog, graph) == [("node", "1", "")]


def test_an_uploaded_picture_is_no_lack(catalog):
    assert INFO["LoadImage"]["input"]["required"]["image"][1]["image_upload"]
    graph = {"1": {"class_type": "LoadImage", "inputs": {"image": "not yet.png"}}}
    assert catalog.lacks(graph) == ()


def test_remote_choices_take_any_value_and_several_may_be_chosen():
    several = ["COMBO", {"options": ["x", "y"], "multiselect": True}]
    inputs = {"far": ["COMBO", {"remote": {"route": "/x"}}], "some": several}
    catalog = Catalog({"N": {"input": {"required": inputs}}})
    graph = {"1": {"class_type": "N", "inputs": {"far": "z", "some": ["x", "y"]}}}
    assert catalog.lacks(graph) == ()
    graph["1"]["inputs"]["some"] = ["x", "z"]
    assert missing(catalog, graph) == [("choice", "1", "z")]


@pytest.mark.parametrize("info", [{"N": None}, {"N": {"input": []}}, {"N": {}}])
def test_a_malformed_definition_has_no_inputs(info):
    catalog = Catalog(info)
    assert list(catalog.inputs("N")) == []
    assert (
        catalog.lacks({"1": {"class_type": "N", "inputs": {"a": 1}}, "2": None}) == ()
    )

from __future__ import annotations

import pytest
from hypothesis import given

from generation.comfy.catalog import Catalog
from generation.comfy.discover import discover
from generation.comfy.marks import Mark, mark
from tests.comfy.test_convert_hostile import json_values
from tests.make import recording

CATALOG = Catalog(recording("object_info"))
TXT2IMG = recording("workflows/sd15_txt2img.api")


def node(class_type, title="", **inputs):
    made = {"class_type": class_type, "inputs": inputs}
    return made | ({"_meta": {"title": title}} if title else {})


def found(graph):
    return {(one.node, one.input): one for one in discover(graph, CATALOG)}


def one(class_type, name, value, title="", **more):
    return found({"1": node(class_type, title, **{name: value}, **more)})["1", name]


def test_it_lists_everything_that_is_not_linked():
    listed = set(found(TXT2IMG))
    for node_id, entry in TXT2IMG.items():
        for name, value in entry["inputs"].items():
            assert ((node_id, name) in listed) == (not isinstance(value, list))


def test_it_preselects_what_people_change():
    chosen = {key for key, one in found(TXT2IMG).items() if one.preselected}
    assert {name for _, name in chosen} >= {
        *("text", "seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
        *("width", "height", "batch_size", "ckpt_name"),
    }
    assert "filename_prefix" not in {name for _, name in chosen}


def test_both_prompts_are_told_apart():
    labels = {c.default: c.label for c in found(TXT2IMG).values() if c.input == "text"}
    assert labels == {"a lighthouse at dusk": "Text", "blurry": "Negative prompt"}


def test_limits_and_choices_are_the_servers():
    steps = found(TXT2IMG)["3", "steps"]
    assert (steps.kind, steps.default) == ("integer", 6)
    assert (steps.minimum, steps.maximum) == (1, 10000)
    sampler = found(TXT2IMG)["3", "sampler_name"]
    assert sampler.kind == "sampler"
    assert "euler" in sampler.choices


@pytest.mark.parametrize(
    ("class_type", "name", "value", "kind"),
    [
        ("LoadImage", "image", "a.png", "image"),
        ("LoadImageMask", "image", "a.png", "mask"),
        ("LoadVideo", "file", "a.mp4", "video"),
        ("LoadAudio", "audio", "a.mp3", "audio"),
        ("LoraLoader", "lora_name", "a.safetensors", "lora"),
        ("UNETLoader", "unet_name", "a.safetensors", "model"),
        ("RandomNoise", "noise_seed", 5, "seed"),
        ("CLIPTextEncode", "text", "a fox", "long_text"),
        ("ColorToRGBInt", "color", "#ff0000", "color"),
        ("PrimitiveBoolean", "value", True, "boolean"),
        ("SaveImage", "filename_prefix", "x", "text"),
    ],
)
def test_kinds_are_suggested(class_type, name, value, kind):
    assert one(class_type, name, value).kind == kind


def test_inputs_that_a_choice_brings_along_are_found():
    choice = {"resize_type": "scale by multiplier"}
    scale = one("ResizeImageMaskNode", "resize_type.multiplier", 2.0, **choice)
    assert (scale.kind, scale.label, scale.maximum) == ("float", "Multiplier", 8)


def test_a_node_that_holds_a_value_is_about_what_it_feeds():
    graph = {
        "1": node("PrimitiveInt", "Lucky number", value=5),
        "2": node("KSampler", seed=["1", 0]),
    }
    seed = found(graph)["1", "value"]
    assert (seed.kind, seed.label, seed.preselected) == ("seed", "Lucky number", True)


def test_equal_labels_name_their_nodes():
    scale = {"width": 5, "height": 5}
    graph = {n: node("ImageScale", "Scale", **scale) for n in ("1", "2")}
    labels = [candidate.label for candidate in discover(graph, CATALOG)]
    assert "Scale: Width (1)" in labels
    assert len(set(labels)) == len(labels)


def test_marked_inputs_come_first_and_are_the_only_ones_preselected():
    graph = {
        "1": node("CLIPTextEncode", "<Look:style:2>", text="a"),
        "2": node("CLIPTextEncode", "<Prompt:basic:1>", text="b"),
        "3": node("KSampler", seed=5),
    }
    candidates = discover(graph, CATALOG)
    assert [(c.label, c.group) for c in candidates[:2]] == [
        ("Prompt", "basic"),
        ("Look", "style"),
    ]
    assert [c.node for c in candidates if c.preselected] == ["2", "1"]


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        (node("KSampler", "<Seed:basic/left:3>"), Mark("Seed", "basic/left", 3)),
        (node("KSampler", "VC_my_seed"), Mark("my seed")),
        (node("KSampler", "KSampler"), None),
        (
            node(
                "ComfyUIDeployExternalNumberInt",
                input_id="n",
                display_name="How many",
                default_value=4,
            ),
            Mark("How many", input="default_value", kind="integer"),
        ),
        (
            node("ETN_Parameter", name="2. Light/Strength", type="number", max=1),
            Mark("Strength", "Light", 2, "default", "float", maximum=1),
        ),
    ],
)
def test_marks_of_other_tools_are_understood(marked, expected):
    assert mark(marked) == expected


def test_nodes_that_exist_to_be_parameters_need_no_definition():
    deploy = node("ComfyUIDeployExternalText", input_id="p", default_value="a fox")
    candidate = found({"1": deploy})["1", "default_value"]
    assert (candidate.label, candidate.kind) == ("p", "text")
    assert candidate.preselected


@given(json_values, json_values)
def test_odd_graphs_do_no_harm(entry, value):
    inputs = {"positive": ["1", 0], "text": value, "value": value}
    graph = {"1": entry, "2": node("KSampler", seed=value, **inputs)}
    assert isinstance(discover(graph, CATALOG), tuple)

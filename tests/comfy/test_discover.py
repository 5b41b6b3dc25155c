"""What of a workflow can be set, what is offered first, and other tools' marks."""

from __future__ import annotations

import pytest

from generation import drafting
from generation.comfy.catalog import Catalog
from generation.comfy.discover import discover
from generation.fields import Target, read, write
from tests.make import recording

CATALOG = Catalog(recording("object_info"))
TXT2IMG = recording("workflows/sd15_txt2img.api")


def node(class_type, title="", **inputs):
    made = {"class_type": class_type, "inputs": inputs}
    return made | ({"_meta": {"title": title}} if title else {})


def fields(graph, catalog=CATALOG):
    return {p.name: p for p in drafting.draft(graph, catalog)}


def test_everything_that_is_no_link_is_offered():
    found = {(one.node, one.input) for one in discover(TXT2IMG, CATALOG)}
    settable = {
        (node_id, name)
        for node_id, each in TXT2IMG.items()
        for name, value in each["inputs"].items()
        if not isinstance(value, list)
    }
    assert found == settable


def test_what_matters_is_chosen_in_the_order_of_a_form():
    assert list(fields(TXT2IMG)) == [
        "prompt",
        "negative_prompt",
        "model",
        "size",
        "steps",
        "cfg",
        "sampler",
        "scheduler",
        "denoise",
        "seed",
        "batch_size",
    ]


def test_a_field_takes_limits_and_help_from_the_server():
    steps = fields(TXT2IMG)["steps"]
    assert (steps.kind, steps.minimum, steps.maximum) == ("integer", 1, 100)
    found = {one.role: one for one in discover(TXT2IMG, CATALOG)}
    assert found["steps"].maximum == 10_000
    assert steps.default == TXT2IMG["3"]["inputs"]["steps"]
    assert "denoising" in steps.help_text


def test_a_draft_goes_as_far_as_its_workflow():
    assert fields({"1": node("KSampler", steps=500)})["steps"].maximum == 10_000


def test_both_dialects_say_the_same():
    old = {"K": {"input": {"required": {"sampler_name": [["a", "b"]]}}}}
    new = {
        "K": {
            "input": {"required": {"sampler_name": ["COMBO", {"options": ["a", "b"]}]}}
        }
    }
    graph = {"1": node("K", sampler_name="a")}
    (one,) = discover(graph, Catalog(old))
    (other,) = discover(graph, Catalog(new))
    assert one == other
    assert one.sort == "sampler"


def test_without_a_server_the_values_tell():
    kinds = {name: p.kind for name, p in fields(TXT2IMG, None).items()}
    assert kinds["prompt"] == "long_text"
    assert kinds["seed"] == "seed"
    assert kinds["cfg"] in ("float", "integer")


def test_a_seed_is_drawn_anew_and_a_picture_is_asked_for():
    graph = {"1": node("LoadImage", image="example.png"), **TXT2IMG}
    found = fields(graph)
    assert found["seed"].default is None
    assert (found["image"].kind, found["image"].default) == ("image", None)


def test_two_of_a_role_have_two_names():
    graph = {
        str(n): node("LoraLoader", lora_name="a", strength_model=1.0) for n in (1, 2)
    }
    assert list(fields(graph)) == ["lora", "lora_2"]


def test_width_and_height_are_one_field():
    size = fields(TXT2IMG)["size"]
    latent = next(k for k, v in TXT2IMG.items() if "width" in v["inputs"])
    assert size.kind == "size"
    assert size.targets == (
        Target(latent, "width", "width"),
        Target(latent, "height", "height"),
    )
    inputs = TXT2IMG[latent]["inputs"]
    assert size.default == {"width": inputs["width"], "height": inputs["height"]}
    assert (size.minimum, size.maximum) == (16, 4096)
    assert fields(TXT2IMG)["batch_size"].kind == "batch"


def test_a_lora_and_its_strengths_are_one_field():
    loader = node(
        "LoraLoader",
        lora_name="a",
        strength_model=0.8,
        strength_clip=0.8,
        model=["4", 0],
    )
    (lora,) = fields({"1": loader}).values()
    assert (lora.kind, lora.default) == ("lora", {"name": "a", "strength": 0.8})
    assert [target.part for target in lora.targets] == ["name", "strength", "strength"]
    loader["inputs"]["strength_clip"] = 0.5
    (lora,) = fields({"1": loader}).values()
    assert [target.input for target in lora.at("strength")] == ["strength_model"]


def test_what_was_marked_apart_stays_apart():
    graph = {
        "1": node("PrimitiveInt", "<Width:basic:1>", value=512),
        "2": node("PrimitiveInt", "<Height:basic:2>", value=512),
    }
    assert {one.kind for one in fields(graph).values()} == {"integer"}


@pytest.mark.parametrize("value", [2**70, 1e300, None, "x" * 30_000, -5])
def test_a_draft_is_always_sound(value):
    graph = {
        "1": node("KSampler", steps=value, seed=value, cfg=value),
        "2": node("EmptyLatentImage", width=value, height=64, batch_size=value),
        "3": node("LoraLoader", lora_name=value, strength_model=value),
        "4": node("LoraLoader", lora_name="a", strength_model=value, strength_clip=1),
    }
    drafted = drafting.draft(graph, CATALOG)
    assert read(write(drafted), graph) == tuple(drafted)


RESIZE = {"resize_type": "scale by multiplier", "resize_type.multiplier": 2.0}


def test_what_a_dynamic_choice_brings_along_has_its_limits():
    graph = {"1": node("ResizeImageMaskNode", **RESIZE)}
    found = {one.input: one for one in discover(graph, CATALOG)}
    factor = found["resize_type.multiplier"]
    assert (factor.sort, factor.minimum, factor.maximum) == ("float", 0.01, 8)
    assert "Scale factor" in factor.tooltip


def test_a_dynamic_choice_offers_only_what_needs_no_other_inputs():
    graph = {"1": node("ResizeImageMaskNode", **RESIZE)}
    found = {one.input: one for one in discover(graph, CATALOG)}
    kind = found["resize_type"]
    assert kind.sort == "choice"
    assert "scale by multiplier" in kind.choices
    assert "scale dimensions" not in kind.choices
    assert drafting.parameter(kind).choices == kind.choices


def test_inputs_that_grow_are_what_their_template_says():
    growing = ["COMFY_AUTOGROW_V3", {"template": {"input": {"required": {}}}}]
    growing[1]["template"]["input"]["required"]["x"] = ["INT", {"min": 1, "max": 9}]
    catalog = Catalog({"K": {"input": {"required": {"values": growing}}}})
    (one,) = discover({"1": node("K", **{"values.x0": 5})}, catalog)
    assert (one.sort, one.minimum, one.maximum) == ("integer", 1, 9)


@pytest.mark.parametrize(
    "entry", [None, [], ["COMFY_DYNAMICCOMBO_V3"], ["COMFY_DYNAMICCOMBO_V3", 5], 7]
)
def test_odd_definitions_do_no_harm(entry):
    catalog = Catalog({"K": {"input": {"required": {"a": entry}}}})
    found = discover({"1": node("K", **{"a": "x", "a.b": 1})}, catalog)
    assert len(found) == 2


def test_the_prompt_of_a_node_that_does_all_by_itself():
    graph = {"1": node("KlingTextToVideoNode", prompt="a", negative_prompt="b")}
    assert list(fields(graph)) == ["prompt", "negative_prompt"]


def test_titles_of_the_minimalistic_wrapper():
    graph = {
        "1": node("PrimitiveInt", "<Frames:Length:2> 5, 121, 4", value=81),
        "2": node("PrimitiveString", "<What:prompt:1>", value="a cat"),
        "3": node("KSampler", steps=20, seed=1),
    }
    what, frames = drafting.draft(graph, CATALOG)
    assert (what.label, what.group) == ("What", "")
    assert (frames.label, frames.group) == ("Frames", "Length")
    assert (frames.minimum, frames.maximum, frames.step) == (5, 121, 4)


def test_prefixes_of_viewcomfy():
    graph = {
        "1": node("KSampler", "VC_ADV Fine", steps=20, cfg=7.0),
        "2": node("PrimitiveString", "VC_BASIC_Words", value="x"),
        "3": node("KSampler", steps=20),
    }
    drafted = drafting.draft(graph, CATALOG)
    assert {(p.label, p.advanced) for p in drafted} == {
        ("Fine: Steps", True),
        ("Fine: Guidance", True),
        ("Words: Value", False),
    }


def test_external_nodes_of_comfydeploy():
    graph = {
        "1": node(
            "ComfyUIDeployExternalNumberSlider",
            input_id="strength",
            display_name="Strength",
            description="How much.",
            default_value=0.5,
            min_value=0,
            max_value=1,
        ),
        "2": node("KSampler", steps=20),
    }
    (field,) = drafting.draft(graph, None)
    assert (field.name, field.label, field.help_text) == (
        "strength",
        "Strength",
        "How much.",
    )
    assert (field.default, field.maximum) == (0.5, 1)
    assert field.targets == (Target("1", "default_value"),)


def test_parameters_of_krita():
    def parameter(name, kind, default, **more):
        return node("ETN_Parameter", name=name, type=kind, default=default, **more)

    graph = {
        "1": parameter("2. Look/2. Grain", "number", 0.5, min=0, max=1),
        "2": parameter("2. Look/1. Words", "text", "soft"),
        "3": parameter("1. First/1. Dark", "toggle", False),
    }
    drafted = drafting.draft(graph, None)
    assert [(p.group, p.label, p.kind) for p in drafted] == [
        ("First", "Dark", "boolean"),
        ("Look", "Words", "text"),
        ("Look", "Grain", "float"),
    ]


def test_html_in_titles_stays_text():
    graph = {"1": node("PrimitiveString", "<img src=x onerror=alert(1)>", value="x")}
    found = discover(graph, CATALOG)
    assert found[0].title == "<img src=x onerror=alert(1)>"

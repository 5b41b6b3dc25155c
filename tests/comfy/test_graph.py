from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.comfy.graph import Described, NoSuchInput, describe, set_inputs, title
from tests.make import recording


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


LOADER = node("CheckpointLoaderSimple", ckpt_name="sd15.safetensors")
GOOD = node("CLIPTextEncode", text="a lighthouse", clip=["1", 1])
BAD = node("CLIPTextEncode", text="blurry", clip=["1", 1])


def ksampler(positive, negative, model=("1", 0), **more):
    return node(
        "KSampler",
        **{"seed": 5, "steps": 4, "cfg": 7, "sampler_name": "euler"},
        scheduler="normal",
        positive=list(positive),
        negative=list(negative),
        model=list(model),
        **more,
    )


def test_it_describes_the_recorded_workflow():
    described = describe(recording("workflows/sd15_txt2img.api"))
    assert described == Described(
        prompt="a lighthouse at dusk",
        negative_prompt="blurry",
        seed=42,
        model="random-sd15.safetensors",
        sampler="euler",
        scheduler="normal",
        steps=6,
        cfg=7.0,
    )


def test_a_controlnet_keeps_both_prompts_apart():
    net = node("ControlNetApplyAdvanced", positive=["2", 0], negative=["3", 0])
    # The ControlNets come first, as they do in many exported files.
    graph = {
        "0": node("ControlNetApplyAdvanced", positive=["4", 0], negative=["4", 1]),
        "1": LOADER,
        "2": GOOD,
        "3": BAD,
        "4": net,
        "5": ksampler(("0", 0), ("0", 1)),
    }
    described = describe(graph)
    assert described.prompt == "a lighthouse"
    assert described.negative_prompt == "blurry"
    assert described.seed == 5


def test_a_sampler_in_parts_is_read_part_by_part():
    graph = {
        "1": node("UNETLoader", unet_name="flux.safetensors"),
        "2": GOOD,
        "9": node("FluxGuidance", conditioning=["2", 0], guidance=3.5),
        "3": node("BasicGuider", model=["1", 0], conditioning=["9", 0]),
        "4": node("RandomNoise", noise_seed=7),
        "5": node("KSamplerSelect", sampler_name="euler"),
        "6": node("BasicScheduler", scheduler="simple", steps=20, model=["1", 0]),
        "7": node(
            "SamplerCustomAdvanced",
            noise=["4", 0],
            guider=["3", 0],
            sampler=["5", 0],
            sigmas=["6", 0],
        ),
    }
    assert describe(graph) == Described(
        prompt="a lighthouse",
        seed=7,
        model="flux.safetensors",
        sampler="euler",
        scheduler="simple",
        steps=20,
    )


def test_a_prompt_that_is_zeroed_out_is_no_negative_prompt():
    zero = node("ConditioningZeroOut", conditioning=["2", 0])
    graph = {"1": LOADER, "2": GOOD, "3": zero, "5": ksampler(("2", 0), ("3", 0))}
    assert describe(graph).negative_prompt == ""


def test_texts_and_seeds_are_followed_through_primitives():
    graph = {
        "1": LOADER,
        "2": node("CLIPTextEncode", text=["8", 0], clip=["1", 1]),
        "3": node("CLIPTextEncode", text="", clip=["1", 1]),
        "5": ksampler(("2", 0), ("3", 0)) | {},
        "8": node("PrimitiveString", value="a fox"),
        "9": node("PrimitiveInt", value=2**60),
    }
    graph["5"]["inputs"]["seed"] = ["9", 0]
    described = describe(graph)
    assert (described.prompt, described.negative_prompt) == ("a fox", "")
    assert described.seed == 2**60


def test_loras_are_named_along_the_models_chain():
    graph = {
        "1": LOADER,
        "2": GOOD,
        "3": BAD,
        "6": node("LoraLoader", lora_name="a.safetensors", model=["7", 0]),
        "7": node("LoraLoader", lora_name="b.safetensors", model=["1", 0]),
        "5": ksampler(("2", 0), ("3", 0), model=("6", 0)),
    }
    described = describe(graph)
    assert described.loras == ("a.safetensors", "b.safetensors")
    assert described.model == "sd15.safetensors"


names = st.sampled_from(
    ["positive", "negative", "model", "seed", "text", "guider", "conditioning", "value"]
)
ids = st.sampled_from(["1", "2", "3"])
links = st.tuples(ids, st.integers(0, 1)).map(list)
graphs = st.dictionaries(
    ids,
    st.none()
    | st.fixed_dictionaries(
        {
            "class_type": st.just("X"),
            "inputs": st.dictionaries(names, links | st.text() | st.none()),
        }
    ),
)


@given(graphs)
def test_cycles_and_malformed_nodes_end(graph):
    assert isinstance(describe(graph), Described)


def test_set_inputs_changes_a_copy():
    graph = {"1": LOADER, "2": GOOD}
    changed = set_inputs(graph, [("2", "text", "a cat")])
    assert changed["2"]["inputs"]["text"] == "a cat"
    assert graph["2"]["inputs"]["text"] == "a lighthouse"


@pytest.mark.parametrize("target", [("9", "text"), ("2", "texts")])
def test_set_inputs_names_what_is_not_there(target):
    with pytest.raises(NoSuchInput, match=f"{target[1]} at node {target[0]}"):
        set_inputs({"2": GOOD}, [(*target, 1)])


def test_a_title_is_what_a_person_calls_the_node():
    graph = {"1": LOADER | {"_meta": {"title": "The model"}}, "12": GOOD}
    assert title(graph, "1") == "The model"
    assert title(graph, "12:3") == "CLIPTextEncode"
    assert title(graph, "99") == "99"

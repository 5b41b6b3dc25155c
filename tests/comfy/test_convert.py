"""Widgets and values: what of a saved node is sent, under which name."""

from __future__ import annotations

import pytest

from generation.comfy.convert import Definitions, Unconvertible, convert
from tests.comfy.graphs import KNOWN, converted, inputs, node, workflow

SAMPLER = (7, "randomize", 20, 8.0, "euler", "normal", 1.0)


def info(**required):
    """Definitions of one node, N."""
    return Definitions({"N": {"input": {"required": required}, "output": []}})


def sent(definitions, *values, **more):
    return convert(workflow(node(1, "N", *values, **more)), definitions)["1"]["inputs"]


def test_values_follow_the_servers_order_and_the_seeds_control_is_not_sent():
    prompt = converted(node(3, "KSampler", *SAMPLER))
    assert prompt["3"] == {
        "class_type": "KSampler",
        "_meta": {"title": "KSampler"},
        "inputs": {
            "seed": 7,
            "steps": 20,
            "cfg": 8,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1,
        },
    }


def test_missing_values_take_the_default():
    prompt = converted(node(3, "KSampler", 7, "fixed", 30))
    assert prompt["3"]["inputs"]["steps"] == 30
    assert prompt["3"]["inputs"]["cfg"] == 8
    assert prompt["3"]["inputs"]["denoise"] == 1


def test_the_order_is_the_one_that_the_server_names():
    raw = {"required": {"b": ["INT", {}], "a": ["INT", {}]}, "optional": {"c": ["INT"]}}
    order = {"required": ["a", "b"], "optional": ["c"]}
    known = Definitions({"N": {"input": raw, "input_order": order}})
    assert sent(known, 1, 2, 3) == {"a": 1, "b": 2, "c": 3}


def test_hidden_and_forced_inputs_have_no_widget():
    raw = {"required": {"a": ["INT", {"forceInput": True}], "b": ["INT", {}]}}
    known = Definitions({"N": {"input": raw | {"hidden": {"prompt": "PROMPT"}}}})
    assert sent(known, 5) == {"b": 5}


def test_a_value_that_an_older_page_saved_for_a_forced_input_is_skipped():
    known = info(a=["INT", {"forceInput": True}], b=["INT", {}])
    assert sent(known, 4, 5) == {"b": 5}


@pytest.mark.parametrize("spec", [[["x", "y"]], ["COMBO", {"options": ["x", "y"]}]])
def test_both_dialects_of_choices_default_to_the_first(spec):
    assert sent(info(choice=spec)) == {"choice": "x"}


def test_a_choice_that_was_saved_as_null_becomes_the_first():
    assert sent(info(choice=[["x", "y"]]), None) == {"choice": "x"}


def test_values_may_be_saved_by_name():
    known = info(a=["INT", {"default": 3}], b=["INT", {}])
    assert sent(known, widgets_values={"b": 5}) == {"a": 3, "b": 5}


def test_an_upload_button_has_a_place_but_is_not_sent():
    prompt = converted(node(1, "LoadImage", "a.png", "image"))
    assert prompt["1"]["inputs"] == {"image": "a.png"}


def test_a_player_is_sent_but_has_no_place():
    known = Definitions({"SaveAudio": {"input": {"required": {"n": ["INT", {}]}}}})
    prompt = convert(workflow(node(1, "SaveAudio", 5)), known)
    assert prompt["1"]["inputs"] == {"n": 5, "audioUI": ""}


def test_lists_are_wrapped_so_that_they_are_no_links():
    known = info(box=["RANGE", {}], line=["CURVE", {}])
    assert sent(known, [1, 2], [[0, 0]]) == {
        "box": {"__value__": [1, 2]},
        "line": {"__type__": "CURVE", "__value__": [[0, 0]]},
    }


def test_numbers_are_what_a_browser_makes_of_them():
    known = info(a=["INT", {}], b=["FLOAT", {}])
    assert sent(known, 18446744073709551615, 2.0) == {"a": 18446744073709552000, "b": 2}


def test_fields_of_a_dynamic_choice_come_right_after_it():
    values = ["scale dimensions", 640, 480, "center", "lanczos"]
    prompt = converted(node(1, "ResizeImageMaskNode", *values))
    assert prompt["1"]["inputs"] == {
        "resize_type": "scale dimensions",
        "resize_type.width": 640,
        "resize_type.height": 480,
        "resize_type.crop": "center",
        "scale_method": "lanczos",
    }


def test_another_dynamic_choice_brings_other_fields():
    prompt = converted(node(1, "ResizeImageMaskNode", "scale by multiplier", 2, "area"))
    assert prompt["1"]["inputs"] == {
        "resize_type": "scale by multiplier",
        "resize_type.multiplier": 2,
        "scale_method": "area",
    }


def test_a_group_of_inputs_takes_as_many_links_as_were_saved():
    slots = [(f"images.image{n}", "IMAGE", n + 1) for n in range(3)]
    prompt = converted(
        node(1, "LoadImage", "a.png", outputs=[("IMAGE", 1, 2, 3)]),
        node(2, "BatchImagesNode", inputs=slots),
        links=[(n + 1, 1, 0, 2, n, "IMAGE") for n in range(3)],
    )
    assert inputs(prompt)["2"] == {f"images.image{n}": ["1", 0] for n in range(3)}


def test_options_of_a_custom_choice_are_fields_of_their_own():
    prompt = converted(node(1, "CustomCombo", "b", 0, "a", "b", ""))
    assert prompt["1"]["inputs"] == {
        "choice": "b",
        "index": 1,
        "option1": "a",
        "option2": "b",
        "option3": "",
    }


def test_old_names_of_samplers_are_todays():
    values = [*SAMPLER[:4], "sample_heun", *SAMPLER[5:]]
    prompt = converted(node(3, "KSampler", *values))
    assert prompt["3"]["inputs"]["sampler_name"] == "heun"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a {red|blue} fox", "a red fox"),
        ("{a {big|small}|no} fox", "a big fox"),
        ("one // two\nthree", "one \nthree"),
        ("one /* two\n */three", "one three"),
        (r"\{a|b\}", "{a|b}"),
    ],
)
def test_comments_go_and_a_choice_in_braces_is_made(text, expected):
    prompt = converted(node(1, "CLIPTextEncode", text))
    assert prompt["1"]["inputs"]["text"] == expected


def test_who_asks_may_choose_among_braces():
    document = workflow(node(1, "CLIPTextEncode", "{a|b|c}"))
    prompt = convert(document, KNOWN, choose=lambda count: count - 1)
    assert prompt["1"]["inputs"]["text"] == "c"


def test_a_file_name_takes_values_of_other_nodes():
    name = "%Sam.seed%/%KSampler.sampler_name% %none.x% %width%"
    prompt = converted(
        node(3, "KSampler", *SAMPLER, title="Sam"), node(4, "SaveImage", name)
    )
    assert prompt["4"]["inputs"]["filename_prefix"] == "7/euler %none.x% %width%"


def test_a_camera_of_whoever_runs_it_cannot_be_converted():
    with pytest.raises(Unconvertible) as caught:
        converted(node(1, "WebcamCapture"), node(2, "CLIPTextEncode", "x"))
    assert [problem.id for problem in caught.value.nodes] == ["1"]


def test_both_versions_of_the_format_give_the_same():
    old = workflow(
        node(1, "LoadImage", "a.png", outputs=[("IMAGE", 5)]),
        node(2, "PreviewImage", inputs=[("images", "IMAGE", 5)]),
        links=[(5, 1, 0, 2, 0, "IMAGE")],
    )
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    links = [dict(zip(names, link, strict=True)) for link in old["links"]]
    new = old | {"version": 1, "links": links, "state": {"lastNodeId": 2}}
    assert convert(new, KNOWN) == convert(old, KNOWN)

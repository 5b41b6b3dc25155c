"""Settings onto forms: what fits is taken, all else is told, and nothing raises."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation import parameters, remix
from generation.fields import Kind, Parameter, Target, read
from generation.meanings import meanings
from generation.metadata import Lora, Settings
from generation.remix import Change, Onto, Origin
from tests import make

OFFERED = {
    Kind.MODEL: ["SD1.5/dream.safetensors", "v1-5-pruned-emaonly-fp16.safetensors"],
    Kind.SAMPLER: ["euler", "euler_ancestral", "dpmpp_2m"],
    Kind.SCHEDULER: ["normal", "karras"],
    Kind.CHOICE: ["a", "b"],
}
FOLDER = "inputs/1/"


def choices(parameter):
    return parameter.choices or OFFERED.get(parameter.kind)


def onto(slug="text-to-image", fields=None, graph=None):
    starter = make.starter(slug)
    graph = graph or starter["graph"]
    chosen = read(starter["parameters"], graph) if fields is None else fields
    return Onto(chosen, graph, choices, FOLDER)


def origin(of, **values):
    cleaned = parameters.clean(of.parameters, values, of.choices)
    assert not cleaned.errors
    graph = parameters.resolve(of.graph, of.parameters, cleaned.values)
    return Origin(of.parameters, cleaned.values, graph)


def without(of, *names):
    left = tuple(p for p in of.parameters if p.name not in names)
    return Onto(left, of.graph, of.choices, of.folder)


def field(name, kind, *targets, **more):
    places = tuple(Target(*target) for target in targets)
    return Parameter(name=name, label=name.title(), kind=kind, targets=places, **more)


# The same template ----------------------------------------------------------------


def test_the_same_version_gives_all_values_back():
    made = origin(onto(), prompt="a quay", seed=7, width=640, model=OFFERED["model"][0])
    mapped = remix.from_version(made, onto())
    assert mapped.values == made.values
    assert (mapped.notes, mapped.changes) == ((), ())


def test_what_vanished_and_what_is_new_is_told():
    made = origin(onto(), prompt="x", steps=33)
    extra = field("detail", Kind.INTEGER, ("3", "steps"), default=20)
    now = without(onto(), "steps", "cfg")
    now = Onto((*now.parameters, extra), now.graph, choices, FOLDER)
    mapped = remix.from_version(made, now)
    # `detail` goes where `steps` went; `cfg` goes nowhere.
    assert mapped.values["detail"] == 33
    assert mapped.changes == (Change("Guidance", "gone", old="7.0"),)
    assert mapped.notes == ()
    assert mapped.exceptions == ("“Guidance” is no field any more: it was 7.0.",)


def test_a_field_with_another_name_and_node_is_found_by_its_meaning():
    made = origin(onto(), prompt="a quay")
    graph = copy.deepcopy(onto().graph)
    graph["60"] = graph.pop("6")
    graph["3"]["inputs"]["positive"] = ["60", 0]
    words = field("words", Kind.LONG_TEXT, ("60", "text"))
    now = Onto((*without(onto(), "prompt").parameters, words), graph, choices, FOLDER)
    mapped = remix.from_version(made, now)
    assert mapped.values["words"] == "a quay"
    assert (mapped.notes, mapped.changes) == ((), ())


def test_a_field_that_is_new_shows_its_default():
    made = origin(without(onto(), "denoise", "cfg"), prompt="x")
    mapped = remix.from_version(made, onto())
    assert mapped.changes == (Change("Guidance", "new", new="7.0"),)


def test_tightened_limits_give_the_nearest_value_and_say_so():
    made = origin(onto(), prompt="x", steps=50)
    now = without(onto(), "steps")
    low = field("steps", Kind.INTEGER, ("3", "steps"), minimum=2, maximum=21, step=4)
    now = Onto((*now.parameters, low), now.graph, choices, FOLDER)
    mapped = remix.from_version(made, now)
    assert mapped.values["steps"] == 18
    assert mapped.notes == ("“Steps”: 50 cannot be had; 18 is the nearest.",)
    assert mapped.changes == (Change("Steps", "changed", old="50", new="18"),)


def test_a_name_of_another_kind_is_another_field():
    made = origin(onto(), prompt="x")
    other = field("prompt", Kind.COLOR, ("9", "filename_prefix"), default="#000000")
    now = without(onto(), "prompt")
    now = Onto((*now.parameters, other), now.graph, choices, FOLDER)
    assert remix.from_version(made, now).changes == (
        Change("Prompt", "gone", old="x"),
        Change("Prompt", "new", new="#000000"),
    )


def test_ones_own_input_picture_stays_and_anothers_does_not():
    here = onto("image-to-image")
    for key, kept in (("inputs/1/a.png", True), ("inputs/2/a.png", False)):
        made = origin(here, prompt="x", image=key)
        mapped = remix.from_version(made, here)
        assert ("image" in mapped.values) is kept
        assert bool(mapped.notes) is not kept


# Another template -----------------------------------------------------------------


def test_another_template_is_filled_by_meaning():
    made = origin(onto(), prompt="a quay", negative_prompt="fog", seed=7, width=640)
    mapped = remix.from_other(made, onto("image-to-image"))
    assert mapped.values["prompt"] == "a quay"
    assert mapped.values["negative_prompt"] == "fog"
    assert (mapped.values["seed"], mapped.values["steps"]) == (7, 20)
    assert "image" not in mapped.values
    assert "Width has no field here: it was 640." in mapped.notes


def test_fields_are_found_by_where_they_go_whatever_they_are_called():
    graph = copy.deepcopy(make.starter("text-to-image")["graph"])
    fields = (
        field("a", Kind.LONG_TEXT, ("7", "text"), required=False),
        field("b", Kind.LONG_TEXT, ("6", "text")),
        field("c", Kind.FLOAT, ("3", "cfg"), default=1.0),
        field("d", Kind.INTEGER, ("3", "steps"), default=1),
    )
    found = meanings(graph, fields)
    assert {meaning: slot.parameter.name for meaning, slot in found.items()} == {
        "negative_prompt": "a",
        "prompt": "b",
        "cfg": "c",
        "steps": "d",
    }


def test_what_means_nothing_known_goes_by_its_name():
    graph = {
        **make.starter("text-to-image")["graph"],
        "20": {"class_type": "Grain", "inputs": {"amount": 0.5}},
    }
    grain = field("grain", Kind.FLOAT, ("20", "amount"), default=0.5)
    made = origin(
        onto(fields=(*onto().parameters, grain), graph=graph), prompt="x", grain=2
    )
    image = onto("image-to-image")
    there = {**image.graph, "30": {"class_type": "Other", "inputs": {"x": 0.1}}}
    place = field("grain", Kind.FLOAT, ("30", "x"), default=0.1)
    with_field = Onto((*image.parameters, place), there, choices, FOLDER)
    assert remix.from_other(made, with_field).values["grain"] == 2.0
    notes = remix.from_other(made, image).notes
    assert "“Grain” has no field here: it was 2.0." in notes


# Other tools ----------------------------------------------------------------------

FOREIGN = Settings(
    tool="A1111",
    prompt="a quay",
    seed=2**63,
    steps=28,
    cfg=6.5,
    sampler="dpmpp_2m",
    scheduler="karras",
    width=513,
    height=768,
    model="dream",
    loras=(Lora("ink", 0.5),),
    denoise=0.4,
    others=("Hires fix",),
)


def test_settings_of_another_tool():
    mapped = remix.from_settings(FOREIGN, onto())
    assert mapped.values == {
        "prompt": "a quay",
        "negative_prompt": "",
        "seed": 2**63,
        "steps": 28,
        "cfg": 6.5,
        "sampler": "dpmpp_2m",
        "scheduler": "karras",
        "width": 512,
        "height": 768,
        "model": "SD1.5/dream.safetensors",
    }
    assert set(mapped.notes) == {
        "Width: 513 cannot be had; 512 is the nearest.",
        "Denoising has no field here: it was 0.4.",
        "The LoRA ink (0.5) has no field here.",
        "Hires fix has no field here.",
    }


def test_what_no_server_has_is_named():
    odd = Settings(prompt="x", model="xyz", sampler="restart")
    notes = remix.from_settings(odd, onto()).notes
    assert notes == (
        "The model xyz is on no server.",
        "The sampler restart is on no server.",
    )


def test_a_lora_goes_into_the_field_for_it():
    graph = copy.deepcopy(make.starter("text-to-image")["graph"])
    graph["3"]["inputs"]["model"] = ["20", 0]
    inputs = {"lora_name": "old", "strength_model": 1.0, "model": ["4", 0]}
    graph["20"] = {"class_type": "LoraLoader", "inputs": inputs}
    fields = (
        field("style", Kind.CHOICE, ("20", "lora_name"), choices=("none", "x/ink.pt")),
        field("weight", Kind.FLOAT, ("20", "strength_model"), default=1.0),
    )
    mapped = remix.from_settings(
        Settings(loras=(Lora("ink", 0.5), Lora("fog"))),
        onto(fields=fields, graph=graph),
    )
    assert mapped.values == {"style": "x/ink.pt", "weight": 0.5}
    assert mapped.notes == ("The LoRA fog (1) has no field here.",)


KINDS = set(Kind)
parts = pytest.mark.skipif(
    not {"size", "lora"} <= KINDS, reason="comes with kinds whose values have parts"
)


@parts
def test_a_size_is_one_field_of_two_parts():
    places = (("5", "width", "width"), ("5", "height", "height"))
    size = field("size", Kind("size"), *places, minimum=64, maximum=1024, step=8)
    here = onto(fields=(size,))
    mapped = remix.from_settings(FOREIGN, here)
    assert mapped.values == {"size": {"width": 512, "height": 768}}
    assert "“Size”: 513 × 768 cannot be had; 512 × 768 is the nearest." in mapped.notes
    check(mapped, here)
    sides = origin(onto(), prompt="x", width=640, height=512)
    later = Onto(
        (*without(onto(), "width", "height").parameters, size), here.graph, choices
    )
    mapped = remix.from_version(sides, later)
    assert mapped.values["size"] == {"width": 640, "height": 512}


@parts
def test_a_lora_is_one_field_of_two_parts():
    graph = copy.deepcopy(make.starter("text-to-image")["graph"])
    graph["3"]["inputs"]["model"] = ["20", 0]
    inputs = {"lora_name": "old", "strength_model": 1.0, "model": ["4", 0]}
    graph["20"] = {"class_type": "LoraLoader", "inputs": inputs}
    places = (("20", "lora_name", "name"), ("20", "strength_model", "strength"))
    style = field("style", Kind("lora"), *places, choices=("x/ink.pt",), maximum=1)
    here = onto(fields=(style,), graph=graph)
    strong = Settings(loras=(Lora("fog"), Lora("ink", 3.0)))
    mapped = remix.from_settings(strong, here)
    assert mapped.values == {"style": {"name": "x/ink.pt", "strength": 1.0}}
    assert set(mapped.notes) == {
        "The LoRA fog (1.0) is on no server.",
        "The LoRA: x/ink.pt (3.0) cannot be had; x/ink.pt (1.0) is the nearest.",
    }
    check(mapped, here)


def test_the_same_graph_is_read_where_our_fields_go():
    made = origin(onto(), prompt="a quay", batch_size=3, seed=5)
    mapped = remix.from_settings(Settings(graph=made.graph), onto())
    assert mapped.values == made.values
    assert mapped.notes == ()


def test_an_input_picture_of_elsewhere_is_asked_for_again():
    here = onto("image-to-image")
    mapped = remix.from_settings(Settings(graph=here.graph), here)
    assert "image" not in mapped.values
    assert any("choose the picture again" in note for note in mapped.notes)


# Anything -------------------------------------------------------------------------

odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.integers()),
    st.dictionaries(st.text(), st.text()),
)
NAMES = ["prompt", "seed", "steps", "a", "b"]
TARGETS = [
    ("3", "seed"),
    ("3", "cfg"),
    ("3", "steps"),
    ("4", "ckpt_name"),
    ("5", "width"),
    ("6", "text"),
    ("7", "text"),
]
forms = st.lists(
    st.builds(
        field,
        st.sampled_from(NAMES),
        st.sampled_from(list(Kind)),
        st.sampled_from(TARGETS),
        minimum=st.sampled_from([None, 0, 3.5]),
        maximum=st.sampled_from([None, 10, 20.25]),
        step=st.sampled_from([None, 1, 4, 0.5]),
        required=st.booleans(),
        default=st.sampled_from([None, "a", 4, 1.5]),
    ),
    max_size=6,
    unique_by=lambda p: p.name,
).map(tuple)
settings = st.builds(
    Settings,
    prompt=st.text(),
    negative_prompt=st.text(),
    seed=st.none() | st.integers(0, 2**64 - 1),
    steps=st.none() | st.integers(0, 2**64 - 1),
    cfg=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    sampler=st.text(),
    width=st.none() | st.integers(0, 2**64 - 1),
    model=st.text(),
    loras=st.lists(st.builds(Lora, st.text(), st.floats())).map(tuple),
    graph=st.none() | st.just(make.starter("text-to-image")["graph"]),
    others=st.lists(st.text()).map(tuple),
)


def check(mapped, here):
    cleaned = parameters.clean(here.parameters, mapped.values, here.choices)
    assert not set(cleaned.errors) & set(mapped.values)
    assert all(cleaned.values[name] == value for name, value in mapped.values.items())
    assert all(isinstance(note, str) and note for note in mapped.notes)


@given(forms, forms, st.dictionaries(st.sampled_from(NAMES), odd))
def test_only_what_a_form_takes_comes_out(old, new, values):
    made = Origin(old, values, onto().graph)
    here = onto(fields=new)
    check(remix.from_version(made, here), here)
    check(remix.from_other(made, here), here)


@given(settings, forms)
def test_only_what_a_form_takes_comes_out_of_settings(found, new):
    here = onto(fields=new)
    check(remix.from_settings(found, here), here)


@pytest.mark.parametrize("slug", ["text-to-image", "image-to-image", "test-card"])
@given(settings)
def test_the_starters_take_any_settings(slug, found):
    here = onto(slug)
    check(remix.from_settings(found, here), here)

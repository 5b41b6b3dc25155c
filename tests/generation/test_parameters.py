"""Form → graph → form is the identity, and nothing outside the limits gets through."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from generation import offers, parameters
from generation.comfy.catalog import Catalog
from generation.fields import Condition, Kind, Parameter, Target

odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.integers()),
    st.dictionaries(st.text(), st.text()),
)


def parameter(kind, **fields):
    fields.setdefault("targets", (Target("1", "value"),))
    return Parameter(name="p", label="P", kind=Kind(kind), **fields)


def clean(field, value, choices=None):
    return parameters.clean([field], {"p": value}, lambda _: choices)


GRAPH = {"1": {"class_type": "Node", "inputs": {"value": 0}}}
values = st.one_of(
    st.tuples(st.just("integer"), st.integers(-(10**9), 10**9)),
    st.tuples(st.just("float"), st.floats(-1e9, 1e9)),
    st.tuples(st.just("seed"), st.integers(0, 2**64 - 1)),
    st.tuples(
        st.just("long_text"),
        st.text(min_size=1, max_size=200).filter(
            lambda t: t.strip() and "\r\n" not in t and "\x00" not in t
        ),
    ),
    st.tuples(st.just("boolean"), st.booleans()),
    st.tuples(st.just("color"), st.from_regex(r"#[0-9a-f]{6}", fullmatch=True)),
)


@given(values)
def test_form_to_graph_to_form_is_the_identity(kind_and_value):
    kind, value = kind_and_value
    field = parameter(kind)
    cleaned = clean(field, value)
    assert not cleaned.errors
    graph = parameters.resolve(GRAPH, [field], cleaned.values)
    assert parameters.values_from(graph, [field]) == {"p": value}


@given(odd)
def test_no_integer_outside_its_limits_gets_through(value):
    field = parameter("integer", minimum=8, maximum=64, step=8)
    cleaned = clean(field, value)
    if not cleaned.errors:
        number = cleaned.values["p"]
        assert isinstance(number, int)
        assert 8 <= number <= 64
        assert number % 8 == 0


@given(odd)
def test_no_float_outside_its_limits_gets_through(value):
    cleaned = clean(parameter("float", minimum=0, maximum=1), value)
    if not cleaned.errors:
        assert 0 <= cleaned.values["p"] <= 1


@given(odd, st.sampled_from(["choice", "model", "sampler", "scheduler"]))
def test_only_what_is_offered_gets_through(value, kind):
    cleaned = clean(parameter(kind), value, ["a", "b"])
    assert cleaned.errors or cleaned.values["p"] in ("a", "b")


@given(odd, st.sampled_from(sorted(parameters._READERS)))
def test_odd_values_never_raise(value, kind):
    cleaned = clean(parameter(kind), value)
    assert cleaned.errors or "p" in cleaned.values


@given(odd)
def test_a_seed_is_always_a_seed(value):
    cleaned = clean(parameter("seed"), value)
    if not cleaned.errors:
        assert 0 <= cleaned.values["p"] < 2**64


def test_a_default_that_no_server_has_becomes_the_first_that_one_has():
    field = parameter("model", default="sd15.safetensors")
    assert parameters.default(field, ["a.safetensors"]) == "a.safetensors"
    assert parameters.default(field, ["b", "sd15.safetensors"]) == "sd15.safetensors"
    assert parameters.default(field, None) == "sd15.safetensors"


# Whatever a server says of its nodes ----------------------------------------------

TYPES = {"integer": "INT", "float": "FLOAT", "seed": "INT", "batch": "INT"}
limits = st.one_of(st.none(), st.integers(-(2**40), 2**64 - 1))


@st.composite
def numeric_nodes(draw):
    """(catalog, parameter, low, high): a field over an input of some node."""
    kind = draw(st.sampled_from(sorted(TYPES)))
    low, high = draw(limits), draw(limits)
    assume(low is None or high is None or low <= high)
    options = {"min": low, "max": high, "step": draw(st.sampled_from([1, 8, 0.1]))}
    told = {name: value for name, value in options.items() if value is not None}
    # Both dialects have the same options.
    info = {"Node": {"input": {"required": {"value": [TYPES[kind], told]}}}}
    field = parameter(
        kind,
        minimum=draw(st.one_of(st.none(), st.integers(-100, 100))),
        maximum=draw(st.one_of(st.none(), st.integers(100, 10_000))),
        step=draw(st.sampled_from([None, 1, 8])),
    )
    return Catalog(info), field, low, high


numbers = st.one_of(odd, st.integers(), st.integers().map(str), st.floats(-1e6, 1e6))


@given(numeric_nodes(), numbers)
def test_nothing_outside_a_nodes_limits_leaves_the_form(node, value):
    catalog, field, low, high = node
    within = offers.within_nodes(GRAPH, field, [catalog])
    cleaned = clean(within, value)
    if cleaned.errors or cleaned.values["p"] is None:
        return
    graph = parameters.resolve(GRAPH, [within], cleaned.values)
    sent = graph["1"]["inputs"]["value"]
    assert low is None or sent >= low
    assert high is None or sent <= high
    for own, is_beyond in ((field.minimum, sent.__lt__), (field.maximum, sent.__gt__)):
        assert own is None or field.kind == "seed" or not is_beyond(own)
    assert parameters.values_from(graph, [within]) == cleaned.values


choice_lists = st.lists(
    st.one_of(st.text(min_size=1, max_size=20), st.integers(-99, 99)),
    min_size=1,
    max_size=6,
    unique_by=str,
)


@given(choice_lists, st.booleans(), st.data())
def test_every_offered_choice_comes_back(offered, old_dialect, data):
    told = [offered] if old_dialect else ["COMBO", {"options": offered}]
    catalog = Catalog({"Node": {"input": {"required": {"value": told}}}})
    [first, *_] = offered
    graph = {"1": {"class_type": "Node", "inputs": {"value": first}}}
    same_type = [c for c in offered if type(c) is type(first)]
    chosen = str(data.draw(st.sampled_from(same_type)))
    field = parameter("choice")
    cleaned = clean(field, chosen, catalog.choices("Node", "value"))
    assert not cleaned.errors
    sent = parameters.resolve(graph, [field], cleaned.values)
    # The node gets its own value, a number where it has numbers.
    assert sent["1"]["inputs"]["value"] in offered
    assert parameters.values_from(sent, [field]) == {"p": chosen}


SIZED = {"1": {"class_type": "Node", "inputs": {"w": 64, "h": 64}}}
SIZE = parameter(
    "size",
    targets=(Target("1", "w", "width"), Target("1", "h", "height")),
    minimum=16,
    maximum=4096,
    step=8,
)
sides = st.one_of(odd, st.integers(0, 5000), st.integers(2, 512).map(lambda n: n * 8))


@given(st.one_of(odd, st.fixed_dictionaries({"width": sides, "height": sides})))
def test_a_size_has_two_good_sides_or_a_message(value):
    cleaned = clean(SIZE, value)
    if cleaned.errors:
        return
    graph = parameters.resolve(SIZED, [SIZE], cleaned.values)
    assert all(16 <= n <= 4096 and n % 8 == 0 for n in graph["1"]["inputs"].values())
    assert parameters.values_from(graph, [SIZE]) == cleaned.values


def test_a_size_may_be_written_as_one_text():
    assert clean(SIZE, "512 x 768").values == {"p": {"width": 512, "height": 768}}
    assert clean(SIZE, {"width": 5, "height": 8}).errors["p"].startswith("Width: ")


LORA_GRAPH = {"1": {"class_type": "Node", "inputs": {"n": "old", "m": 1.0, "c": 1.0}}}
LORA = parameter(
    "lora",
    targets=(
        Target("1", "n", "name"),
        Target("1", "m", "strength"),
        Target("1", "c", "strength"),
    ),
    minimum=-2,
    maximum=2,
)
loras = st.fixed_dictionaries(
    {
        "name": st.one_of(odd, st.sampled_from(["a", "b", "none"])),
        "strength": st.one_of(odd, st.floats(-3, 3)),
    }
)


@given(st.one_of(odd, loras))
def test_a_lora_is_one_that_is_offered_or_has_no_strength(value):
    cleaned = clean(LORA, value, ["a", "b"])
    if cleaned.errors:
        return
    graph = parameters.resolve(LORA_GRAPH, [LORA], cleaned.values, lambda _: ["a", "b"])
    inputs = graph["1"]["inputs"]
    assert inputs["n"] in ("a", "b")
    assert -2 <= inputs["m"] == inputs["c"] <= 2
    assert parameters.values_from(graph, [LORA]) == cleaned.values


def test_no_lora_is_strength_0():
    cleaned = clean(LORA, {"name": "none", "strength": 1}, ["a"])
    graph = parameters.resolve(LORA_GRAPH, [LORA], cleaned.values)
    assert graph["1"]["inputs"] == {"n": "old", "m": 0.0, "c": 0.0}


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        (None, "random"),
        ("random", "random"),
        (7, "increment"),
        ({"value": "7", "mode": "fixed"}, "fixed"),
        ({"value": 7, "mode": "increment"}, "increment"),
        ({"value": "", "mode": "fixed"}, "fixed"),
    ],
)
def test_a_seed_says_how_it_goes_on(value, mode):
    assert parameters.seed_mode(value) == mode
    assert not clean(parameter("seed"), value).errors


def test_after_the_last_seed_comes_the_first():
    field = parameter("seed", minimum=5, maximum=9)
    assert parameters.seed_after(field, 9, 1) == 5
    assert 5 <= parameters.draw_seed(field) <= 9


# Fields that depend on others -----------------------------------------------------


def depends(name, other, *wanted, **fields):
    condition = Condition(other, wanted)
    return Parameter(name=name, label=name, shown_if=condition, **fields)


SWITCH = Parameter(name="on", label="On", kind=Kind.BOOLEAN, default=False)
AMOUNT = depends("amount", "on", True, kind=Kind.INTEGER, default=3, maximum=9)


@given(odd)
def test_a_hidden_field_takes_its_default_whatever_was_sent(value):
    given_ = {"on": False, "amount": value}
    cleaned = parameters.clean([AMOUNT, SWITCH], given_, lambda _: None)
    assert not cleaned.errors
    assert cleaned.values == {"amount": 3, "on": False}


def test_a_shown_field_is_checked():
    given_ = {"on": "on", "amount": 10}
    cleaned = parameters.clean([AMOUNT, SWITCH], given_, lambda _: None)
    assert cleaned.errors == {"amount": "Choose at most 9."}


def test_what_depends_on_a_hidden_field_is_hidden():
    deeper = depends("deeper", "amount", 3, kind=Kind.TEXT, default="as it is")
    fields = [deeper, AMOUNT, SWITCH]
    for on, value in ((False, "as it is"), (True, "mine")):
        given_ = {"on": on, "amount": "3", "deeper": "mine"}
        cleaned = parameters.clean(fields, given_, lambda _: None)
        assert cleaned.values["deeper"] == value


def test_older_values_are_fitted_and_what_does_not_fit_is_said():
    old = {"amount": 99, "on": True, "gone": 1}
    fit, misfits = parameters.fitted([AMOUNT, SWITCH], old, lambda _: None)
    assert fit == {"on": True}
    assert misfits == [
        "amount: Choose at most 9.",
        "gone: there is no such field any more.",
    ]


def test_a_mask_within_a_picture_needs_the_picture():
    picture = Parameter(
        name="picture",
        label="Picture",
        kind=Kind.IMAGE,
        targets=(Target("1", "value"),),
        required=False,
    )
    mask = parameter("mask", paints="picture", required=False)
    alone = parameter("mask", paints="picture", targets=(Target("2", "value"),))

    def errors(mask, **values):
        return parameters.clean([picture, mask], values, lambda _: None).errors

    assert errors(mask, p="m.png") == {
        "p": "Choose the picture that it is painted over."
    }
    assert not errors(mask, p="m.png", picture="a.png")
    assert not errors(mask, picture="a.png")
    assert not errors(alone, p="m.png")

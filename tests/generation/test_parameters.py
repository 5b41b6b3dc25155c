"""Form → graph → form is the identity, and nothing outside the limits gets through."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from generation import parameters
from generation.fields import Kind, Parameter, Target

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

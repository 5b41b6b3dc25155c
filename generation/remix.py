"""The settings of one picture onto the form of a template. Pure.

What does not fit is told in words, never forced: every value that comes out is one that
`parameters.clean` takes.

    from_version    made with this very template, in whatever version
    from_other      made with another template of ours
    from_settings   made with anything else
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from generation.comfy.graph import MODEL_SUFFIXES, is_link
from generation.fields import Kind, Parameter
from generation.meanings import (
    MEANINGS,
    NUMBER_PARTS,
    NUMBERS,
    TEXTS,
    Slot,
    meanings,
    part_of,
    traced,
)
from generation.metadata import Lora, Settings, from_graph
from generation.parameters import CHOICE_KINDS, Choices, clean, default

FILES = frozenset(k for k in Kind if k in ("image", "mask", "video", "audio"))
FAMILIES = (NUMBERS, TEXTS, frozenset(CHOICE_KINDS))
SHOWN = 80


@dataclass(frozen=True, slots=True)
class Origin:
    """What a picture was made with: fields and values, and the graph they made."""

    parameters: Sequence[Parameter]
    values: Mapping[str, Any]
    graph: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Onto:
    """A template's form. `folder`: where the person's own input files lie."""

    parameters: Sequence[Parameter]
    graph: Mapping[str, Any]
    choices: Choices
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one field: `state` is changed, gone or new."""

    label: str
    state: str
    old: str = ""
    new: str = ""


@dataclass(frozen=True, slots=True)
class Mapped:
    """Values for the form, sentences on what did not fit, and, within one template,
    what another version changes.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def exceptions(self) -> tuple[str, ...]:
        """All that is lost, in sentences."""
        gone = (c for c in self.changes if c.state == "gone")
        return (
            *self.notes,
            *(f"“{c.label}” is no field any more: it was {c.old}." for c in gone),
        )


def from_version(origin: Origin, onto: Onto) -> Mapped:
    """The same template, perhaps changed: by name and kind, then by target, then by
    meaning, should node and name both be others now.
    """
    form = _Form(onto)
    known = {parameter.name: parameter for parameter in origin.parameters}
    landed: dict[str, Parameter] = {}
    for name, value in origin.values.items():
        place = _place(name, known.get(name), onto.parameters, landed.values())
        if place is not None:
            landed[name] = place
            form.offer(place, value, f"“{place.label}”")
    _move_by_meaning(form, origin, landed)
    changes = _changes(form, known, origin.values, landed)
    return Mapped(form.values, tuple(form.notes), tuple(changes))


def from_other(origin: Origin, onto: Onto) -> Mapped:
    """Another template: by meaning, and what means nothing known by name and kind."""
    settings = from_graph(origin.graph)
    if _same_places(origin.graph, onto):
        return from_settings(settings, onto)
    mapped = from_settings(replace(settings, graph=None), onto)
    told = {
        s.parameter.name for s in meanings(origin.graph, origin.parameters).values()
    }
    taken = {s.parameter.name for s in meanings(onto.graph, onto.parameters).values()}
    free = {p.name: p for p in onto.parameters if p.name not in taken}
    form = _Form(onto)
    for source in origin.parameters:
        value = origin.values.get(source.name)
        if source.name in told or value is None:
            continue
        place = free.get(source.name)
        if place is not None and _alike(source.kind, place.kind):
            form.offer(place, value, f"“{place.label}”")
        elif value != source.default:
            form.notes.append(f"“{source.label}” has no field here: {_was(value)}.")
    return Mapped({**mapped.values, **form.values}, (*mapped.notes, *form.notes))


def from_settings(settings: Settings, onto: Onto) -> Mapped:
    """Anything else: by the places in a graph that is the same, else by meaning."""
    form = _Form(onto)
    found = meanings(onto.graph, onto.parameters)
    same = settings.graph is not None and _same_places(settings.graph, onto)
    if settings.graph is not None and same:
        for parameter in onto.parameters:
            value = _at_target(settings.graph, parameter)
            if value is not None:
                form.offer(parameter, value, f"“{parameter.label}”")
    else:
        told = {meaning: getattr(settings, meaning) for meaning in MEANINGS}
        _offer_meanings(form, told, found)
        negative = found.get("negative_prompt")
        if settings.prompt and not settings.negative_prompt and negative is not None:
            form.offer(negative.parameter, "", "The negative prompt")
    _offer_loras(form, settings.loras, same)
    form.notes += _without_field(settings, onto, found)
    return Mapped(form.values, tuple(form.notes))


def _offer_meanings(
    form: _Form, told: Mapping[str, Any], found: Mapping[str, Slot]
) -> None:
    """`told`: values by meaning. Those that are parts of one field go there at once."""
    parts: dict[str, dict[str, Any]] = {}
    for meaning, (parameter, part) in found.items():
        value = told.get(meaning)
        if value is None or value == "":
            continue
        if part:
            parts.setdefault(parameter.name, {})[part] = value
        else:
            form.offer(parameter, value, MEANINGS[meaning][0])
    for parameter in form.onto.parameters:
        if parameter.name in parts:
            usual = parameter.default if isinstance(parameter.default, Mapping) else {}
            whole = {**usual, **parts[parameter.name]}
            form.offer(parameter, whole, f"“{parameter.label}”")


def _without_field(
    settings: Settings, onto: Onto, found: Mapping[str, Slot]
) -> list[str]:
    """What the template has no field for, unless it does the same by itself."""
    fixed = from_graph(onto.graph)
    notes = []
    for meaning, (label, _, _) in MEANINGS.items():
        value = getattr(settings, meaning)
        if meaning not in found and value not in (None, "", getattr(fixed, meaning)):
            notes.append(f"{label} has no field here: {_was(value)}.")
    return notes + [f"{other} has no field here." for other in settings.others]


# Fields and values ----------------------------------------------------------------


@dataclass
class _Form:
    """A form that is being filled; what it does not take collects in `notes`."""

    onto: Onto
    values: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def offer(self, parameter: Parameter, value: Any, label: str) -> None:
        """Take the value, or the nearest possible number, or say why not."""
        if value is None:
            taken, error = _cleaned(parameter, None, self.onto.choices)
            if not error and parameter.kind != Kind.SEED:
                self.values[parameter.name] = taken
            return
        if parameter.kind in FILES and not self._is_mine(value):
            self.notes.append(f"{label}: choose the picture again, it is not here.")
            return
        if offered := self.onto.choices(parameter):
            value = _choice(value, offered)
        taken, error = _cleaned(parameter, value, self.onto.choices)
        if error and (parameter.kind in NUMBERS or isinstance(value, Mapping)):
            nearest = _nearest(parameter, value)
            taken, still = _cleaned(parameter, nearest, self.onto.choices)
            if not still:
                was, now = _show(value), _show(taken)
                self.notes.append(
                    f"{label}: {was} cannot be had; {now} is the nearest."
                )
                error = ""
        if error:
            self.notes.append(_refusal(parameter, value, label, error))
        else:
            self.values[parameter.name] = taken

    def _is_mine(self, value: object) -> bool:
        mine = isinstance(value, str) and value.startswith(self.onto.folder)
        return bool(self.onto.folder) and mine and ".." not in str(value)


def _cleaned(parameter: Parameter, value: Any, choices: Choices) -> tuple[Any, str]:
    done = clean([parameter], {parameter.name: value}, choices)
    return done.values.get(parameter.name), done.errors.get(parameter.name, "")


def _refusal(parameter: Parameter, value: Any, label: str, error: str) -> str:
    if isinstance(value, Mapping) and "name" in value:
        return f"The LoRA {_show(value)} is on no server."
    if parameter.kind == Kind.MODEL:
        return f"The model {_show(value)} is on no server."
    if parameter.kind in CHOICE_KINDS:
        return f"{label} {_show(value)} is on no server."
    return f"{label}: {_show(value)} does not go here. {error}"


def _show(value: object) -> str:
    if isinstance(value, Mapping) and set(value) == {"width", "height"}:
        return f"{_show(value['width'])} × {_show(value['height'])}"
    if isinstance(value, Mapping) and set(value) == {"name", "strength"}:
        return f"{_show(value['name'])} ({_show(value['strength'])})"
    text = " ".join(str(value).split()) if isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _was(value: object) -> str:
    shown = _show(value)
    return f"it was “{shown}”" if isinstance(value, str) else f"it was {shown}"


def _choice(value: object, offered: Iterable[str]) -> object:
    """As the servers write it: other folders and endings are the same file."""
    if isinstance(value, Mapping):
        return {**value, "name": _choice(value.get("name"), offered)}
    choices = list(offered)
    if value in choices:
        return value
    same = [choice for choice in choices if _stem(choice) == _stem(value)]
    return same[0] if same else value


def _stem(name: object) -> str:
    base = str(name).replace("\\", "/").rsplit("/", 1)[-1].lower()
    for suffix in MODEL_SUFFIXES:
        base = base.removesuffix(suffix)
    return base


def _nearest(parameter: Parameter, value: Any, part: str = "") -> Any:
    """The nearest number within the limits and on the steps."""
    if isinstance(value, Mapping):
        return {
            k: _nearest(parameter, v, k) if k in NUMBER_PARTS else v
            for k, v in value.items()
        }
    if isinstance(value, bool):
        return value
    try:
        number = float(value)
        low, high = parameter.minimum, parameter.maximum
        if low is not None:
            number = max(low, number)
        if high is not None:
            number = min(high, number)
        if parameter.kind == Kind.FLOAT or part == "strength":
            return number
        step, start = max(1, int(parameter.step or 1)), int(low or 0)
        whole = start + round((number - start) / step) * step
        if low is not None and whole < low:
            whole += step
        return whole - step if high is not None and whole > high else whole
    except (TypeError, ValueError, OverflowError):
        return value


def _alike(one: Kind, other: Kind) -> bool:
    return one == other or any({one, other} <= family for family in FAMILIES)


# The same template ----------------------------------------------------------------


def _place(
    name: str,
    source: Parameter | None,
    new: Sequence[Parameter],
    taken: Iterable[Parameter],
) -> Parameter | None:
    """The field that an old value goes into."""
    used = {parameter.name for parameter in taken}
    free = [p for p in new if p.name not in used]
    fitting = [p for p in free if source is None or _alike(source.kind, p.kind)]
    for parameter in fitting:
        if parameter.name == name:
            return parameter
    if source is None:
        return None
    places = {(t.node, t.input) for t in source.targets}
    for parameter in fitting:
        if places & {(t.node, t.input) for t in parameter.targets}:
            return parameter
    return None


def _move_by_meaning(form: _Form, origin: Origin, landed: dict[str, Parameter]) -> None:
    """What has no place yet goes into the free fields of the same meaning."""
    known = {p.name: p for p in origin.parameters if p.name not in landed}
    if not known:
        return
    taken = {parameter.name for parameter in landed.values()}
    ours = meanings(form.onto.graph, form.onto.parameters)
    told: dict[str, Any] = {}
    for meaning, (source, part) in meanings(origin.graph, origin.parameters).items():
        place = ours.get(meaning)
        value = origin.values.get(source.name)
        if source.name not in known or place is None or value is None:
            continue
        if place.parameter.name not in taken:
            whole = isinstance(value, Mapping) and part
            told[meaning] = value.get(part) if whole else value
            landed[source.name] = place.parameter
    _offer_meanings(form, told, ours)


def _changes(
    form: _Form,
    known: Mapping[str, Parameter],
    values: Mapping[str, Any],
    landed: Mapping[str, Parameter],
) -> list[Change]:
    found = []
    for name, old in values.items():
        place = landed.get(name)
        if place is None:
            label = known[name].label if name in known else name
            if old is not None:
                found.append(Change(label, "gone", old=_show(old)))
            continue
        now = _now(form, place)
        if now != old:
            found.append(Change(place.label, "changed", _show(old), _show(now)))
    filled = {parameter.name for parameter in landed.values()}
    for parameter in form.onto.parameters:
        if parameter.name not in filled:
            shown = "random" if parameter.kind == Kind.SEED else _now(form, parameter)
            found.append(Change(parameter.label, "new", new=_show(shown)))
    return found


def _now(form: _Form, parameter: Parameter) -> Any:
    if parameter.name in form.values:
        return form.values[parameter.name]
    return default(parameter, form.onto.choices(parameter))


# Other templates, other tools -----------------------------------------------------


def _same_places(theirs: Mapping[str, Any], onto: Onto) -> bool:
    """Whether their graph has the same nodes wherever our fields go."""
    nodes = {target.node for p in onto.parameters for target in p.targets}

    def kind(graph: Mapping[str, Any], node: str) -> object:
        found = graph.get(node)
        return found.get("class_type") if isinstance(found, Mapping) else None

    return bool(nodes) and all(kind(theirs, n) == kind(onto.graph, n) for n in nodes)


def _at_target(graph: Mapping[str, Any], parameter: Parameter) -> Any:
    """The value at the first target, or at the first of each part."""
    found: dict[str, Any] = {}
    for target in parameter.targets:
        value = graph[target.node]["inputs"].get(target.input)
        found.setdefault(part_of(target), None if is_link(value) else value)
    if set(found) <= {""}:
        return found.get("")
    return found if None not in found.values() else None


def _offer_loras(form: _Form, loras: Iterable[Lora], placed: bool) -> None:
    """Each LoRA into the next field that takes one; `placed`: they are there already.

    Those that the template loads by itself need no field.
    """
    places = traced(form.onto.graph, form.onto.parameters)
    fixed = from_graph(form.onto.graph).loras
    whole = [
        v.get("name") if isinstance(v, Mapping) else v for v in form.values.values()
    ]
    have = {_stem(name) for name in whole if isinstance(name, str)}
    have |= {_stem(o.name) for n, o in enumerate(fixed) if f"lora {n}" not in places}
    free = [] if placed else [n for n in range(len(fixed)) if f"lora {n}" in places]
    for lora in loras:
        if _stem(lora.name) in have:
            continue
        if not free:
            form.notes.append(f"The LoRA {lora} has no field here.")
            continue
        place, part = places[f"lora {free[0]}"]
        both = {"name": lora.name, "strength": lora.strength}
        form.offer(place, both if part else lora.name, "The LoRA")
        if place.name in form.values:
            strength = places.get(f"strength {free.pop(0)}")
            if strength is not None and not part:
                what = f"The strength of {lora.name}"
                form.offer(strength.parameter, lora.strength, what)

"""What a group node looks like from outside: a kind of node made of several others.

Groups are older than subgraphs and no longer made, but still loaded. A workflow says
under `extra.groupNodes` which nodes a group consists of and how they are linked; from
that follow the inputs, fields and outputs of the group, and which inner one each means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generation.comfy.convert.definitions import (
    Definitions,
    NodeDef,
    augmented,
    node_def,
)
from generation.comfy.convert.inputs import has_widget
from generation.comfy.convert.javascript import is_number, ordered_keys, text
from generation.comfy.convert.model import at, listing, mapping

Spec = list[Any]
PREFIX = "workflow>"


class GroupType:
    """The kind, and the maps between its own slots and fields and the inner ones."""

    def __init__(
        self, name: str, data: Mapping[str, Any], definitions: Definitions
    ) -> None:
        self.name = name
        self.nodes = [mapping(node) for node in listing(data.get("nodes"))]
        self.config = data.get("config")
        self.links_from: dict[int, dict[int, list[Spec]]] = {}
        self.links_to: dict[int, dict[int, Spec]] = {}
        self._external: dict[int, dict[int, Any]] = {}
        self._read_links(data)
        # Inner node → inner slot → the group's slot, and the other way round.
        self.inputs: dict[int, dict[int, int]] = {}
        self.outputs: dict[int, tuple[int, int]] = {}
        # The group's field → (inner node, its field).
        self.fields: dict[str, tuple[int, str]] = {}
        self.fed: dict[int, list[tuple[int, str]]] = {}
        self._names: dict[int, dict[str, str | None]] = {}
        self._primitives: dict[int, Spec] = {}
        self._definitions = definitions
        self._required: dict[str, Spec] = {}
        self._results: list[tuple[Any, str]] = []
        self._count = 0
        self.definition = self._define()

    def _read_links(self, data: Mapping[str, Any]) -> None:
        for raw in listing(data.get("links")):
            link = listing(raw)
            if len(link) < 4 or not all(is_number(part) for part in link[:4]):
                continue
            source, slot, target, place = (int(part) for part in link[:4])
            self.links_from.setdefault(source, {}).setdefault(slot, []).append(link)
            self.links_to.setdefault(target, {})[place] = link
        for raw in listing(data.get("external")):
            parts = listing(raw)
            if len(parts) > 2 and parts[2] is not None and is_number(parts[0]):
                slot = int(parts[1]) if is_number(parts[1]) else 0
                self._external.setdefault(int(parts[0]), {})[slot] = parts[2]

    def _define(self) -> NodeDef:
        seen_inputs: dict[str, int] = {}
        seen_outputs: set[str] = set()
        later: list[_Converted] = []
        for index, node in enumerate(self.nodes):
            found = self._inner_definition(index, node)
            if found is None:
                continue
            groups = mapping(found.get("input"))
            inputs = {
                **mapping(groups.get("required")),
                **mapping(groups.get("optional")),
            }
            if inputs:
                later.append(self._add_inputs(index, inputs, seen_inputs))
            self._add_outputs(index, found, seen_outputs)
        for converted in later:
            self._add_converted(converted, seen_inputs)
        raw = {
            "display_name": self.name,
            "input": {"required": self._required},
            "output": [kind for kind, _ in self._results],
            "output_name": [name for _, name in self._results],
        }
        return node_def(PREFIX + self.name, augmented(PREFIX + self.name, raw))

    def _inner_definition(
        self, index: int, node: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        kind = text(node.get("type"))
        known = self._definitions.raw(kind)
        if known is not None:
            return known
        if kind == "PrimitiveNode":
            return self._primitive(index, node)
        return self._reroute(index) if kind == "Reroute" else None

    def _primitive(
        self, index: int, node: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        if index not in self.links_from:
            return None
        link = at(self.links_from[index].get(0, []), 0) or []
        kind = at(link, 5)
        if kind == "COMBO":
            output = mapping(at(listing(node.get("outputs")), 0))
            field = mapping(output.get("widget")).get("name")
            target = mapping(at(self.nodes, at(link, 2)))
            spec = self._input_of(text(target.get("type")), field)
            kind = spec[0] if spec and isinstance(spec[0], str) else None
        spec = [kind, {}]
        self._primitives[index] = spec
        return {"input": {"required": {"value": spec}}, "output": [kind]}

    def _input_of(self, kind: str, name: object) -> Spec:
        groups = mapping((self._definitions.raw(kind) or {}).get("input"))
        for group in ("required", "optional"):
            found = mapping(groups.get(group)).get(text(name))
            if found is not None:
                return listing(found)
        return []

    def _reroute(self, index: int) -> Mapping[str, Any] | None:
        incoming, outgoing = self.links_to.get(index), self.links_from.get(index)
        external = self._external.get(index, {}).get(0)
        if incoming and outgoing and not external:
            return None
        kind = "*"
        if outgoing:
            for link in outgoing.get(0, []):
                target = mapping(at(self.nodes, link[2]))
                slot = mapping(at(listing(target.get("inputs")), link[3]))
                if slot.get("type") and kind == "*":
                    kind = text(slot["type"])
        elif incoming:
            link = incoming.get(0) or []
            source = mapping(at(self.nodes, at(link, 0)))
            output = at(listing(source.get("outputs")), at(link, 1))
            if isinstance(output, Mapping):
                kind = text(output.get("type") or "*")
        elif external:
            kind = text(external)
        spec = [kind, {"forceInput": True}]
        return {"input": {"required": {kind: spec}}, "output": [kind]}

    def _custom(self, index: int, part: str, key: object) -> Mapping[str, Any]:
        """What somebody has set for an inner slot: another name, or that it hides."""
        config = self.config
        if isinstance(config, list):
            entry = mapping(at(config, index))
        else:
            entry = mapping(mapping(config).get(str(index)))
        found = entry.get(part)
        if isinstance(found, list):
            return mapping(at(found, key))
        return mapping(mapping(found).get(str(key)))

    def _named(
        self, index: int, name: str, seen: dict[str, int], spec: Spec
    ) -> tuple[str, Spec]:
        """The name of an inner input on the group, and its spec there."""
        node = self.nodes[index]
        slots = [mapping(slot) for slot in listing(node.get("inputs"))]
        label = next((s.get("label") for s in slots if s.get("name") == name), None)
        custom = self._custom(index, "input", name).get("name")
        shown = key = text(custom if custom is not None else label or name)
        prefix, kind = "", node.get("type")
        title = node.get("title")
        if (kind == "PrimitiveNode" and title) or shown in seen:
            prefix = f"{text(kind if title is None else title)} "
            key = shown = prefix + name
            if shown in seen:
                shown = f"{prefix}{seen[shown]} {name}"
        seen[key] = seen.get(key, 1) + 1
        extra: dict[str, Any] = {}
        if name in ("seed", "noise_seed"):
            extra["control_after_generate"] = f"{prefix}control_after_generate"
        if extra:
            options = mapping(spec[1]) if len(spec) > 1 else {}
            spec = [spec[0], {**options, **extra}]
        return shown, spec

    def _add_inputs(
        self, index: int, inputs: Mapping[str, Any], seen: dict[str, int]
    ) -> _Converted:
        slots, converted = self._add_fields(index, inputs, seen)
        incoming = self.links_to.get(index, {})
        places = self.inputs.setdefault(index, {})
        for place, name in enumerate(slots):
            if place in incoming:
                self._check_primitive(incoming[place], name, inputs)
                continue
            shown, spec = self._named(index, name, seen, listing(inputs[name]))
            if self._custom(index, "input", name).get("visible") is False:
                continue
            self._required[shown] = spec
            places[place] = self._count
            self._count += 1
        return _Converted(index, inputs, len(slots), converted)

    def _add_fields(
        self, index: int, inputs: Mapping[str, Any], seen: dict[str, int]
    ) -> tuple[list[str], list[str]]:
        """Make the inner fields the group's; what is left: links, in two kinds."""
        saved = [mapping(s) for s in listing(self.nodes[index].get("inputs"))]
        turned = {
            text(slot.get("name")): place
            for place, slot in reversed(list(enumerate(saved)))
            if mapping(slot.get("widget")).get("name") == slot.get("name")
        }
        names = self._names.setdefault(index, {})
        slots, converted = [], {}
        for name in ordered_keys(inputs):
            spec = listing(inputs[name])
            if not spec or not isinstance(spec[0], str) or not has_widget(spec[0]):
                slots.append(name)
            elif name in turned:
                converted[turned[name]] = name
                names[name] = None
            else:
                shown, own = self._named(index, name, seen, spec)
                self._required[shown] = own
                names[name] = shown
                self.fields[shown] = (index, name)
        # Places are sorted as text, which is what older files are made for.
        return slots, [converted[place] for place in sorted(converted, key=str)]

    def _add_converted(self, rest: _Converted, seen: dict[str, int]) -> None:
        """Fields that were turned into inputs come after all others."""
        incoming = self.links_to.get(rest.index, {})
        for offset, name in enumerate(rest.names):
            place = rest.sockets + offset
            if place in incoming:
                self._check_primitive(incoming[place], name, rest.inputs)
                continue
            spec = listing(rest.inputs[name])
            options = mapping(spec[1]) if len(spec) > 1 else {}
            shown, own = self._named(
                rest.index, name, seen, [spec[0], {**options, "defaultInput": True}]
            )
            self._required[shown] = own
            self.fields[shown] = (rest.index, name)
            self._names[rest.index][name] = shown
            self.inputs[rest.index][place] = self._count
            self._count += 1

    def _check_primitive(
        self, link: Spec, name: str, inputs: Mapping[str, Any]
    ) -> None:
        """A primitive inside takes on the options of what it feeds."""
        source, target = int(link[0]), int(link[2])
        primitive = self._primitives.get(source)
        if primitive is None:
            return
        spec = listing(inputs[name])
        options = dict(mapping(spec[1])) if len(spec) > 1 else {}
        primitive[1] = options
        shown = self._names.get(source, {}).get("value")
        if shown:
            options["control_after_generate"] = True
            options["control_prefix"] = shown[:-6]
        self.fed.setdefault(source, []).append((target, name))

    def _add_outputs(
        self, index: int, found: Mapping[str, Any], seen: set[str]
    ) -> None:
        node = self.nodes[index]
        names = listing(found.get("output_name"))
        for slot, kind in enumerate(listing(found.get("output"))):
            linked = self.links_from.get(index, {}).get(slot)
            inside = linked and not self._external.get(index, {}).get(slot)
            custom = self._custom(index, "output", slot)
            visible = custom.get("visible")
            if not (not inside if visible is None else visible):
                continue
            self.outputs[len(self._results)] = (index, slot)
            label = custom.get("name")
            if not label:
                label = at(names, slot) or (kind if isinstance(kind, str) else None)
                for output in map(mapping, listing(node.get("outputs"))):
                    if output.get("name") == label:
                        label = output.get("label") or label
                        break
            shown = text(label or f"output_{slot}")
            if shown in seen:
                prefix = f"{text(node.get('title') or node.get('type'))} "
                shown = f"{prefix}{label or slot}"
                if shown in seen:
                    shown = f"{prefix}{index} {label or slot}"
            seen.add(shown)
            self._results.append((kind, shown))


class _Converted:
    """Fields of an inner node that were turned into inputs, to be added later."""

    def __init__(
        self, index: int, inputs: Mapping[str, Any], sockets: int, names: list[str]
    ) -> None:
        self.index = index
        self.inputs = inputs
        self.sockets = sockets
        self.names = names

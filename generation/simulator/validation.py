"""What ComfyUI refuses at ``POST /prompt``, in the words in which it refuses."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from generation.simulator.catalog import NodeCatalog, choices_of, inputs_of

Graph = dict[str, dict[str, Any]]
Problem = dict[str, Any]


@dataclass
class Verdict:
    """``error`` is None if at least one output can run; ``outputs`` are those."""

    error: Problem | None = None
    outputs: list[str] = field(default_factory=list)
    node_errors: dict[str, Any] = field(default_factory=dict)


def problem(
    kind: str, message: str, details: str = "", extra: dict[str, Any] | None = None
) -> Problem:
    """One error in ComfyUI's shape."""
    return {
        "type": kind,
        "message": message,
        "details": details,
        "extra_info": extra or {},
    }


def is_canonical_uuid(value: object) -> bool:
    """Say whether the value is a UUID exactly as ``str(uuid.UUID(...))`` writes it."""
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


def is_link(value: object) -> bool:
    """Say whether an input names another node's output: ``[node_id, slot]``."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int)
    )


def validate(graph: Graph, catalog: NodeCatalog) -> Verdict:
    """Check a graph; converts numbers and texts in it to their declared types."""
    outputs = []
    for node_id, node in graph.items():
        if missing := _missing_class(node_id, node, catalog):
            return Verdict(error=missing)
        if catalog[node["class_type"]]["output_node"]:
            outputs.append(node_id)
    if not outputs:
        return Verdict(error=problem("prompt_no_outputs", "Prompt has no outputs"))
    return _Validation(graph, catalog).run(outputs)


def _missing_class(node_id: str, node: Any, catalog: NodeCatalog) -> Problem | None:
    where = f"Node ID '#{node_id}'"
    if not isinstance(node, dict) or "class_type" not in node:
        return problem(
            "missing_node_type",
            "Cannot execute because a node is missing the class_type property.",
            where,
        )
    name = node["class_type"]
    if name in catalog:
        return None
    title = node.get("_meta", {}).get("title", name)
    return problem(
        "missing_node_type",
        f"Node '{title}' not found. The custom node may not be installed.",
        where,
        {"node_id": node_id, "class_type": name, "node_title": title},
    )


class _Validation:
    """One pass over a graph: every node is judged once, ancestors first."""

    def __init__(self, graph: Graph, catalog: NodeCatalog) -> None:
        self.graph = graph
        self.catalog = catalog
        self.judged: dict[str, tuple[bool, list[Problem]]] = {}
        self.path: list[str] = []

    def run(self, outputs: list[str]) -> Verdict:
        verdict = Verdict()
        own: list[str] = []
        for output in outputs:
            valid, problems = self.judge(output)
            if valid:
                verdict.outputs.append(output)
                continue
            own += [f"{each['message']}: {each['details']}" for each in problems]
            self._collect(output, verdict.node_errors)
        if not verdict.outputs:
            verdict.error = problem(
                "prompt_outputs_failed_validation",
                "Prompt outputs failed validation",
                "\n".join(own),
            )
        return verdict

    def _collect(self, output: str, node_errors: dict[str, Any]) -> None:
        for node_id in self.judged:
            _, problems = self.judged[node_id]
            if not problems or output not in self._dependents(node_id):
                continue
            entry = node_errors.setdefault(
                node_id,
                {
                    "errors": problems,
                    "dependent_outputs": [],
                    "class_type": self.graph[node_id]["class_type"],
                },
            )
            entry["dependent_outputs"].append(output)

    def _dependents(self, node_id: str) -> set[str]:
        found = {node_id}
        grown = True
        while grown:
            more = {
                other
                for other, node in self.graph.items()
                for value in node.get("inputs", {}).values()
                if is_link(value) and value[0] in found
            }
            grown = not more <= found
            found |= more
        return found

    def judge(self, node_id: str) -> tuple[bool, list[Problem]]:
        """Return whether the node and all before it are sound, and its problems."""
        if node_id in self.judged:
            return self.judged[node_id]
        if node_id in self.path:
            cycle = " -> ".join([*self.path, node_id])
            return False, [problem("dependency_cycle", "Dependency cycle", cycle)]
        self.path.append(node_id)
        node = self.graph[node_id]
        problems: list[Problem] = []
        sound = True
        for group, name, spec in inputs_of(self.catalog[node["class_type"]]):
            found = self._input(node, group, name, spec)
            if found is None:
                sound = False
            else:
                problems += found
        self.path.pop()
        self.judged[node_id] = (sound and not problems, problems)
        return self.judged[node_id]

    def _input(
        self, node: dict[str, Any], group: str, name: str, spec: list[Any]
    ) -> list[Problem] | None:
        """Problems of one input; None when a node before it is at fault."""
        inputs = node.setdefault("inputs", {})
        if name not in inputs:
            if group == "optional":
                return []
            missing = "required_input_missing", "Required input is missing"
            return [problem(*missing, name, {"input_name": name})]
        if isinstance(inputs[name], list):
            return self._link(name, spec, inputs[name])
        found = _convert(inputs, name, spec)
        return [found] if found else _limits(name, spec, inputs[name], node)

    def _link(self, name: str, spec: list[Any], value: Any) -> list[Problem] | None:
        info: dict[str, Any] = {"input_name": name, "input_config": spec}
        if not is_link(value):
            message = (
                "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            )
            info["received_value"] = value
            return [problem("bad_linked_input", message, name, info)]
        source, slot = value
        try:
            given = self.catalog[self.graph[source]["class_type"]]["output"][slot]
        except (KeyError, IndexError) as error:
            message = "Exception when validating inner node"
            info |= {
                "exception_type": type(error).__name__,
                "exception_message": str(error),
                "linked_node": value,
                "traceback": [],
            }
            kind = "exception_during_inner_validation"
            return [problem(kind, message, str(error), info)]
        wanted = "COMBO" if isinstance(spec[0], list) else spec[0]
        if wanted not in (given, "*"):
            details = f"{name}, received_type({given}) mismatch input_type({wanted})"
            info |= {"received_type": given, "linked_node": value}
            message = "Return type mismatch between linked nodes"
            return [problem("return_type_mismatch", message, details, info)]
        sound, problems = self.judge(source)
        if problems and problems[0]["type"] == "dependency_cycle":
            return problems
        return [] if sound else None


def _convert(inputs: dict[str, Any], name: str, spec: list[Any]) -> Problem | None:
    convert = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
    kind = spec[0] if isinstance(spec[0], str) else ""
    if kind not in convert:
        return None
    try:
        inputs[name] = convert[kind](inputs[name])
    except (TypeError, ValueError, OverflowError) as error:
        return problem(
            "invalid_input_type",
            f"Failed to convert an input value to a {kind} value",
            f"{name}, {inputs[name]}, {error}",
            {
                "input_name": name,
                "input_config": spec,
                "received_value": inputs[name],
                "exception_message": str(error),
            },
        )
    return None


def _limits(
    name: str, spec: list[Any], value: Any, node: dict[str, Any]
) -> list[Problem]:
    options = spec[1] if len(spec) > 1 else {}
    info = {"input_name": name, "input_config": spec, "received_value": value}
    problems = []
    if "min" in options and value < options["min"]:
        message = f"Value {value} smaller than min of {options['min']}"
        problems.append(problem("value_smaller_than_min", message, name, info))
    if "max" in options and value > options["max"]:
        message = f"Value {value} bigger than max of {options['max']}"
        problems.append(problem("value_bigger_than_max", message, name, info))
    choices = choices_of(spec)
    if choices is None or value in choices:
        return problems
    if node["class_type"] == "LoadImage":
        # LoadImage has a check of its own, which goes before the list.
        details = f"{name} - Invalid image file: {value}"
        message = "Custom validation failed for node"
        info = {"input_name": name}
        return [problem("custom_validation_failed", message, details, info)]
    listed = str(choices)
    if len(choices) > 20:
        listed = f"(list of length {len(choices)})"
        info["input_config"] = None
    details = f"{name}: '{value}' not in {listed}"
    return [problem("value_not_in_list", "Value not in list", details, info)]

"""Which node runs next, and which nodes need not run at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from typing import Any

from generation.simulator.validation import Graph, is_link


class ExecutionOrder:
    """Hands out the nodes of a run in the order in which ComfyUI takes them.

    Starting at the outputs it collects what they need, leaving out what is
    cached. Of the nodes that are ready it prefers outputs, then what stands one
    or two links before an output, then the one found first.
    """

    def __init__(
        self, graph: Graph, outputs: Collection[str], cached: Collection[str]
    ) -> None:
        self._graph = graph
        self._outputs = set(outputs)
        self._needs: dict[str, set[str]] = {}
        self._feeds: dict[str, set[str]] = {}
        for output in outputs:
            self._add(output, cached)

    def _add(self, output: str, cached: Collection[str]) -> None:
        stack = [output]
        while stack:
            node_id = stack.pop()
            if node_id in self._needs:
                continue
            self._needs[node_id] = set()
            self._feeds.setdefault(node_id, set())
            if node_id in cached:
                continue
            for source in sources(self._graph[node_id]):
                if source in cached:
                    continue
                stack.append(source)
                self._needs[node_id].add(source)
                self._feeds.setdefault(source, set()).add(node_id)

    def next(self) -> str | None:
        """Take the next node out; None when all are done."""
        ready = [node_id for node_id, needs in self._needs.items() if not needs]
        if not ready:
            return None
        chosen = self._preferred(ready)
        del self._needs[chosen]
        return chosen

    def _preferred(self, ready: list[str]) -> str:
        tests: list[Callable[[str], bool]] = [
            self._outputs.__contains__,
            lambda n: bool(self._feeds[n] & self._outputs),
            lambda n: any(self._feeds[m] & self._outputs for m in self._feeds[n]),
        ]
        for test in tests:
            for node_id in ready:
                if test(node_id):
                    return node_id
        return ready[0]

    def done(self, node_id: str) -> None:
        """Release the nodes that waited for this one."""
        for waiting in self._feeds[node_id]:
            self._needs[waiting].discard(node_id)


def sources(node: dict[str, Any]) -> list[str]:
    """The ids of the nodes that feed this one, in the order of its inputs."""
    return [v[0] for v in node.get("inputs", {}).values() if is_link(v)]


def signatures(
    graph: Graph, changed: Callable[[dict[str, Any]], str]
) -> dict[str, str]:
    """Map each node to a digest of its class, its inputs and all its ancestors.

    ``changed`` adds what the inputs do not show, such as a file's content.
    """
    known: dict[str, str] = {}

    def sign(node_id: str, path: tuple[str, ...]) -> str:
        if node_id in known:
            return known[node_id]
        node = graph[node_id]
        inputs: dict[str, Any] = {}
        for name, value in sorted(node.get("inputs", {}).items()):
            if is_link(value) and value[0] in graph and value[0] not in path:
                inputs[name] = [sign(value[0], (*path, node_id)), value[1]]
            else:
                inputs[name] = repr(value)
        text = json.dumps([node["class_type"], inputs, changed(node)])
        known[node_id] = hashlib.sha256(text.encode()).hexdigest()
        return known[node_id]

    for node_id in graph:
        sign(node_id, ())
    return known

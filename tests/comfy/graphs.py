"""Small workflows as the page saves them, for tests."""

from __future__ import annotations

from generation.comfy.convert import Definitions, convert
from tests.make import recording

KNOWN = Definitions(recording("object_info"))


def node(node_id, kind, *values, inputs=(), outputs=(), **more):
    """Inputs are (name, type, link) and outputs (type, links)."""
    made = {"id": node_id, "type": kind, "mode": 0, "properties": {}}
    made["inputs"] = [_input(*entry) for entry in inputs]
    made["outputs"] = [
        {"name": kind, "type": kind, "links": list(links)} for kind, *links in outputs
    ]
    if values:
        made["widgets_values"] = list(values)
    return made | more


def _input(name, kind, link, widget=None):
    slot = {"name": name, "type": kind, "link": link}
    return slot | ({"widget": {"name": widget}} if widget else {})


def workflow(*nodes, links=(), **more):
    return {"version": 0.4, "nodes": list(nodes), "links": [*map(list, links)]} | more


def subgraph(name, *nodes, inputs=(), outputs=(), links=()):
    """Inputs and outputs are (name, type, links inside); links as in version 1."""
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    sides = {
        side: [
            {"id": f"{name}-{side}-{n}", "name": n, "type": kind, "linkIds": list(ids)}
            for n, kind, *ids in entries
        ]
        for side, entries in (("inputs", inputs), ("outputs", outputs))
    }
    made = [dict(zip(keys, link, strict=True)) for link in links]
    return {"id": name, "name": name, "nodes": list(nodes), "links": made} | sides


def converted(*nodes, **more):
    return convert(workflow(*nodes, **more), KNOWN)


def inputs(prompt):
    return {node_id: entry["inputs"] for node_id, entry in prompt.items()}


def loader(*links):
    """Node 1: a picture."""
    return node(1, "LoadImage", "a.png", "image", outputs=[("IMAGE", *links)])


def preview(link, node_id=9):
    return node(node_id, "PreviewImage", inputs=[("images", "IMAGE", link)])

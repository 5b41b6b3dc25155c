"""Workflows as people save them, made into what a ComfyUI server runs. Pure.

ComfyUI's own page does this in the browser. Its rules are followed here, step by step,
so that the same file gives the same prompt:

reading      JSON within limits
shapes       is it a workflow, and small enough?
numbering    ids that are unique across subgraphs
definitions  what a server and the page know of each kind of node
model        nodes, slots, widgets and links
widgets, inputs, nodes, virtual, subgraphs, groups    how each kind of node behaves
loading      a saved workflow becomes a living graph
resolving, texts, prompt                              a living graph becomes a prompt
api_format   documents that are a prompt already
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from generation.comfy.convert.api_format import check_api_format, is_api_format
from generation.comfy.convert.definitions import Definitions
from generation.comfy.convert.errors import NodeProblem, Unconvertible
from generation.comfy.convert.loading import load
from generation.comfy.convert.prompt import prompt
from generation.comfy.convert.reading import read
from generation.comfy.convert.shapes import check
from generation.comfy.convert.texts import Choose, first

__all__ = ["Definitions", "NodeProblem", "Unconvertible", "convert", "read"]


def convert(
    document: object,
    object_info: Mapping[str, Any] | Definitions,
    *,
    choose: Choose = first,
    now: datetime | None = None,
) -> dict[str, Any]:
    """The workflow in API format, `{node id: {"inputs", "class_type", "_meta"}}`.

    Args:
        document: a workflow as the page saves it, or in API format already.
        object_info: the node definitions of the server that shall run it.
        choose: which of so many choices a `{one|two}` in a text becomes; a page draws
            lots, here it is the first unless told otherwise.
        now: what `%date:…%` in a file name becomes; without it the text stays.

    Raises:
        Unconvertible: with a sentence, and the nodes that are in the way.
    """
    known = object_info
    if not isinstance(known, Definitions):
        known = Definitions(known)
    if not isinstance(document, Mapping):
        raise Unconvertible("The document is not a workflow.")
    try:
        if is_api_format(document):
            return check_api_format(document, known)
        if not isinstance(document.get("nodes"), list):
            raise Unconvertible("The document is not a workflow: it has no nodes.")
        workflow = check(document)
        return prompt(load(workflow, known), choose, now)
    except RecursionError:
        raise Unconvertible("The workflow is nested too deeply.") from None

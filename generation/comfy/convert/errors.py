"""The one error of this package.

Unconvertible    the document cannot become something that a server runs
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NodeProblem:
    """One node that is in the way, and why."""

    id: str
    type: str
    reason: str


class Unconvertible(Exception):
    """Why a document cannot be converted: a sentence, and the nodes to blame."""

    def __init__(self, sentence: str, nodes: Sequence[NodeProblem] = ()) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.nodes = tuple(nodes)

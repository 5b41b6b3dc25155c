"""The templates as people look through them: by category, tag and words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from generation.models import Workflow

LONGEST = 100


class Shelf:
    """What of a person's templates fits what they ask for."""

    def __init__(self, workflows: Sequence[Workflow], asked: Mapping[str, Any]) -> None:
        self.all = workflows
        self.query = str(asked.get("q", ""))[:LONGEST].strip()
        self.category = str(asked.get("category", ""))[:LONGEST]
        self.tag = str(asked.get("tag", ""))[:LONGEST]
        self.workflows = [one for one in workflows if self._fits(one)]

    def _fits(self, workflow: Workflow) -> bool:
        if self.category and workflow.category != self.category:
            return False
        if self.tag and self.tag not in workflow.tags:
            return False
        told = [workflow.title, workflow.description, workflow.category]
        text = " ".join([*told, *map(str, workflow.tags)]).lower()
        return all(word in text for word in self.query.lower().split())

    @property
    def categories(self) -> list[str]:
        return sorted({one.category for one in self.all if one.category})

    @property
    def tags(self) -> list[str]:
        return sorted({str(tag) for one in self.all for tag in one.tags})

    @property
    def is_asked(self) -> bool:
        return bool(self.query or self.category or self.tag)

    def groups(self) -> Iterator[tuple[str, list[Workflow]]]:
        """(category, templates); those without a category come first."""
        ordered = sorted(self.workflows, key=lambda one: one.category.lower())
        for category, members in groupby(ordered, key=lambda one: one.category):
            yield category, list(members)

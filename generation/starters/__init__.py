"""The templates that a fresh installation has, one JSON file each in this folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.db import transaction

from generation.models import Workflow


def load_starters() -> None:
    """Create the starters that are missing; what an administrator changed stays."""
    for path in sorted(Path(__file__).parent.glob("*.json")):
        starter = json.loads(path.read_text())
        if not Workflow.objects.filter(slug=starter["slug"]).exists():
            create(starter)


@transaction.atomic
def create(starter: dict[str, Any]) -> Workflow:
    graph, parameters = starter.pop("graph"), starter.pop("parameters")
    workflow = Workflow(**starter)
    workflow.full_clean()
    workflow.save()
    workflow.publish(workflow.add_version(graph, parameters, None))
    return workflow

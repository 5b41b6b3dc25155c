"""What the gallery's pages show of generating, which gallery does not import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

from gallery.models import Image
from generation import parameters, remake
from generation.models import Workflow

register = template.Library()


@register.filter
def spoken(value: Any) -> Any:
    """A setting as people read it: 512×768, a LoRA with its strength, yes or no."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    said = parameters.spoken(value)
    if isinstance(said, Mapping):
        return " · ".join(str(part) for part in said.values())
    return f"{said:g}" if isinstance(said, float) else said


@register.inclusion_tag("generation/_again.html", takes_context=True)
def again(context: dict[str, Any], image: Image) -> dict[str, Any]:
    """The ways to make a picture of one's own again."""
    source = remake.of_image(image)
    version = source.version if source else None
    workflow = None
    if version is not None:
        usable = Workflow.objects.visible_to(context["request"].user)
        rows = usable.filter(pk=version.workflow_id).select_related("current")
        workflow = rows.first()
    return {
        "image": image,
        "source": source,
        "version": version,
        "workflow": workflow,
        "csrf_token": context.get("csrf_token"),
    }

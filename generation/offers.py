"""What the servers together offer for a template's choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from generation import parameters
from generation.comfy.catalog import Catalog
from generation.comfy.graph import NoSuchInput
from generation.models import Parameter, Server, Workflow
from generation.models.server import parsed_catalog
from generation.parameters import CHOICE_KINDS


def catalogs() -> list[Catalog]:
    """Of the servers that are online, else of all that were ever seen."""
    rows = Server.objects.filter(enabled=True).exclude(catalog=None)
    seen = list(rows.values_list("catalog_id", "state"))
    online = [digest for digest, state in seen if state == Server.State.ONLINE]
    digests = online or [digest for digest, _ in seen]
    return [parsed_catalog(str(digest)) for digest in dict.fromkeys(digests)]


def choices_of(workflow: Workflow) -> Callable[[Parameter], Sequence[str] | None]:
    """A function from a parameter to the values that some server offers.

    None where it is no choice, or where no server has told yet.
    """
    known = catalogs()

    def choices(parameter: Parameter) -> Sequence[str] | None:
        return _choices(workflow, parameter, known)

    return choices


def default_graph(workflow: Workflow, catalog: Catalog) -> Mapping[str, Any]:
    """The graph as the form would send it where only this server is."""
    fields = list(workflow.parameters.all())
    values = {
        field.name: parameters.default(field, _choices(workflow, field, [catalog]))
        for field in fields
    }
    try:
        return parameters.resolve(workflow.graph, fields, values)
    except NoSuchInput:
        return workflow.graph  # type: ignore[no-any-return]


def _choices(
    workflow: Workflow, parameter: Parameter, known: Sequence[Catalog]
) -> Sequence[str] | None:
    if parameter.kind not in CHOICE_KINDS:
        return None
    if parameter.choices:
        return [str(choice) for choice in parameter.choices]
    if not parameter.targets:
        return None
    node, name = parameter.targets[0]
    class_type = workflow.graph[str(node)]["class_type"]
    found: dict[str, None] = {}
    told = False
    for catalog in known:
        offered = catalog.choices(class_type, name)
        if offered is not None:
            told = True
            found |= dict.fromkeys(offered)
    return list(found) if told else None

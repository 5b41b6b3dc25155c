"""What the servers together offer for a template's choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from generation.comfy.catalog import Catalog
from generation.fields import Kind, Parameter
from generation.models import Server, Version
from generation.models.server import parsed_catalog
from generation.parameters import CHOICE_KINDS, Choices, default, resolve


def catalogs() -> list[Catalog]:
    """Of the servers that are online, else of all that were ever seen."""
    rows = Server.objects.filter(enabled=True).exclude(catalog=None)
    seen = list(rows.values_list("catalog_id", "state"))
    online = [digest for digest, state in seen if state == Server.State.ONLINE]
    digests = online or [digest for digest, _ in seen]
    return [parsed_catalog(str(digest)) for digest in dict.fromkeys(digests)]


def choices_of(version: Version) -> Choices:
    """A function from a parameter to the values that some server offers.

    None where it is no choice, or where no server has told yet.
    """
    return choices_in(version, catalogs())


def choices_in(version: Version, known: Sequence[Catalog]) -> Choices:
    """As `choices_of`, of these catalogs."""

    def choices(parameter: Parameter) -> Sequence[str] | None:
        return _choices(version.graph, parameter, known)

    return choices


def with_defaults(version: Version, catalog: Catalog) -> dict[str, Any]:
    """The graph as it would be sent: a missing model becomes one that is there."""
    fields = [p for p in version.parameters if p.kind != Kind.IMAGE]
    choices = choices_in(version, [catalog])
    values = {p.name: default(p, choices(p)) for p in fields}
    return resolve(version.graph, fields, values)


def _choices(
    graph: Mapping[str, Any], parameter: Parameter, known: Sequence[Catalog]
) -> Sequence[str] | None:
    if parameter.kind not in CHOICE_KINDS:
        return None
    if parameter.choices:
        return parameter.choices
    if not parameter.targets:
        return None
    node, name = parameter.targets[0]
    class_type = graph[node]["class_type"]
    found: dict[str, None] = {}
    told = False
    for catalog in known:
        offered = catalog.choices(class_type, name)
        if offered is not None:
            told = True
            found |= dict.fromkeys(offered)
    return list(found) if told else None

"""What the servers together offer for a template's choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from generation.comfy.catalog import Catalog
from generation.fields import FILES, Kind, Parameter
from generation.models import Server, Version
from generation.models.server import enabled_servers, parsed_catalog
from generation.parameters import CHOICE_KINDS, Choices, default, narrowed, resolve

NUMBERS = frozenset(
    {Kind.INTEGER, Kind.FLOAT, Kind.SEED, Kind.SIZE, Kind.BATCH, Kind.LORA}
)


def catalogs() -> list[Catalog]:
    """Of the servers that are online, else of all that were ever seen."""
    known = enabled_servers.get()
    seen = [(s.catalog_id, s.state) for s in known if s.catalog_id is not None]
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
    fields = [p for p in version.parameters if p.kind not in FILES]
    choices = choices_in(version, [catalog])
    values = {p.name: default(p, choices(p)) for p in fields}
    return resolve(version.graph, fields, values, choices)


def parameters_of(version: Version) -> tuple[Parameter, ...]:
    """The version's parameters, each within the limits of its nodes as well."""
    known = catalogs()
    return tuple(within_nodes(version.graph, p, known) for p in version.parameters)


def within_nodes(
    graph: Mapping[str, Any], parameter: Parameter, known: Sequence[Catalog]
) -> Parameter:
    """The parameter with no value that one of these nodes refuses."""
    if parameter.kind not in NUMBERS:
        return parameter
    limits = []
    for target in parameter.targets:
        class_type = graph[target.node]["class_type"]
        for catalog in known if target.part != "name" else ():
            if spec := catalog.input(class_type, target.input):
                limits.append((spec.min, spec.max))
    return narrowed(parameter, limits)


def _choices(
    graph: Mapping[str, Any], parameter: Parameter, known: Sequence[Catalog]
) -> Sequence[str] | None:
    if parameter.kind not in (*CHOICE_KINDS, Kind.LORA):
        return None
    named = parameter.at("name" if parameter.kind == Kind.LORA else "")
    if not named:
        return parameter.choices or None
    node, name, _ = named[0]
    class_type = graph[node]["class_type"]
    found: dict[str, None] = {}
    told = False
    for catalog in known:
        offered = catalog.choices(class_type, name)
        if offered is not None:
            told = True
            found |= dict.fromkeys(offered)
    if not told:
        return parameter.choices or None
    # Where none of a template's choices is there any more, all of them are shown:
    # the message then says what is missing.
    both = [choice for choice in parameter.choices if choice in found]
    return both or parameter.choices or list(found)

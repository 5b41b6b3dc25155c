"""From a file that somebody has to a template: nothing is half-imported.

JSON (a workflow as the page saves it, or in API format, or something that carries one),
and pictures and films that ComfyUI made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from django.db import transaction
from django.utils.text import slugify

from accounts.models import User
from generation import drafting
from generation.comfy.catalog import Catalog
from generation.comfy.convert import Definitions, Unconvertible, convert, read
from generation.comfy.convert.api_format import check_api_format, is_api_format
from generation.fields import write
from generation.metadata import carried
from generation.models import Catalog as CatalogRow
from generation.models import Server, Workflow
from generation.models.server import parsed_catalog

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_TITLE = 200
# Counted by their commas before anything is read; what is more takes seconds.
MAX_VALUES = 1_500_000
NODE_KEYS = ("inputs", "class_type", "_meta")


@dataclass(frozen=True, slots=True)
class Imported:
    """What a server runs, and what the page had saved, if the file has that too."""

    graph: dict[str, Any]
    source: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Node definitions of a server, for converting and for discovering inputs."""

    catalog: Catalog
    definitions: Definitions

    @staticmethod
    def of(digest: str) -> Knowledge:
        row = CatalogRow.objects.get(pk=digest)
        return Knowledge(parsed_catalog(digest), Definitions(row.object_info))


class _Anything:
    """Every type of node is known: no server has told yet which it has."""

    def __contains__(self, name: object) -> bool:
        return True


def knowledge(server: Server | None = None) -> Knowledge | None:
    """Of this server; else of one that is online; else of any that was ever seen."""
    rows = Server.objects.exclude(catalog=None)
    if server is not None:
        rows = rows.filter(pk=server.pk)
    seen = sorted(
        rows.values_list("enabled", "state", "catalog_id"),
        key=lambda row: (row[0] and row[1] == Server.State.ONLINE, row[0]),
        reverse=True,
    )
    return Knowledge.of(str(seen[0][2])) if seen else None


def from_file(name: str, data: bytes, known: Definitions | None) -> Imported:
    """The workflow in a file.

    Raises Unconvertible, with the nodes that are in the way.
    """
    if len(data) > MAX_FILE_BYTES:
        raise Unconvertible(f"The file is larger than {MAX_FILE_BYTES // 1024**2} MB.")
    if not data:
        raise Unconvertible("The file is empty.")
    found = carried.texts(data)
    if found is None:
        return from_document(read_json(data), known)
    if not found:
        kind = PurePath(name).suffix.lstrip(".").upper()[:5] or "file"
        raise Unconvertible(f"This {kind} carries no workflow.")
    return _first_that_works(_documents_of(found), known)


def from_document(document: object, known: Definitions | None) -> Imported:
    """As `from_file`, of JSON that has been read."""
    if isinstance(document, Mapping):
        inner = list(_carried_in(document))
        if inner and not isinstance(document.get("nodes"), list):
            return _first_that_works(inner, known)
    return _imported(document, known)


def read_json(data: bytes) -> Any:
    """As `comfy.convert.read`, and of characters that can be stored and shown."""
    if data.count(b",") > MAX_VALUES:
        raise Unconvertible("The file has far more values than a workflow.")
    value = read(data)
    if b"\\u" not in data:  # only so can characters be written that are none
        return value
    try:
        plain = json.dumps(value, ensure_ascii=False)
        plain.encode()
    except UnicodeEncodeError:
        raise Unconvertible("The file contains half a character.") from None
    if "\\u0000" in plain:
        raise Unconvertible("The file contains a NUL character.")
    return value


def _documents_of(found: Mapping[str, bytes]) -> Iterator[Any]:
    """What a picture carries; what can't be read only counts if nothing else can."""
    problem: Unconvertible | None = None
    read_any = False
    for name in ("prompt", "workflow", "comment"):
        if name not in found:
            continue
        try:
            value = read_json(found[name])
        except Unconvertible as error:
            # Old ComfyUIs write NaN into the prompt; the workflow is sound.
            problem = problem or error
            continue
        read_any = True
        if name == "comment":
            yield from _carried_in(value if isinstance(value, Mapping) else {})
        else:
            yield value
    if problem and not read_any:
        raise problem


def _carried_in(document: Mapping[str, Any]) -> Iterator[Any]:
    """The workflows in a JSON object, the one that ran first."""
    extra = document.get("extra_data")
    info = extra.get("extra_pnginfo") if isinstance(extra, Mapping) else None
    places = [document, info if isinstance(info, Mapping) else {}]
    for name in ("prompt", "workflow", "output"):
        for place in places:
            value = place.get(name)
            if isinstance(value, str):
                value = read_json(value.encode())
            if isinstance(value, Mapping) and _looks_right(value):
                yield value


def _looks_right(value: Mapping[str, Any]) -> bool:
    return is_api_format(value) or isinstance(value.get("nodes"), list)


def _first_that_works(
    documents: Iterator[Any] | list[Any], known: Definitions | None
) -> Imported:
    made: Imported | None = None
    source: Mapping[str, Any] | None = None
    problem: Unconvertible | None = None
    for document in documents:
        if not is_api_format(document) and isinstance(document, Mapping):
            source = source or document
        if made is None:
            try:
                made = _imported(document, known)
            except Unconvertible as error:
                problem = problem or error
    if made is None:
        raise problem or Unconvertible("The file carries no workflow.")
    return Imported(made.graph, source)


def _imported(document: object, known: Definitions | None) -> Imported:
    if isinstance(document, Mapping) and is_api_format(document):
        graph = check_api_format(document, _Anything() if known is None else known)
        return Imported(_tidy(graph))
    if known is None:
        message = (
            "A workflow as the page saves it needs the node definitions of a server,"
            " and no server was ever reached. Save it in API format, or add a server."
        )
        raise Unconvertible(message)
    graph = convert(document, known)
    if not graph:
        raise Unconvertible("The workflow has no node that a server runs.")
    source = document if isinstance(document, Mapping) else None
    return Imported(_tidy(graph), source)


def _tidy(graph: Mapping[str, Any]) -> dict[str, Any]:
    """Only what a server reads of each node, and titles of a bearable length."""
    tidied = {}
    for node_id, node in graph.items():
        kept = {key: node[key] for key in NODE_KEYS if key in node}
        meta = kept.pop("_meta", None)
        title = meta.get("title") if isinstance(meta, Mapping) else None
        if isinstance(title, str) and title.strip():
            kept["_meta"] = {"title": title.strip()[:MAX_TITLE]}
        tidied[node_id] = kept
    return tidied


# Templates ------------------------------------------------------------------------


def title_of(name: str) -> str:
    """A title from a file's name: `my-portrait_v2.json` becomes "My portrait v2"."""
    stem = PurePath(name.replace("\\", "/")).name.partition(".")[0]
    words = re.sub(r"[\s_-]+", " ", stem).strip()
    return (words[:1].upper() + words[1:])[:MAX_TITLE] or "Imported workflow"


def free_slug(title: str) -> str:
    """A slug that no template has."""
    base = slugify(title)[:80] or "workflow"
    slug, number = base, 1
    while Workflow.objects.filter(slug=slug).exists():
        number += 1
        slug = f"{base}-{number}"
    return slug


@transaction.atomic
def create(
    imported: Imported,
    *,
    title: str,
    slug: str = "",
    author: User | None = None,
    catalog: Catalog | None = None,
) -> Workflow:
    """A template that is not published, with a first draft of its form.

    Raises ValidationError if the slug is taken or the graph is not one.
    """
    fields = write(drafting.draft(imported.graph, catalog))
    workflow = Workflow(title=title[:MAX_TITLE], slug=slug or free_slug(title))
    workflow.full_clean()
    workflow.save()
    workflow.add_version(imported.graph, fields, author)
    return workflow

"""The API's reference: the OpenAPI document as a page that people can read."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.text import slugify
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase

from accounts.keys import WHAT_FOR
from accounts.models import Scope
from lifeos.openapi import needs

Node = Mapping[str, Any]

FORMATS = {
    "binary": "file",
    "date-time": "string (date and time)",
    "uuid": "string (UUID)",
}
# Tags whose name is not only a word with a capital.
NAMES = {"comfyui": "ComfyUI"}
METHODS = ("get", "post", "put", "patch", "delete")
# What a limit is of, and its least and most in the words of JSON Schema.
LIMITS = (
    ("", "minimum", "maximum"),
    (" characters", "minLength", "maxLength"),
    (" items", "minItems", "maxItems"),
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a line: plain, `code`, or a link to the part with the id `target`."""

    text: str
    code: bool = False
    target: str = ""


Line = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body or of a schema. `default` is JSON, or ""."""

    name: str
    type: Line
    required: bool
    default: str
    limits: str
    description: Line
    where: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """`type` names the schema; a form has none, only `fields`."""

    media: str
    type: Line
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    phrase: str
    description: Line
    type: Line

    @property
    def good(self) -> bool:
        return self.status < "400"


@dataclass(frozen=True, slots=True)
class Operation:
    anchor: str
    method: str
    path: str
    summary: str
    scope: str
    paragraphs: tuple[Line, ...]
    parameters: tuple[Field, ...]
    body: Body | None
    answers: tuple[Answer, ...]
    curl: str

    @property
    def label(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Section:
    """The operations of one tag."""

    anchor: str
    name: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """`type` is what it is where it has no fields, such as one of some values."""

    anchor: str
    name: str
    paragraphs: tuple[Line, ...]
    fields: tuple[Field, ...]
    type: Line


@dataclass(frozen=True, slots=True)
class Reference:
    version: str
    sections: tuple[Section, ...]
    schemas: tuple[Schema, ...]


class ReferencePage(DocsBase):
    """Our page in the place of the one that ninja brings."""

    def render_page(
        self, request: HttpRequest, api: NinjaAPI, **kwargs: Any
    ) -> HttpResponse:
        context = {
            "reference": _once(api),
            "document": self.get_openapi_url(api, {}),
            "scopes": [(scope.value, WHAT_FOR[scope]) for scope in Scope],
        }
        return render(request, "api_docs.html", context)


@cache
def _once(api: NinjaAPI) -> Reference:
    """Operations come and go with a new version only, not while a process lives."""
    return read(api.get_openapi_schema())


def read(document: Node) -> Reference:
    schemas = document.get("components", {}).get("schemas", {})
    words = _Words(schemas)
    tags: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if node := methods.get(method):
                made = _operation(words, method.upper(), path, node)
                tags.setdefault((node.get("tags") or ["other"])[0], []).append(made)
    return Reference(
        document["info"]["version"],
        tuple(_section(tag, operations) for tag, operations in tags.items()),
        tuple(_schema(words, name, schemas[name]) for name in sorted(schemas)),
    )


def _section(tag: str, operations: list[Operation]) -> Section:
    name = NAMES.get(tag, tag.capitalize())
    return Section(f"tag-{slugify(tag)}", name, tuple(operations))


def _operation(words: _Words, method: str, path: str, node: Node) -> Operation:
    scope = node.get("x-scope", "")
    text = node.get("description", "").replace(needs(scope), "")
    return Operation(
        anchor=node["operationId"],
        method=method,
        path=path,
        summary=node.get("summary", ""),
        scope=scope,
        paragraphs=_paragraphs(text),
        parameters=tuple(_parameter(words, p) for p in node.get("parameters", ())),
        body=_body(words, node),
        answers=_answers(words, node["responses"]),
        curl=_curl(words, method, path, node),
    )


def _parameter(words: _Words, node: Node) -> Field:
    schema = node.get("schema", {})
    return Field(
        name=_spelt(node),
        type=words.type(schema),
        required=bool(node.get("required")),
        default=_default(schema),
        limits=_limits(schema),
        description=_line(node.get("description") or schema.get("description", "")),
        where=node["in"],
    )


def _spelt(node: Node) -> str:
    """ninja names a header as Python does; servers drop one with underscores."""
    name: str = node["name"]
    return name.replace("_", "-").title() if node["in"] == "header" else name


def _body(words: _Words, node: Node) -> Body | None:
    for media, content in node.get("requestBody", {}).get("content", {}).items():
        schema = content.get("schema", {})
        type_ = words.type(schema) if "$ref" in schema else ()
        return Body(media, type_, _fields(words, words.whole(schema)))
    return None


def _answers(words: _Words, nodes: Mapping[Any, Node]) -> tuple[Answer, ...]:
    found = []
    for status, node in sorted(nodes.items(), key=lambda item: int(item[0])):
        schemas = [c["schema"] for c in node.get("content", {}).values() if c]
        phrase = HTTPStatus(int(status)).phrase
        said = node.get("description", "")
        found.append(
            Answer(
                str(status),
                phrase,
                _line(said if said != phrase else ""),
                words.type(schemas[0]) if schemas else (),
            )
        )
    return tuple(found)


def _schema(words: _Words, name: str, node: Node) -> Schema:
    fields = _fields(words, node)
    paragraphs = _paragraphs(node.get("description", ""))
    type_ = () if fields else words.type(node)
    return Schema(_anchor(name), name, paragraphs, fields, type_)


def _fields(words: _Words, node: Node) -> tuple[Field, ...]:
    required = node.get("required", ())
    return tuple(
        Field(
            name=name,
            type=words.type(schema),
            required=name in required,
            default=_default(schema),
            limits=_limits(schema),
            description=_line(schema.get("description", "")),
        )
        for name, schema in node.get("properties", {}).items()
    )


def _anchor(schema: str) -> str:
    return f"schema-{schema}"


def _default(schema: Node) -> str:
    if "default" not in schema:
        return ""
    return json.dumps(schema["default"], ensure_ascii=False)


# Words ----------------------------------------------------------------------------


def _line(text: str) -> Line:
    """What stands between backticks is code."""
    pieces = enumerate(" ".join(text.split()).split("`"))
    return tuple(Piece(part, code=bool(i % 2)) for i, part in pieces if part)


def _paragraphs(text: str) -> tuple[Line, ...]:
    return tuple(_line(part) for part in re.split(r"\n\s*\n", text) if part.strip())


def _limits(schema: Node) -> str:
    """The bounds of a value, of its items, or of the one kind of it that has some."""
    said = [_bounds(schema, *limit) for limit in LIMITS]
    said += [_limits(kind) for kind in schema.get("anyOf", ())]
    if "items" in schema and (each := _limits(schema["items"])):
        said.append(f"each {each}")
    return ", ".join(filter(None, said))


def _bounds(schema: Node, unit: str, least: str, most: str) -> str:
    low, high = schema.get(least), schema.get(most)
    if low is not None and high is not None:
        return f"{low} to {high}{unit}"
    if high is not None:
        return f"at most {high}{unit}"
    return f"at least {low}{unit}" if low is not None else ""


class _Words:
    """JSON Schema in words; it knows the document's schemas by their names."""

    def __init__(self, schemas: Mapping[str, Node]) -> None:
        self.schemas = schemas

    def whole(self, schema: Node) -> Node:
        """What a $ref points to, itself otherwise."""
        return self.schemas[_named(schema)] if "$ref" in schema else schema

    def type(self, schema: Node) -> Line:
        return tuple(self._type(schema))

    def _type(self, schema: Node) -> Iterator[Piece]:
        kinds = _kinds(schema)
        if "$ref" in schema:
            yield from self._reference(_named(schema))
        elif "enum" in schema:
            yield from _values(schema["enum"])
        elif kinds:
            for i, kind in enumerate(kinds):
                if i:
                    yield Piece(" or ")
                yield from self._type(kind)
        elif schema.get("type") == "array":
            yield Piece("list of ")
            yield from self._type(schema.get("items", {}))
        elif schema.get("type") == "object":
            yield from self._object(schema)
        else:
            plain: str = schema.get("type", "anything")
            yield Piece(FORMATS.get(schema.get("format", ""), plain))

    def _reference(self, name: str) -> Iterator[Piece]:
        """An enumeration says its values where it is used, too."""
        yield Piece(name, target=_anchor(name))
        if values := self.schemas[name].get("enum"):
            yield Piece(" (")
            yield from _values(values)
            yield Piece(")")

    def _object(self, schema: Node) -> Iterator[Piece]:
        each = schema.get("additionalProperties")
        yield Piece("object")
        if isinstance(each, Mapping) and each:
            yield Piece(" of ")
            yield from self._type(each)
        for i, (name, field) in enumerate(schema.get("properties", {}).items()):
            yield Piece(", " if i else " with ")
            yield Piece(name, code=True)
            yield Piece(": ")
            yield from self._type(field)


def _named(schema: Node) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _kinds(schema: Node) -> list[Node]:
    """ninja says allOf of one where a schema has a default of its own."""
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return list(schema[key])
    return []


def _values(values: list[Any]) -> Iterator[Piece]:
    for i, value in enumerate(values):
        if i:
            yield Piece(" or " if i == len(values) - 1 else ", ")
        yield Piece(str(value), code=True)


# The example ----------------------------------------------------------------------


def _curl(words: _Words, method: str, path: str, node: Node) -> str:
    """A call with what is required. Names in the path are variables of the shell."""
    content = node.get("requestBody", {}).get("content", {})
    sent = list(_sent(words, content))
    first = 'curl -fsS -H "Authorization: Bearer $LIFEOS_KEY"'
    # With something to send, curl posts by itself.
    if method != ("POST" if sent else "GET"):
        first = first.replace("-fsS", f"-fsS -X {method}")
    if _is_file(node):
        sent.append("-o file")
    address = re.sub(r"\{(\w+)\}", r"$\1", path)
    return " \\\n  ".join([first, *sent, f'"$LIFEOS_URL{address}"'])


def _sent(words: _Words, content: Mapping[str, Node]) -> Iterator[str]:
    for media, node in content.items():
        schema = words.whole(node.get("schema", {}))
        example = _example(words, schema)
        if media == "application/json":
            yield f'-H "Content-Type: {media}"'
            yield f"-d {shlex.quote(json.dumps(example, ensure_ascii=False))}"
        else:
            for name, value in example.items():
                one = value[0] if isinstance(value, list) else value
                yield f"-F {shlex.quote(f'{name}={one}')}"
        return


def _example(words: _Words, schema: Node) -> Any:
    """The least that it takes; of an object that requires nothing, its first field."""
    schema = words.whole(schema)
    if "enum" in schema:
        return schema["enum"][0]
    if kinds := _kinds(schema):
        return _example(words, kinds[0])
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            names = schema.get("required") or list(fields)[:1]
            return {name: _example(words, fields[name]) for name in names}
        case "array":
            return [_example(words, schema.get("items", {}))]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return "@picture.png" if schema.get("format") == "binary" else "…"


def _is_file(node: Node) -> bool:
    return any(
        "*/*" in answer.get("content", {}) for answer in node["responses"].values()
    )

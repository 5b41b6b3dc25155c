"""The page /api/docs tells all that the OpenAPI document does."""

from __future__ import annotations

import re
from html import unescape

import pytest

from lifeos.api import api
from lifeos.api_docs import read

FIELD = {"type": "string"}


@pytest.fixture
def response(client, db):
    return client.get("/api/docs")


@pytest.fixture
def page(response):
    return response.content.decode()


@pytest.fixture(scope="module")
def document():
    return api.get_openapi_schema()


def said(line):
    return "".join(piece.text for piece in line)


def answering(schema, **more):
    """A document of one operation and a schema `Thing`, whose field is of `schema`."""
    operation = {"operationId": "look", "responses": {}, **more}
    thing = {"type": "object", "properties": {"field": schema}}
    level = {"type": "string", "enum": ["low", "high"]}
    return {
        "info": {"title": "T", "version": "1"},
        "paths": {"/api/things/{thing_id}": {"post": operation}},
        "components": {"schemas": {"Thing": thing, "Level": level}},
    }


def ref(name):
    return {"$ref": f"#/components/schemas/{name}"}


def test_it_names_every_operation_and_every_schema(page, document):
    rows = re.findall(
        r'<span class="method[^>]*>(\w+)</span><span class="operation-path">([^<]+)<',
        page,
    )
    known = {(m.upper(), p) for p, ms in document["paths"].items() for m in ms}
    assert len(rows) == len(known) and set(rows) == known
    for methods in document["paths"].values():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in page


def test_every_link_within_has_its_target(page):
    targets = re.findall(r'\bid="([^"]+)"', page)
    assert len(targets) == len(set(targets))
    links = set(re.findall(r'href="#([^"]+)"', page))
    assert len(links) > 90
    assert links <= set(targets)


def test_it_has_the_policy_of_every_page(response, page):
    policy = response["Content-Security-Policy"]
    assert "script-src 'self'" in policy and "style-src 'self'" in policy
    assert "unsafe" not in policy
    assert "style=" not in page and "onclick=" not in page
    assert all("src=" in p.split(">")[0] for p in page.split("<script")[1:])


def test_every_operation_has_a_call_to_copy(page, document):
    calls = [unescape(c) for c in re.findall(r'id="curl-[^>]*>([^<]+)<', page)]
    assert len(calls) == sum(len(ms) for ms in document["paths"].values())
    assert all('"Authorization: Bearer $LIFEOS_KEY"' in call for call in calls)
    assert all("{" not in call.splitlines()[-1] for call in calls)
    [generate] = [c for c in calls if c.endswith('/api/comfyui/generate"')]
    assert """-d '{"template": "…"}'""" in generate
    [add] = [c for c in calls if "-F" in c and c.endswith('/api/gallery/images"')]
    assert "-F files=@picture.png" in add
    [drop] = [c for c in calls if "-X DELETE" in c and "/images/" in c]
    assert drop.endswith('"$LIFEOS_URL/api/gallery/images/$image_id"')


def test_people_who_have_signed_in_keep_their_rail(client, django_user_model, page):
    assert 'class="rail"' not in page
    client.force_login(django_user_model.objects.create_user("reader"))
    assert 'class="rail"' in client.get("/api/docs").content.decode()


@pytest.mark.parametrize(
    ("schema", "words", "limits"),
    [
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer or null", ""),
        ({"type": "array", "items": ref("Thing")}, "list of Thing", ""),
        ({"type": "array", "items": {}}, "list of anything", ""),
        ({"enum": ["a", "b", 3]}, "a, b or 3", ""),
        ({"allOf": [ref("Level")], "default": "low"}, "Level (low or high)", ""),
        ({"type": "string", "format": "uuid"}, "string (UUID)", ""),
        ({"type": "string", "format": "email"}, "string", ""),
        ({"type": "object", "additionalProperties": True}, "object", ""),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            "object of string",
            "",
        ),
        (
            {"type": "object", "properties": {"a": FIELD, "b": FIELD}},
            "object with a: string, b: string",
            "",
        ),
        ({"type": "integer", "minimum": 1, "maximum": 8}, "integer", "1 to 8"),
        ({"type": "integer", "minimum": 0}, "integer", "at least 0"),
        (
            {"anyOf": [{**FIELD, "maxLength": 9}, {"type": "null"}]},
            "string or null",
            "at most 9 characters",
        ),
        (
            {"type": "array", "maxItems": 3, "items": {**FIELD, "maxLength": 9}},
            "list of string",
            "at most 3 items, each at most 9 characters",
        ),
    ],
)
def test_types_are_said_in_words(schema, words, limits):
    things = {schema.name: schema for schema in read(answering(schema)).schemas}
    [field] = things["Thing"].fields
    assert (said(field.type), field.limits) == (words, limits)


def test_what_is_written_in_the_document_stays_text(client, db, monkeypatch):
    bad = answering(
        FIELD, summary="<script>x</script>", description="`<b>` & <i>", tags=["<u>"]
    )
    monkeypatch.setattr("lifeos.api_docs._once", lambda api: read(bad))
    page = client.get("/api/docs").content.decode()
    assert "<script>x" not in page and "<i>" not in page and "<u>" not in page
    assert "<code>&lt;b&gt;</code> &amp; &lt;i&gt;" in page


def test_a_header_is_named_as_it_is_sent():
    parameter = {"in": "header", "name": "idempotency_key", "schema": FIELD}
    made = read(answering(FIELD, parameters=[parameter]))
    [field] = made.sections[0].operations[0].parameters
    assert (field.name, field.where, field.required) == (
        "Idempotency-Key",
        "header",
        False,
    )

"""Any file that carries a workflow becomes a template, or says why not, and soon."""

from __future__ import annotations

import json
import time
import zlib

import pytest
from django.core.exceptions import ValidationError

from generation import importing
from generation.comfy.convert import Unconvertible
from generation.importing import from_file
from generation.models import Workflow
from tests import make
from tests.comfy.graphs import KNOWN
from tests.generation import files

TXT2IMG = make.recording("workflows/sd15_txt2img.api")
PAGE = {"version": 0.4, "nodes": [{"id": 1, "type": "LoadImage"}], "links": []}
EVIL = "<script>alert(1)</script>"
# Seconds of the processor, which a busy machine does not stretch; mostly below one.
SOON = 5


def plain(graph):
    return {i: (n["class_type"], n["inputs"]) for i, n in graph.items()}


def refusal(name, data, known=KNOWN):
    begun = time.process_time()
    with pytest.raises(Unconvertible) as caught:
        from_file(name, data, known)
    assert time.process_time() - begun < SOON
    return caught.value


CARRIERS = {
    "api.json": json.dumps(TXT2IMG).encode(),
    "history.json": json.dumps({"prompt": TXT2IMG, "workflow": PAGE}).encode(),
    "queued.json": json.dumps(
        {"prompt": TXT2IMG, "extra_data": {"extra_pnginfo": {"workflow": PAGE}}}
    ).encode(),
    "text.png": files.png({"prompt": TXT2IMG, "workflow": PAGE}),
    "packed.png": files.png({"prompt": TXT2IMG}, packed=True),
    "international.png": files.png({"prompt": TXT2IMG}, itxt=True),
    "packed-international.png": files.png({"prompt": TXT2IMG}, itxt=True, packed=True),
    "picture.webp": files.webp(TXT2IMG, PAGE),
    "film.mp4": files.mp4({"prompt": TXT2IMG, "workflow": PAGE}),
    "comment.mp4": files.mp4_comment(json.dumps({"prompt": json.dumps(TXT2IMG)})),
}


@pytest.mark.parametrize("name", CARRIERS)
def test_the_workflow_in_a_file_is_found(name):
    found = from_file(name, CARRIERS[name], KNOWN)
    assert plain(found.graph) == plain(TXT2IMG)


@pytest.mark.parametrize("name", ["history.json", "text.png", "film.mp4"])
def test_what_the_page_saved_comes_along(name):
    assert from_file(name, CARRIERS[name], KNOWN).source == PAGE


def test_a_workflow_of_the_page_is_converted():
    found = from_file("a.json", json.dumps(PAGE).encode(), KNOWN)
    assert found.graph["1"]["class_type"] == "LoadImage"
    assert found.source == PAGE


def test_a_workflow_of_the_page_needs_a_server():
    error = refusal("a.json", json.dumps(PAGE).encode(), None)
    assert "no server was ever reached" in error.sentence


def test_an_api_workflow_needs_none():
    found = from_file("a.json", json.dumps(TXT2IMG).encode(), None)
    assert plain(found.graph) == plain(TXT2IMG)


def test_a_prompt_with_nan_is_passed_over_for_the_workflow_beside_it():
    broken = '{"1": {"class_type": "LoadImage", "inputs": {}, "is_changed": [NaN]}}'
    data = files.png({"prompt": broken, "workflow": PAGE})
    assert from_file("a.png", data, KNOWN).graph["1"]["class_type"] == "LoadImage"


def test_only_what_a_server_reads_is_kept():
    node = {"class_type": "LoadImage", "inputs": {}, "is_changed": [1], "x": EVIL}
    node["_meta"] = {"title": "t" * 5000, "more": EVIL}
    graph = from_file("a.json", json.dumps({"1": node}).encode(), KNOWN).graph
    assert set(graph["1"]) == {"class_type", "inputs", "_meta"}
    assert graph["1"]["_meta"] == {"title": "t" * 200}


def test_nodes_in_the_way_are_named():
    nodes = {**TXT2IMG, "77": {"class_type": EVIL, "inputs": {}}}
    error = refusal("a.json", json.dumps(nodes).encode())
    assert [(n.id, n.type) for n in error.nodes] == [("77", EVIL)]


def test_a_circle_is_refused():
    ring = {
        a: {"class_type": "LatentUpscale", "inputs": {"samples": [b, 0]}}
        for a, b in (("1", "2"), ("2", "1"))
    }
    assert "circle" in refusal("a.json", json.dumps(ring).encode()).sentence


def many(count):
    node = {"class_type": "LoadImage", "inputs": {"image": "a.png"}}
    return json.dumps({str(number): node for number in range(count)}).encode()


BOMB = zlib.compress(b" " * 40_000_000)
HOSTILE = {
    "empty.json": b"",
    "binary.bin": bytes(range(256)) * 10,
    "large.json": b'{"a": "' + b"x" * 11_000_000 + b'"}',
    "nodes.json": many(100_000),
    "values.json": b"[" + b"1," * 5_000_000 + b"1]",
    "objects.json": b"[" + b"{}," * 3_000_000 + b"{}]",
    "deep.json": b"[" * 100_000,
    "deep-object.json": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "twice.json": b'{"1": 1, "1": 2}',
    "huge.json": b'{"1": ' + b"9" * 5000 + b"}",
    "surrogate.json": b'{"1": {"class_type": "LoadImage", "inputs": {"a": "\\ud800"}}}',
    "nul.json": b'{"1": {"class_type": "LoadImage", "inputs": {"a": "\\u0000"}}}',
    "list.json": b"[]",
    "bare.png": files.png({}),
    "cut.png": files.png({"prompt": TXT2IMG})[:60],
    "bomb.png": files.PNG + files.png_chunk(b"zTXt", b"prompt\0\0" + BOMB),
    "parts.png": files.PNG + files.png_chunk(b"tEXt", b"") * 1_000_000,
    "bad-zip.png": files.PNG + files.png_chunk(b"zTXt", b"prompt\0\0nothing"),
    "cut.webp": files.webp(TXT2IMG)[:80],
    "exif.webp": b"RIFF\0\0\0\0WEBPEXIF\x10\0\0\0II*\0\xff\xff\xff\xff" + bytes(8),
    "boxes.mp4": files.box(b"ftyp") + files.box(b"free") * 100_000,
    "deep.mp4": files.box(b"ftyp") + b"\0\0\0\0moov" * 5000,
    "cut.mp4": files.mp4({"prompt": TXT2IMG})[:400],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_a_sentence_and_soon(name):
    error = refusal(name, HOSTILE[name])
    assert len(error.sentence) < 300


# Templates ------------------------------------------------------------------------


def test_a_template_with_a_draft_of_its_form_is_made(db):
    workflow = importing.create(
        from_file("a.json", CARRIERS["api.json"], KNOWN), title="My picture"
    )
    version = workflow.newest()
    assert (workflow.slug, workflow.published) == ("my-picture", False)
    assert version.published_at is None
    assert version.parameter("prompt").targets
    assert importing.free_slug("My picture") == "my-picture-2"


def test_nothing_is_kept_of_a_template_that_cannot_be(db):
    make.workflow()
    count = Workflow.objects.count()
    imported = from_file("a.json", CARRIERS["api.json"], KNOWN)
    with pytest.raises(ValidationError):
        importing.create(imported, title="Again", slug="test-card")
    assert Workflow.objects.count() == count


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("my-portrait_v2.api.json", "My portrait v2"),
        ("C:\\x\\y.png", "Y"),
        ("...", "Imported workflow"),
        ("<b>.json", "<b>"),
    ],
)
def test_a_title_comes_from_the_name(name, title):
    assert importing.title_of(name) == title


def test_the_catalog_of_a_server_that_is_online_is_preferred(db):
    from generation.models import Catalog, Server

    other = Catalog.keep({"Other": {}})
    make.server(state=Server.State.OFFLINE, catalog_id=other)
    online = make.server()
    assert importing.knowledge().catalog.has("KSampler")
    Server.objects.filter(pk=online.pk).update(state=Server.State.OFFLINE)
    assert importing.knowledge(online).catalog.has("KSampler")

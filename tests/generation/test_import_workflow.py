from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from generation.models import Workflow
from tests import make
from tests.make import RECORDINGS

INFO = RECORDINGS / "object_info.json"
GOOD = {"version": 0.4, "nodes": [{"id": 1, "type": "LoadImage"}], "links": []}
BAD = {"version": 0.4, "nodes": [{"id": 7, "type": "Nope"}], "links": []}


@pytest.fixture
def written(tmp_path):
    def write(name, document):
        path = tmp_path / name
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return str(path)

    return write


def lines(*paths, status=0):
    out = io.StringIO()
    arguments = ["--dry-run", "--object-info", str(INFO), *paths]
    if status:
        with pytest.raises(SystemExit) as caught:
            call_command("import_workflow", *arguments, stdout=out)
        assert caught.value.code == status
    else:
        call_command("import_workflow", *arguments, stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_each_file_becomes_one_line_in_order(written):
    (first, second) = lines(written("b.json", GOOD), written("a.json", GOOD))
    assert [first["file"], second["file"]] == ["b.json", "a.json"]
    assert first["workflow"]["1"]["class_type"] == "LoadImage"
    assert set(first) == {"file", "workflow"}


def test_a_file_that_cannot_be_converted_names_its_nodes_and_the_rest_goes_on(written):
    (bad, good) = lines(written("bad.json", BAD), written("good.json", GOOD), status=1)
    assert set(bad) == {"file", "error", "nodes"}
    assert bad["nodes"] == [
        {"id": "7", "type": "Nope", "reason": "no server node of this type is known"}
    ]
    assert "workflow" in good


def test_files_that_are_no_workflows_are_lines_as_well(written, tmp_path):
    missing = str(tmp_path / "missing.json")
    found = lines(written("text.json", "hello"), missing, status=1)
    assert [line["nodes"] for line in found] == [[], []]
    assert all(line["error"] for line in found)


def test_a_prompt_passes_as_it_is(written):
    path = RECORDINGS / "workflows" / "sd15_txt2img.api.json"
    (line,) = lines(str(path))
    assert line["workflow"] == json.loads(path.read_text())


def test_a_template_is_made_of_each_sound_file(written, db):
    made, faults = io.StringIO(), io.StringIO()
    paths = [written("bad.json", BAD), written("my-load.json", GOOD)]
    with pytest.raises(SystemExit):
        call_command(
            "import_workflow",
            "--object-info",
            str(INFO),
            *paths,
            stdout=made,
            stderr=faults,
        )
    workflow = Workflow.objects.get()
    assert (workflow.title, workflow.published) == ("My load", False)
    assert made.getvalue().startswith("my-load.json: my-load, 1 nodes, 1 fields")
    assert "node 7 (Nope): no server node" in faults.getvalue()


def test_a_template_is_named_and_published_as_asked(written, db):
    server = make.server(name="gpu")
    path = str(RECORDINGS / "workflows" / "sd15_txt2img.api.json")
    given = ["--slug", "mine", "--title", "Mine", "--publish", "--server", server.name]
    call_command("import_workflow", path, *given, stdout=io.StringIO())
    workflow = Workflow.objects.get(slug="mine")
    assert workflow.title == "Mine"
    assert workflow.current.parameter("seed")


def test_a_server_that_is_not_there_is_said(written, db):
    with pytest.raises(CommandError, match="no server called"):
        call_command("import_workflow", "--server=none", written("a.json", GOOD))


def test_a_title_is_for_one_file(written, db):
    paths = [written("a.json", GOOD), written("b.json", GOOD)]
    with pytest.raises(CommandError, match="one file"):
        call_command("import_workflow", *paths, "--title=x")


def test_a_slug_that_is_taken_is_no_crash(written, db):
    make.workflow()
    faults = io.StringIO()
    with pytest.raises(SystemExit):
        call_command(
            "import_workflow",
            str(RECORDINGS / "workflows" / "sd15_txt2img.api.json"),
            "--slug",
            "test-card",
            stderr=faults,
        )
    assert "already exists" in faults.getvalue()


@pytest.mark.parametrize("content", [None, "nothing", "[]"])
def test_it_needs_the_servers_definitions(written, content):
    given = [] if content is None else ["--object-info", written("info", content)]
    with pytest.raises(CommandError, match=r"object.info"):
        call_command("import_workflow", "--dry-run", *given, written("a.json", GOOD))

"""Administrators make a form of a workflow, try it, and give it to people."""

from __future__ import annotations

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from generation import editing
from generation.models import Workflow
from tests import make
from tests.make import recording

HTMX = {"HX-Request": "true"}
TXT2IMG = recording("workflows/sd15_txt2img.api")
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def root(db):
    return make.user("root", is_staff=True, is_superuser=True)


@pytest.fixture
def as_root(root):
    client = Client()
    client.force_login(root)
    return client


@pytest.fixture
def workflow(db):
    return make.workflow()


def upload(name, content):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return SimpleUploadedFile(name, data)


def posted(fields):
    """The editor's form as a browser would send these fields."""
    data = {"row-key": []}
    for number, entry in enumerate(fields):
        key = f"r{number}"
        data["row-key"].append(key)
        for name, value in entry.items():
            if name == "targets":
                data[f"{key}-target"] = [" → ".join(target) for target in value]
            elif name == "choices":
                data[f"{key}-choices"] = "\r\n".join(value)
            elif isinstance(value, bool):
                if name == "default":
                    data[f"{key}-{name}"] = "yes" if value else "no"
                elif value:
                    data[f"{key}-{name}"] = "1"
            elif value is not None:
                data[f"{key}-{name}"] = str(value)
        if entry.get("required", True):
            data[f"{key}-required"] = "1"
    return data


def changed(workflow, which, /, **values):
    fields = [dict(entry) for entry in workflow.newest().fields]
    for entry in fields:
        if entry["name"] == which:
            entry.update(values)
    return posted(fields)


# Access ---------------------------------------------------------------------------

PAGES = ["/templates/", "/templates/test-card/", "/templates/test-card/form/"]
PAGES += ["/templates/test-card/form/inputs/", "/templates/test-card/export/"]
PAGES += ["/templates/test-card/compare/?old=1&new=1"]
DEEDS = ["import/files", "test-card/form/preview", "test-card/form/test"]
DEEDS += [
    "test-card/workflow",
    "test-card/versions/1/publish",
    "test-card/withdraw",
    "test-card/duplicate",
]


def test_administrators_see_every_page(as_root, workflow):
    for page in PAGES:
        assert as_root.get(page).status_code == 200, page


@pytest.mark.parametrize("page", [*PAGES, "/servers/"])
def test_for_nobody_else_there_is_one(client, as_alice, workflow, page):
    assert as_alice.get(page).status_code == 404
    assert client.get(page)["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("deed", DEEDS)
def test_nobody_else_does_anything(client, as_alice, workflow, deed):
    count = Workflow.objects.count()
    assert as_alice.post(f"/templates/{deed}/").status_code == 404
    assert client.post(f"/templates/{deed}/").status_code == 302
    workflow.refresh_from_db()
    assert workflow.published
    assert Workflow.objects.count() == count


@pytest.mark.parametrize("deed", DEEDS)
def test_deeds_take_post_only(as_root, workflow, deed):
    assert as_root.get(f"/templates/{deed}/").status_code == 405


def test_the_admin_leads_to_the_editor(as_root, workflow):
    page = as_root.get(f"/admin/generation/workflow/{workflow.pk}/change/")
    assert b'href="/templates/test-card/form/"' in page.content
    listed = as_root.get("/admin/generation/workflow/")
    assert b'href="/templates/"' in listed.content


# Import ---------------------------------------------------------------------------


def test_an_imported_file_leads_to_its_form(as_root):
    make.server()
    file = upload("my-picture.json", TXT2IMG)
    response = as_root.post("/templates/import/files/", {"file": file})
    assert response["Location"] == "/templates/my-picture/form/"
    page = as_root.get(response["Location"]).content.decode()
    assert 'value="Negative prompt"' in page
    assert not Workflow.objects.get().published
    assert LogEntry.objects.get().change_message == "Imported."


def test_what_is_in_the_way_is_named_and_the_rest_is_imported(as_root):
    make.server()
    bad = {**TXT2IMG, "77": {"class_type": EVIL, "inputs": {}}}
    files = [upload(f"{EVIL}.json", bad), upload("good.json", TXT2IMG)]
    response = as_root.post("/templates/import/files/", {"file": files})
    page = response.content.decode()
    assert response.status_code == 422
    assert "Node 77" in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert EVIL not in page
    assert Workflow.objects.get().title == "Good"


def test_no_file_is_said(as_root):
    response = as_root.post("/templates/import/files/")
    assert response.status_code == 422
    assert b"Choose a file first." in response.content


def test_nothing_of_a_workflow_is_shown_unescaped(as_root, root):
    evil = {
        "1": {
            "class_type": EVIL,
            "inputs": {f"{EVIL}x": EVIL, "seed": 1},
            "_meta": {"title": f"<{EVIL}:{EVIL}:1>"},
        },
        "2": {
            "class_type": "ETN_Parameter",
            "inputs": {"name": f"{EVIL}/{EVIL}", "type": "text", "default": EVIL},
            "_meta": {"title": f"VC_BASIC {EVIL}"},
        },
    }
    as_root.post("/templates/import/files/", {"file": upload(f"{EVIL}.json", evil)})
    workflow = Workflow.objects.get()
    Workflow.objects.update(description=EVIL, category=EVIL, tags=[EVIL])
    workflow.publish(workflow.newest())
    workflow.refresh_from_db()
    workflow.add_version(workflow.current.graph, [], root)
    base = f"/templates/{workflow.slug}/"
    for page in (
        "/templates/",
        base,
        f"{base}form/",
        f"{base}form/inputs/",
        f"{base}compare/?old=1&new=2",
        "/generate/",
        f"/generate/{workflow.slug}/",
        f"/admin/generation/workflow/{workflow.pk}/change/",
    ):
        content = as_root.get(page).content.decode()
        assert "alert(1)" in content or page.endswith("/generate/"), page
        assert EVIL not in content, page


# The editor -----------------------------------------------------------------------


def test_saving_the_same_changes_nothing(as_root, workflow):
    before = workflow.newest()
    response = as_root.post(
        "/templates/test-card/form/", {**changed(workflow, ""), "do": "save"}
    )
    assert response.status_code == 302
    assert workflow.newest() == before
    assert workflow.newest().fields == before.fields


def test_a_change_becomes_a_draft_that_people_do_not_get(as_root, as_alice, workflow):
    data = changed(workflow, "width", label="How wide", maximum=1000)
    as_root.post("/templates/test-card/form/", {**data, "do": "save"})
    draft = workflow.newest()
    assert (draft.number, draft.published_at) == (2, None)
    assert draft.parameter("width").maximum == 1000
    assert b"How wide" not in as_alice.get("/generate/test-card/").content
    data = changed(workflow, "width", label="Breadth")
    as_root.post("/templates/test-card/form/", {**data, "do": "publish"})
    assert workflow.newest().number == 2
    assert b"Breadth" in as_alice.get("/generate/test-card/").content
    told = LogEntry.objects.values_list("change_message", flat=True)
    assert "Version 2 is published." in told


def test_what_another_administrator_saved_is_not_lost_unseen(as_root, workflow):
    mine = changed(workflow, "width", label="How wide")
    mine["seen"] = workflow.current.stamp
    other = make.user("other", is_staff=True)
    theirs = workflow.current.fields
    theirs[0]["label"] = "Theirs"
    workflow.save_draft(theirs, other)
    page = as_root.post("/templates/test-card/form/", {**mine, "do": "save"})
    assert page.status_code == 409
    text = page.content.decode()
    assert "other has saved version 2 since you opened this page." in text
    assert "How wide" in text
    assert workflow.newest().fields == theirs
    mine["seen"] = workflow.newest().stamp
    as_root.post("/templates/test-card/form/", {**mine, "do": "save"})
    assert workflow.newest().parameter("width").label == "How wide"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"minimum": 900, "maximum": 5}, "minimum is above the maximum"),
        ({"minimum": "much"}, "minimum is a number"),
        ({"name": "Not A Name"}, "the name is written with"),
        ({"name": "height"}, "another field has this name"),
        ({"default": 5}, "the default does not fit: Choose at least 16."),
        ({"targets": [["99", "nothing"]]}, "the graph has no input nothing"),
        ({"targets": []}, "targets are written as"),
        ({"kind": EVIL}, "is no kind of field"),
    ],
)
def test_what_is_wrong_stands_at_its_field(as_root, workflow, values, sentence):
    data = changed(workflow, "width", **values)
    response = as_root.post("/templates/test-card/form/", {**data, "do": "save"})
    assert response.status_code == 422
    assert workflow.newest().number == 1
    rows = {row.key: row.errors for row in response.context["rows"]}
    # Of two with one name the second is told.
    at = "r1" if values.get("name") == "height" else "r0"
    assert any(sentence.lower() in error.lower() for error in rows[at])
    assert EVIL not in response.content.decode()


def test_rows_move_into_the_group_that_they_come_to(as_root, workflow):
    data = changed(workflow, "")
    page = as_root.post("/templates/test-card/form/", {**data, "do": "up:r2"})
    rows = page.context["rows"]
    assert [row.entry["name"] for row in rows][:3] == ["width", "color", "height"]
    assert rows[1].group == "Size"


def test_a_row_is_removed_and_saved_without(as_root, workflow):
    data = changed(workflow, "")
    page = as_root.post("/templates/test-card/form/", {**data, "do": "remove:r3"})
    assert [row.key for row in page.context["rows"]] == ["r0", "r1", "r2"]
    assert workflow.newest().number == 1


def test_an_input_is_added_as_a_row_alone(as_root, workflow):
    make.server()
    data = {**changed(workflow, ""), "do": "add:2 → filename_prefix"}
    page = as_root.post("/templates/test-card/form/", data, headers=HTMX)
    content = page.content.decode()
    assert "<html" not in content
    assert 'value="Filename prefix"' in content
    gone = {**changed(workflow, ""), "do": "add:9 → x"}
    assert as_root.post("/templates/test-card/form/", gone).status_code == 404


def test_inputs_are_found_by_any_of_their_words(as_root, workflow):
    page = as_root.get("/templates/test-card/form/inputs/?q=save+prefix")
    assert [offer.label for offer in page.context["offers"]] == ["filename_prefix"]


def test_what_the_editor_does_not_know_stays():
    row = editing.Row("r0", {"name": "a", "kind": "text", "shown_if": ["b", [1]]})
    assert json.loads(row.rest) == {"shown_if": ["b", [1]]}


@pytest.mark.parametrize("text", ['{"nonsense": 1}', "nonsense", "[1]"])
def test_what_no_field_has_is_told_at_its_field(as_root, workflow, text):
    data = changed(workflow, "") | {"r1-rest": text, "do": "save"}
    page = as_root.post("/templates/test-card/form/", data)
    assert page.status_code == 422
    [wrong] = page.context["wrong"]
    assert wrong.key == "r1"
    assert "is nothing that a field has" in wrong.errors[0]


def test_the_preview_is_the_real_form_without_what_is_wrong(as_root, workflow):
    data = changed(workflow, "width", label="How wide")
    data["r1-minimum"] = "much"
    page = as_root.post("/templates/test-card/form/preview/", data, headers=HTMX)
    content = page.content.decode()
    assert page.status_code == 200
    assert "How wide" in content
    assert 'name="height"' not in content
    errors = content.partition('hx-target="#r1-errors"')[2].partition("</hx-partial>")[
        0
    ]
    assert "Minimum is a number." in errors
    assert workflow.newest().number == 1


def test_a_test_run_saves_the_draft_and_queues_a_job_with_it(as_root, root, workflow):
    make.server()
    data = changed(workflow, "width", maximum=2000)
    given = {"width": "64", "height": "64", "color": "#112233", "batch_size": "1"}
    page = as_root.post("/templates/test-card/form/test/", data | given, headers=HTMX)
    job = root.jobs.get()
    assert page.status_code == 200
    assert f'id="job-{job.pk}"' in page.content.decode()
    assert (job.version.number, job.version.published_at) == (2, None)
    # What a job ran with stays: the next change is another version.
    data = changed(workflow, "width", maximum=900)
    as_root.post("/templates/test-card/form/", {**data, "do": "save"})
    assert workflow.newest().number == 3
    job.version.refresh_from_db()
    assert job.version.parameter("width").maximum == 2000


def test_a_wrong_value_of_a_test_run_is_told_beside_its_field(as_root, root, workflow):
    data = changed(workflow, "") | {"width": "5"}
    page = as_root.post("/templates/test-card/form/test/", data, headers=HTMX)
    assert page.status_code == 422
    assert "Choose at least 16." in page.content.decode()
    assert not root.jobs.exists()


# Versions -------------------------------------------------------------------------


def test_an_older_version_is_published_again(as_root, workflow):
    old = workflow.current
    data = changed(workflow, "width", label="Breadth")
    as_root.post("/templates/test-card/form/", {**data, "do": "publish"})
    as_root.post("/templates/test-card/versions/1/publish/")
    workflow.refresh_from_db()
    assert workflow.current == old


def test_two_versions_are_compared(as_root, workflow):
    version = workflow.current
    graph = json.loads(json.dumps(version.graph))
    graph["2"]["inputs"]["filename_prefix"] = "other"
    graph["3"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    fields = [dict(entry) for entry in version.fields[:-1]]
    fields[0]["maximum"] = 2048
    workflow.add_version(graph, fields, None)
    page = as_root.get("/templates/test-card/compare/?old=1&new=2")
    found = {one.name: one.how for one in page.context["fields"]}
    assert found == {"Width": "changed", "Pictures": "removed"}
    nodes = {one.name: one.how for one in page.context["nodes"]}
    assert nodes == {"Save image (2)": "changed", "PreviewImage (3)": "added"}
    [change] = page.context["fields"][0].changes
    assert (change.old, change.new) == ("4096", "2048")


def test_another_workflow_keeps_the_fields_that_fit_it(as_root, workflow):
    graph = json.loads(json.dumps(workflow.current.graph))
    del graph["1"]["inputs"]["color"]
    graph["2"]["inputs"]["filename_prefix"] = "new"
    address = "/templates/test-card/workflow/"
    response = as_root.post(address, {"file": upload("new.json", graph)}, follow=True)
    draft = workflow.newest()
    assert draft.graph["2"]["inputs"]["filename_prefix"] == "new"
    assert [p.name for p in draft.parameters] == ["width", "height", "batch_size"]
    assert draft.published_at is None
    assert "It has nothing for Colour." in response.content.decode()


def test_a_workflow_that_cannot_be_read_replaces_nothing(as_root, workflow):
    make.server()
    bad = upload("new.json", {"9": {"class_type": EVIL, "inputs": {}}})
    address = "/templates/test-card/workflow/"
    page = as_root.post(address, {"file": bad}, follow=True).content.decode()
    assert "Node 9" in page
    assert EVIL not in page
    assert as_root.post(address, follow=True).status_code == 200
    assert workflow.newest().number == 1


@pytest.mark.parametrize("query", ["", "?old=x&new=1", "?old=1&new=99"])
def test_versions_that_are_none_are_not_found(as_root, workflow, query):
    assert as_root.get(f"/templates/test-card/compare/{query}").status_code == 404


def test_a_template_is_withdrawn(as_root, as_alice, workflow):
    as_root.post("/templates/test-card/withdraw/")
    assert as_alice.get("/generate/test-card/").status_code == 404


def test_a_copy_is_a_draft_of_its_own(as_root, workflow):
    response = as_root.post("/templates/test-card/duplicate/")
    copy = Workflow.objects.get(slug="test-card-copy")
    assert response["Location"] == "/templates/test-card-copy/"
    assert not copy.published
    assert copy.newest().fields == workflow.newest().fields


def test_an_exported_template_is_imported_as_it_was(as_root, workflow):
    make.server()
    Workflow.objects.filter(pk=workflow.pk).update(category="Tests", tags=["plain"])
    exported = as_root.get("/templates/test-card/export/")
    file = upload("card.json", exported.content)
    as_root.post("/templates/import/files/", {"file": file})
    made = Workflow.objects.get(slug="test-card-2")
    assert (made.category, made.tags, made.published) == ("Tests", ["plain"], False)
    assert made.newest().graph == workflow.newest().graph
    assert made.newest().fields == workflow.newest().fields


def test_an_export_with_a_fault_leaves_nothing(as_root, workflow):
    make.server()
    bundle = as_root.get("/templates/test-card/export/").json()
    bundle["fields"][0]["kind"] = "nothing"
    count = Workflow.objects.count()
    file = upload("card.json", bundle)
    response = as_root.post("/templates/import/files/", {"file": file})
    assert response.status_code == 422
    assert "is no kind of field" in response.content.decode()
    assert Workflow.objects.count() == count


# Settings -------------------------------------------------------------------------


def settings_of(workflow, **values):
    base = {"title": workflow.title, "slug": workflow.slug, "position": "0"}
    return base | {"audience": workflow.audience} | values


def test_a_template_is_given_to_a_group_and_hidden_from_others(
    as_root, as_alice, as_bob, alice, workflow
):
    make.server()
    studio = Group.objects.create(name="studio")
    alice.groups.add(studio)
    data = settings_of(workflow, audience="chosen", groups=[studio.pk])
    as_root.post("/templates/test-card/", data)
    assert as_alice.get("/generate/test-card/").status_code == 200
    assert as_bob.get("/generate/test-card/").status_code == 404
    assert "test-card" not in as_bob.get("/generate/").content.decode()
    assert as_bob.get("/api/comfyui/templates/test-card").status_code == 404
    body = {"template": "test-card", "parameters": {}}
    made = as_bob.post("/api/comfyui/generate", body, content_type="application/json")
    assert made.status_code in (404, 422)
    assert "test-card" not in as_bob.get("/api/comfyui/templates").content.decode()


def test_people_are_named_and_nobody_unknown(as_root, as_bob, workflow):
    data = settings_of(workflow, audience="chosen", people="bob")
    as_root.post("/templates/test-card/", data)
    assert as_bob.get("/generate/test-card/").status_code == 200
    data["people"] = "bob, nobody"
    page = as_root.post("/templates/test-card/", data)
    assert page.status_code == 422
    assert "Nobody is called nobody." in page.content.decode()


def test_a_cover_is_shown_on_the_card_to_those_who_may(as_root, as_alice, workflow):
    data = settings_of(workflow, cover=upload("c.png", make.png((800, 600))))
    assert as_root.post("/templates/test-card/", data).status_code == 302
    workflow.refresh_from_db()
    address = f"/generate/test-card/cover/{workflow.cover_tag}/"
    assert address in as_alice.get("/generate/").content.decode()
    assert as_alice.get(address)["Content-Type"] == "image/webp"
    assert as_alice.get("/generate/test-card/cover/other/").status_code == 404
    Workflow.objects.filter(pk=workflow.pk).update(audience="chosen")
    assert as_alice.get(address).status_code == 404
    as_root.post("/templates/test-card/", settings_of(workflow, no_cover="1"))
    workflow.refresh_from_db()
    assert not workflow.cover_file


def test_a_cover_that_is_no_picture_is_refused(as_root, workflow):
    data = settings_of(workflow, cover=upload("c.png", b"<svg onload=alert(1)>"))
    page = as_root.post("/templates/test-card/", data)
    assert page.status_code == 422
    assert "This is not a picture" in page.content.decode()


def test_a_description_is_markdown_made_harmless(as_alice, workflow):
    text = "# Big\n**bold** [x](javascript:alert(1)) [y](https://e.org)"
    text += f" ![p](https://e.org/p.png) {EVIL}"
    Workflow.objects.filter(pk=workflow.pk).update(description=text)
    page = as_alice.get("/generate/test-card/").content.decode()
    assert "<strong>bold</strong>" in page
    assert 'href="https://e.org"' in page
    assert 'href="javascript' not in page
    assert "<img" not in page.partition('class="described')[2].partition("</div>")[0]
    assert EVIL not in page
    card = as_alice.get("/generate/").content.decode()
    assert "**bold**" not in card
    assert EVIL not in card


@pytest.mark.parametrize("slug", ["text-to-image", "image-to-image", "test-card"])
def test_a_starter_opens_without_a_fault(as_root, slug):
    """A prompt that people have to write begins with nothing."""
    make.workflow(slug)
    page = as_root.get(f"/templates/{slug}/form/").content.decode()
    assert "Nothing is saved yet" not in page
    assert "does not fit" not in page

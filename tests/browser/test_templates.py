"""From a workflow's file to a form that people of a group use, and nobody else."""

from __future__ import annotations

import base64
import json

import pytest
from playwright.sync_api import expect

from tests.make import recording
from tests.stack import PASSWORD

WORKFLOW = recording("workflows/sd15_txt2img.api")


def sign_in(page, name):
    page.goto("/accounts/login/")
    page.fill("[name=login]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    expect(page.locator("nav.rail")).to_be_visible()


def drop(page, selector, name, content):
    """As if a file was dragged from the desktop onto the page."""
    page.evaluate(
        """([selector, name, data]) => {
            const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
            const files = new DataTransfer();
            files.items.add(new File([bytes], name));
            for (const kind of ["dragenter", "dragover", "drop"]) {
                document.querySelector(selector).dispatchEvent(
                    new DragEvent(kind, {
                        bubbles: true, cancelable: true, dataTransfer: files,
                    }),
                );
            }
        }""",
        [selector, name, base64.b64encode(content).decode()],
    )


def names(page):
    return page.locator("#rows [name$='-name']").evaluate_all(
        "l => l.map(e => e.value)"
    )


def shows(page, *wanted):
    """These first, once the page is there that a click has asked for."""
    for number, name in enumerate(wanted):
        field = page.locator("#rows [name$='-name']").nth(number)
        expect(field).to_have_value(name)


@pytest.fixture(scope="module")
def people(stack):
    code = (
        "from accounts.models import User;"
        "from django.contrib.auth.models import Group;"
        "g = Group.objects.create(name='studio');"
        f"m = User.objects.create_user('member', password={PASSWORD!r});"
        "m.groups.add(g);"
        f"User.objects.create_user('outsider', password={PASSWORD!r})"
    )
    stack.manage("shell", "-v", "0", "-c", code)


@pytest.fixture(scope="module")
def imported(stack, chromium, people):
    """The address of a template that an administrator made for a group."""
    context = chromium.new_context(base_url=stack.url)
    page = context.new_page()
    sign_in(page, "admin")
    page.goto("/templates/")
    drop(page, "[data-import]", "lighthouse.json", json.dumps(WORKFLOW).encode())
    expect(page.locator("h1")).to_have_text("Edit the form")
    expect(page.locator("#preview [name=prompt]")).to_be_visible()
    page.click(".editor-bar button[value=publish]")
    expect(page.locator(".page-head .status")).to_have_text("Published, version 1")
    page.select_option("[name=audience]", "chosen")
    page.check("text=studio")
    page.click(".editor-bar button")
    expect(page.locator(".toasts")).to_contain_text("Saved.")
    context.close()
    return "/generate/lighthouse/"


def test_a_member_generates_on_a_phone_and_is_told_what_is_wrong(open_page, imported):
    page = open_page(390, scheme="dark")
    sign_in(page, "member")
    page.goto("/generate/")
    page.click("text=Lighthouse")
    page.fill("[name=prompt]", "a lighthouse made by a member")
    page.fill("[name=size-width]", "5")
    page.click("button:has-text('Generate')")
    field = page.locator(".field", has=page.locator("[name=size-width]"))
    expect(field.locator(".errorlist")).to_have_text("Width: Choose at least 16.")
    expect(page.locator("[name=prompt]")).to_have_value("a lighthouse made by a member")
    page.fill("[name=size-width]", "128")
    page.click("button:has-text('Generate')")
    card = page.locator(".job", has_text="made by a member")
    expect(card).to_have_attribute("data-status", "done", timeout=30_000)
    expect(card.locator(".job-images img").first).to_be_visible()
    overflow = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0


def test_for_others_the_template_does_not_exist(open_page, imported):
    page = open_page()
    sign_in(page, "outsider")
    assert page.goto(imported).status == 404
    page.goto("/generate/")
    expect(page.locator("text=Lighthouse")).to_have_count(0)
    assert page.request.get("/api/comfyui/templates/lighthouse").status == 404
    assert page.goto("/templates/lighthouse/form/").status == 404


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_fields_are_moved_changed_and_tried(open_page, imported, width, scheme):
    page = open_page(width, scheme=scheme)
    sign_in(page, "admin")
    page.goto("/templates/lighthouse/")
    page.click("text=Duplicate")
    page.click("text=Edit the form")
    expect(page.locator("h1")).to_have_text("Edit the form")
    assert names(page)[:3] == ["prompt", "negative_prompt", "model"]
    # By the mouse: the third to the top.
    grip = page.locator("#rows [data-grip]").nth(2)
    grip.scroll_into_view_if_needed()
    box = grip.bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    for step in range(1, 9):
        page.mouse.move(box["x"] + 10, box["y"] + 10 - step * 22)
    page.mouse.up()
    assert names(page)[:3] == ["model", "prompt", "negative_prompt"]
    # By keys: the first one down again.
    page.locator("#rows [data-grip]").first.press("ArrowDown")
    assert names(page)[:3] == ["prompt", "model", "negative_prompt"]
    # By a button: into the group below.
    row = page.locator("#rows > li", has=page.locator("[value=negative_prompt]"))
    row.locator("[data-move='1']").click()
    assert names(page)[2:4] == ["size", "negative_prompt"]
    row.locator("[data-move='1']").click()
    assert names(page)[3:5] == ["steps", "negative_prompt"]
    assert row.locator("[name$='-group']").input_value() == "Sampling"

    row = page.locator("#rows > li").first
    row.locator("summary").first.click()
    row.locator("[name$='-label']").fill(f"What at {width}")
    preview = page.locator("#preview")
    expect(preview.locator("label", has_text=f"What at {width}")).to_be_visible()
    row = page.locator("#rows > li", has=page.locator("[value=steps]"))
    row.locator("summary").first.click()
    row.locator("[name$='-minimum']").fill("2000")
    expect(row.locator(".errorlist")).to_contain_text("minimum is above the maximum")
    row.locator("[name$='-minimum']").fill("1")
    expect(row.locator(".errorlist")).to_have_count(0)

    page.fill("#add-search", "prefix")
    expect(page.locator(".offer")).to_have_count(1)
    page.click(".offer button")
    expect(preview.locator("[name=filename_prefix]")).to_be_visible()
    preview.locator("button[type=submit]").click()
    card = page.locator("#live-jobs .job").first
    expect(card).to_have_attribute("data-status", "done", timeout=30_000)
    page.reload()
    expect(page.locator("#rows [name$='-label']").first).to_have_value(
        f"What at {width}"
    )
    overflow = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0


def test_a_file_with_faults_is_refused_node_by_node(open_page):
    page = open_page()
    sign_in(page, "admin")
    page.goto("/templates/")
    evil = "<img src=x onerror=\"document.title='evil'\">"
    graph = {"7": {"class_type": evil, "inputs": {}, "_meta": {"title": evil}}}
    drop(page, "[data-import]", f"{evil}.json", json.dumps(graph).encode())
    fault = page.locator(".import-fault")
    expect(fault).to_contain_text("Node 7")
    expect(fault).to_contain_text(evil)
    expect(page).to_have_title("Templates · Life-OS")


def test_the_editor_works_without_javascript(open_page, imported):
    page = open_page(java_script_enabled=False)
    sign_in(page, "admin")
    page.goto("/templates/")
    file = {"name": "plain.json", "mimeType": "application/json"}
    file["buffer"] = json.dumps(WORKFLOW).encode()
    page.set_input_files("#import-file", file)
    page.click("button:has-text('Import')")
    shows(page, "prompt", "negative_prompt")
    page.locator("#rows > li").nth(1).locator("[data-move='-1']").click()
    shows(page, "negative_prompt", "prompt")
    page.locator(".offer button").first.click()
    added = page.locator("#rows [name$='-name'][value='filename_prefix']")
    expect(added).to_have_count(1)
    page.click(".editor-bar button[value=save]")
    expect(page.locator(".toasts")).to_contain_text("Version 1 is saved, as a draft.")
    shows(page, "negative_prompt", "prompt")

"""The pictures of docs/: `make images` makes them anew, and nothing else does."""

from __future__ import annotations

import io
import os

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.test_gallery import SEED
from tests.browser.test_generate import sign_in
from tests.stack import PASSWORD
from tests.stack.process import ROOT

# What a page of the documents may cost its reader.
LARGEST = 150_000
FOLDER = ROOT / "docs" / "images"

pytestmark = pytest.mark.skipif(
    "LIFEOS_DOCS_IMAGES" not in os.environ, reason="only for `make images`"
)


def shoot(page, name):
    """What is in the window, as WebP."""
    shot = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
    path = FOLDER / f"{name}.webp"
    shot.convert("RGB").save(path, quality=82, method=6)
    assert path.stat().st_size < LARGEST


@pytest.fixture
def visit(open_page):
    page = open_page(1280, 800)
    sign_in(page)

    def visit_(address):
        page.goto(address)
        return page

    return visit_


def test_a_running_job(visit):
    page = visit("/generate/text-to-image/")
    page.fill("[name=prompt]", "a lighthouse at dusk, long exposure")
    page.click("button:has-text('Generate')")
    expect(page.locator(".job-preview img")).to_be_visible(timeout=30_000)
    shoot(page, "generate")


def test_the_queue_and_the_servers(visit, stack):
    made = stack.visitor.generate(prompt="a harbour in fog", steps=60, count=4)
    stack.visitor.wait(made[0], "running")
    page = visit("/jobs/")
    expect(page.locator(".job").first).to_be_visible()
    shoot(page, "queue")
    page = visit("/servers/")
    expect(page.get_by_text("What runs where")).to_be_visible()
    shoot(page, "servers")
    for job in made:
        stack.visitor.request("POST", f"/api/comfyui/jobs/{job}/cancel")


def test_the_gallery(open_page, stack):
    code = SEED.format(name="grace", password=PASSWORD, count=24, stacks=2)
    stack.manage("shell", "-c", code)
    page = open_page(1280, 800)
    sign_in(page, "grace")
    page.goto("/gallery/")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.cell img')].slice(0, 12)"
        ".every((i) => i.complete && i.naturalWidth)"
    )
    page.wait_for_load_state("networkidle")
    shoot(page, "gallery")


def test_pictures_of_a_job(visit, stack):
    found = []
    for steps in (8, 30):
        [job] = stack.visitor.generate(prompt="a quay in rain", seed=5, steps=steps)
        found += stack.visitor.wait(job, "done")["images"]
    page = visit(f"/gallery/{found[1]['id']}/")
    page.wait_for_load_state("networkidle")
    shoot(page, "viewer")
    page = visit(f"/gallery/compare/?ids={found[0]['id']},{found[1]['id']}")
    expect(page.locator("#comparison")).to_have_attribute("data-mode", "slider")
    page.wait_for_load_state("networkidle")
    shoot(page, "compare")


def test_the_editor_of_a_template(visit):
    page = visit("/templates/text-to-image/form/")
    expect(page.locator("#rows")).to_be_visible()
    page.wait_for_load_state("networkidle")
    shoot(page, "editor")

"""A person makes a picture again: as it was, and out of an uploaded file."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.test_generate import sign_in


@pytest.fixture(scope="module")
def picture(stack):
    [job] = stack.visitor.generate(prompt="a quay in fog", steps=7, seed=99)
    [image] = stack.visitor.wait(job, "done")["images"]
    return image


def no_overflow(page):
    width = "document.documentElement.scrollWidth"
    return page.evaluate(f"{width} - document.documentElement.clientWidth") <= 0


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_a_picture_runs_as_it_was(open_page, picture, width, scheme):
    page = open_page(width, scheme=scheme)
    sign_in(page)
    page.goto(f"/gallery/{picture['id']}/")
    expect(page.locator("#made-title")).to_be_visible()
    assert no_overflow(page)
    page.click("button:has-text('Run as it was')")
    card = page.locator(".job")
    expect(card).to_have_attribute("data-status", "done", timeout=30_000)
    expect(page.locator(".facts").first).to_contain_text("99")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "dark"), (390, "light")])
def test_an_uploaded_picture_fills_a_form(open_page, stack, picture, width, scheme):
    file = stack.visitor.request("GET", picture["url"]).content
    page = open_page(width, scheme=scheme)
    sign_in(page)
    page.goto("/generate/")
    page.click("text=Remix an uploaded picture")
    page.set_input_files(
        "input[type=file]", {"name": "a.png", "mimeType": "image/png", "buffer": file}
    )
    assert no_overflow(page)
    page.click("text=Read its settings")
    expect(page.locator(".choice").first).to_contain_text("Text to image")
    assert no_overflow(page)
    page.click(".choice a:has-text('Image to image')")
    expect(page.locator("[name=prompt]")).to_have_value("a quay in fog")
    expect(page.locator("[name=seed]")).to_have_value("99")
    expect(page.locator(".note.mapped")).to_contain_text("has no field here")
    assert no_overflow(page)

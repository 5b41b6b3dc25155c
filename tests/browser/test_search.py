"""The search field: suggestions by keyboard, chips, the filters' drawer."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_generate import sign_in
from tests.stack import until


@pytest.fixture(scope="module")
def pictures(stack):
    """Of somebody who has no others."""
    visitor = stack.person("searcher")
    visitor.generate("test-card", width=64, height=64)
    visitor.generate("test-card", width=128, height=64)
    until(
        lambda: all(job["status"] == "done" for job in visitor.jobs()), "two pictures"
    )


@pytest.mark.parametrize("width", [1440, 390])
def test_searching_by_keyboard(open_page, pictures, width):
    page = open_page(width, scheme="dark" if width < 500 else "light")
    sign_in(page, "searcher")
    page.goto("/gallery/")
    page.keyboard.press("/")
    field = page.get_by_role("combobox", name="Search your pictures")
    expect(field).to_be_focused()
    page.keyboard.type("card siz")
    option = page.get_by_role("option", name=re.compile("size:"))
    expect(option).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(option).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(field).to_have_value("card size:")
    page.keyboard.type(">100")
    page.keyboard.press("Escape")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator(".tile")).to_have_count(1)
    with page.expect_navigation():
        page.get_by_role("link", name=re.compile("size:>100")).click()
    expect(page.locator(".tile").nth(1)).to_be_visible()
    expect(page.get_by_label("Search your pictures")).to_have_value("card")


def test_filters_are_in_a_drawer(open_page, pictures):
    page = open_page(390)
    sign_in(page, "searcher")
    page.goto("/gallery/?q=card")
    page.get_by_role("link", name="Filters").click()
    drawer = page.get_by_role("dialog", name="Filters")
    with page.expect_navigation():
        drawer.get_by_role("link", name=re.compile("No rating")).click()
    expect(page.get_by_label("Search your pictures")).to_have_value("card rating:0")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390


def test_a_mistake_is_told_beside_the_field(open_page, pictures):
    page = open_page()
    sign_in(page, "searcher")
    page.goto("/gallery/?q=raiting:5")
    field = page.get_by_label("Search your pictures")
    expect(field).to_have_accessible_description(re.compile("Did you mean “rating:”"))
    expect(field).to_have_value("raiting:5")


def test_without_javascript(open_page, pictures):
    page = open_page(java_script_enabled=False)
    sign_in(page, "searcher")
    page.goto("/gallery/")
    page.get_by_label("Search your pictures").fill("card")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator(".tile").first).to_be_visible()
    page.get_by_role("link", name="Filters").click()
    expect(page.get_by_role("heading", name="Filters")).to_be_visible()
    page.get_by_role("link", name=re.compile("Pictures")).click()
    expect(page.get_by_label("Search your pictures")).to_have_value("card type:picture")

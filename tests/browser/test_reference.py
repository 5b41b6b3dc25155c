"""The API's reference in a browser: what is folded away is found, and looks well."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.axe import violations


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_axe_finds_nothing_in_what_is_folded_away(open_page, width, scheme):
    page = open_page(width, scheme=scheme, reduced_motion="reduce")
    page.goto("/api/docs")
    page.evaluate(
        "document.querySelectorAll('details').forEach((d) => (d.open = true))"
    )
    assert violations(page) == []
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0


def test_a_link_opens_what_it_leads_to(open_page):
    page = open_page(reduced_motion="reduce")
    page.goto("/api/docs#generation_api_generate")
    body = page.locator("#generation_api_generate")
    expect(body).to_be_in_viewport()
    body.get_by_role("link", name="GenerateOut").click()
    expect(page.locator("#schema-GenerateOut")).to_be_in_viewport()
    contents = page.get_by_role("navigation", name="Contents")
    contents.get_by_role("link", name="Get Job").click()
    expect(page.locator("#generation_api_get_job")).to_be_in_viewport()

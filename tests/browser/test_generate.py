"""A person signs in, asks for a picture, watches it come and finds it again."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.stack import PASSWORD, PATIENCE

SESSIONS = {}
# What the card shows, kept as it comes: on a busy machine a test may ask for a preview
# when the picture has taken its place.
RECORD = """(words) => {
    const shown = { states: [], places: [], previews: 0 };
    window.shown = shown;
    const keep = (list, value) => list.at(-1) === value || list.push(value);
    new MutationObserver(() => {
        const cards = [...document.querySelectorAll(".job")];
        const card = cards.find((one) => one.textContent.includes(words));
        if (!card) return;
        keep(shown.states, card.dataset.status);
        const bar = card.querySelector("progress");
        if (bar) keep(shown.places, bar.value);
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
    document.addEventListener("load", ({ target }) => {
        if (target.closest?.(".job-preview")) shown.previews += 1;
    }, true);
}"""


def sign_in(page, name="admin"):
    """By the form once; the next pages are given that session."""
    if name in SESSIONS:
        page.context.add_cookies(SESSIONS[name])
        page.goto("/")
        return
    page.goto("/accounts/login/")
    page.fill("[name=login]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    expect(page.locator("nav.rail")).to_be_visible()
    cookies = page.context.cookies()
    SESSIONS[name] = [one for one in cookies if one["name"] == "sessionid"]


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_watch_a_picture_come(open_page, width, scheme):
    page = open_page(width, scheme=scheme)
    sign_in(page)
    page.goto("/generate/text-to-image/")
    page.evaluate(RECORD, f"at {width} pixels")
    page.fill("[name=prompt]", f"a harbour seen at {width} pixels")
    page.click("button:has-text('Generate')")
    card = page.locator(".job", has_text=f"at {width} pixels")
    expect(card).to_be_visible()
    # Other tests' jobs may be before it.
    expect(card).to_have_attribute("data-status", "done", timeout=PATIENCE * 1000)
    shown = page.evaluate("window.shown")
    assert "running" in shown["states"]
    assert shown["places"] == sorted(shown["places"]), "the bar went back"
    assert len(shown["places"]) >= 3, "the bar did not move"
    assert shown["previews"]
    expect(card.locator("progress")).to_have_count(0)
    picture = card.locator(".job-images img")
    expect(picture).to_be_visible()
    assert picture.evaluate("async (i) => { await i.decode(); return i.naturalWidth }")
    picture.click()
    expect(page.locator("#prompt")).to_have_text(f"a harbour seen at {width} pixels")
    page.goto("/gallery/")
    expect(page.locator(".tile").first).to_be_visible()
    overflow = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0


def test_a_wrong_value_is_named_beside_its_field(open_page):
    page = open_page()
    sign_in(page)
    page.goto("/generate/test-card/")
    page.fill("[name=width]", "5")
    page.click("button:has-text('Generate')")
    field = page.locator(".field", has=page.locator("[name=width]"))
    expect(field.locator(".errorlist")).to_have_text("Choose at least 16.")
    expect(page.locator("[name=width]")).to_have_value("5")


def test_a_reload_and_a_second_device_show_the_same(open_page, stack):
    page = open_page()
    sign_in(page)
    other = open_page(390)
    sign_in(other)
    [job_id] = stack.visitor.generate(prompt="seen twice", steps=40)
    page.goto(f"/jobs/{job_id}/")
    other.goto(f"/jobs/{job_id}/")
    preview = page.locator(f"#job-{job_id} .job-preview img")
    expect(preview).to_be_visible(timeout=30_000)
    bar = page.locator(f"#job-{job_id} progress")
    stood = bar.evaluate("bar => bar.value")
    assert stood > 0
    page.reload()
    assert bar.evaluate("bar => bar.value") >= stood, "the bar went back"
    # The next preview may replace it at any moment, so it is asked until it is there.
    page.wait_for_function(
        """() => {
            const shown = document.querySelector('.job-preview img, .job-images img');
            return shown?.naturalWidth > 0;
        }"""
    )
    for screen in (page, other):
        expect(screen.locator(f"#job-{job_id}")).to_have_attribute(
            "data-status", "done", timeout=30_000
        )


def test_a_preview_that_is_gone_leaves_its_place_empty(open_page, stack):
    page = open_page()
    sign_in(page)
    page.route("**/preview/*/", lambda route: route.fulfill(status=404))
    [job_id] = stack.visitor.generate(prompt="nothing to see yet", steps=40)
    page.goto(f"/jobs/{job_id}/")
    place = page.locator(f"#job-{job_id} .job-preview")
    expect(place).to_be_visible(timeout=30_000)
    expect(place.locator("img")).to_be_hidden()
    stack.visitor.request("POST", f"/api/comfyui/jobs/{job_id}/cancel")


def test_it_works_without_javascript(open_page, stack):
    page = open_page(java_script_enabled=False)
    sign_in(page)
    page.goto("/generate/test-card/")
    page.fill("[name=width]", "100")
    page.click("button:has-text('Generate')")
    expect(page.locator(".job")).to_be_visible()
    # Other tests' jobs may be before it.
    stack.visitor.wait(urlsplit(page.url).path.strip("/").split("/")[-1])
    page.reload()
    picture = page.locator(".job-images a").get_attribute("href")
    page.goto("/gallery/")
    page.locator(f".tile[href='{picture}']").click()
    page.click("text=Use these settings again")
    expect(page.locator("[name=width]")).to_have_value("100")

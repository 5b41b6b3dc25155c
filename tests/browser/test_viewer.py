"""A person judges pictures by key, looks closely, compares, and hides what they see."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_generate import sign_in
from tests.browser.test_remix import no_overflow
from tests.stack import until

# The grid keeps its place in its address.
GRID = re.compile(r"/gallery/(\?.*)?$")
PROMPTS = ("a quay in fog", "a quay in rain", "a lamp on a quay", "a red bicycle")


@pytest.fixture(scope="module")
def pictures(stack):
    """Four, the newest first."""
    made = []
    for seed, prompt in enumerate(PROMPTS):
        [job] = stack.visitor.generate(prompt=prompt, steps=3 + seed, seed=seed)
        made += stack.visitor.wait(job, "done")["images"]
    return made[::-1]


def look(page, picture, query=""):
    page.goto(f"/gallery/{picture['id']}/{query}")
    expect(page.locator("#view")).to_have_attribute("data-id", picture["id"])


def shown(page, picture):
    expect(page.locator("#view")).to_have_attribute("data-id", picture["id"])
    page.wait_for_load_state()  # keys go to the page's scripts


def scale(page):
    read = "i => new DOMMatrix(getComputedStyle(i).transform).a"
    return page.locator("[data-zoom]").evaluate(read)


def test_pictures_are_judged_by_key(open_page, pictures):
    page = open_page()
    sign_in(page)
    page.goto("/gallery/")
    page.click(f"#cell-{pictures[0]['id']} a")
    shown(page, pictures[0])
    page.evaluate("window.same = true")
    page.keyboard.press("f")
    heart = page.locator(".heart")
    expect(heart).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("4")
    expect(page.locator(".stars")).to_have_attribute("data-rating", "4")
    page.keyboard.press("ArrowRight")
    shown(page, pictures[1])
    expect(page.locator("#prompt")).to_have_text("a lamp on a quay")
    assert page.title().startswith("a lamp on a quay")
    assert page.url.endswith(f"{pictures[1]['id']}/")
    page.keyboard.press("Delete")
    shown(page, pictures[2])
    expect(page.locator("#view-toasts")).to_contain_text("in the trash")
    page.keyboard.press("u")
    shown(page, pictures[1])
    page.keyboard.press("ArrowLeft")
    shown(page, pictures[0])
    assert page.evaluate("window.same"), "the page was loaded again"
    page.reload()
    expect(heart).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".stars")).to_have_attribute("data-rating", "4")
    page.keyboard.press("0")
    expect(page.locator(".stars")).to_have_attribute("data-rating", "0")
    page.keyboard.press("f")
    expect(heart).to_have_attribute("aria-pressed", "false")


def test_escape_leads_back_to_the_grid(open_page, pictures):
    page = open_page()
    sign_in(page)
    page.goto("/gallery/")
    page.evaluate("window.same = true")
    page.click(f"#cell-{pictures[0]['id']} a")
    shown(page, pictures[0])
    page.keyboard.press("ArrowRight")
    shown(page, pictures[1])
    page.keyboard.press("Escape")
    expect(page).to_have_url(GRID)
    look(page, pictures[2])
    page.wait_for_timeout(600)  # Escape twice at once would hide everything
    page.keyboard.press("Escape")
    expect(page.locator(".tile").first).to_be_visible()


def test_a_picture_is_looked_at_closely(open_page, pictures):
    page = open_page()
    sign_in(page)
    look(page, pictures[0])
    page.locator("[data-zoom]").evaluate("async i => await i.decode()")
    page.keyboard.press("z")
    page.wait_for_function("() => document.querySelector('[data-zoom].closer')")
    # Both are drawn over some frames.
    until(lambda: scale(page) > 1.5, "the picture is closer")
    page.keyboard.press("Escape")
    page.wait_for_function("() => !document.querySelector('[data-zoom].closer')")
    until(lambda: scale(page) == pytest.approx(1), "the picture is whole again")
    box = page.locator("[data-zoom]").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.wheel(0, -200)
    page.wait_for_function("() => document.querySelector('[data-zoom].closer')")
    before = page.locator("[data-zoom]").bounding_box()
    page.mouse.down()
    page.mouse.move(middle[0] + 40, middle[1] + 30, steps=4)
    page.mouse.up()
    page.wait_for_timeout(100)
    assert page.locator("[data-zoom]").bounding_box()["x"] > before["x"] + 20
    page.mouse.dblclick(*middle)
    page.wait_for_function("() => !document.querySelector('[data-zoom].closer')")


def test_details_help_and_slideshow(open_page, pictures):
    page = open_page()
    sign_in(page)
    look(page, pictures[0])
    page.keyboard.press("i")
    expect(page.locator("#view-side")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    shown(page, pictures[1])
    expect(page.locator("#view-side")).to_be_hidden()
    page.keyboard.press("i")
    expect(page.locator("#view-side")).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("#keys-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys-dialog")).to_be_hidden()
    page.keyboard.press("s")
    page.select_option("[data-seconds]", "3")
    shown(page, pictures[1])
    expect(page.locator("#view")).to_have_attribute(
        "data-id", pictures[2]["id"], timeout=8000
    )
    page.locator("body").press("s")
    expect(page.locator("#viewer.playing")).to_have_count(0)


def test_notes_tags_and_likeness(open_page, pictures):
    page = open_page()
    sign_in(page)
    look(page, pictures[0])
    page.fill("#notes", "the one for the wall")
    page.locator("#notes").blur()
    expect(page.locator("#view-notes")).to_contain_text("Saved")
    page.fill("#view-labels input[name=value]", "Coast")
    page.press("#view-labels input[name=value]", "Enter")
    expect(page.locator(".chip")).to_contain_text("Coast")
    page.fill("#view-labels input[name=value]", "x" * 60)
    page.reload()
    expect(page.locator("#notes")).to_have_value("the one for the wall")
    page.click("[aria-label='Remove the tag Coast']")
    expect(page.locator(".chip")).to_have_count(0)
    look(page, pictures[3])
    page.locator(".related").scroll_into_view_if_needed()
    expect(page.locator(".related")).to_contain_text("Similar prompts")


def swipe(page, x, to):
    """One finger, as the screen reports it."""
    touch = page.context.new_cdp_session(page)

    def send(kind, at=None):
        points = [{"x": at, "y": 200}] if at is not None else []
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    send("touchStart", x)
    for step in range(1, 5):
        send("touchMove", x + (to - x) * step / 4)
    send("touchEnd")


def test_fingers(open_page, pictures):
    page = open_page(390, 844, "dark", has_touch=True, is_mobile=True)
    sign_in(page)
    look(page, pictures[0])
    assert no_overflow(page)
    swipe(page, 320, 80)
    shown(page, pictures[1])
    swipe(page, 80, 320)
    shown(page, pictures[0])
    page.touchscreen.tap(195, 200)
    page.touchscreen.tap(195, 200)
    page.wait_for_function("() => document.querySelector('[data-zoom].closer')")
    page.click("[aria-label='3 stars']")
    expect(page.locator(".stars")).to_have_attribute("data-rating", "3")
    page.click("[aria-label='3 stars']")
    expect(page.locator(".stars")).to_have_attribute("data-rating", "0")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_two_pictures_are_compared(open_page, pictures, width, scheme):
    page = open_page(width, scheme=scheme)
    sign_in(page)
    page.goto(f"/gallery/compare/?ids={pictures[2]['id']},{pictures[3]['id']}")
    stage = page.locator("#comparison")
    expect(stage).to_have_attribute("data-mode", "slider")
    assert no_overflow(page)
    slider = page.locator(".slider input")
    slider.focus()
    page.keyboard.press("Home")
    assert stage.evaluate("s => s.style.getPropertyValue('--at')") == "0%"
    page.keyboard.press("ArrowRight")
    assert stage.evaluate("s => s.style.getPropertyValue('--at')") == "1%"
    page.click("[data-mode=side]")
    first, second = page.locator(".compared img").all()
    first.hover()
    page.mouse.wheel(0, -300)
    read = "i => new DOMMatrix(getComputedStyle(i).transform).a"
    page.wait_for_function(
        "() => [...document.querySelectorAll('.compared img')].every("
        "i => new DOMMatrix(getComputedStyle(i).transform).a > 1.05)"
    )
    assert first.evaluate(read) == pytest.approx(second.evaluate(read))
    page.click("[data-mode=flicker]")
    expect(page.locator(".compared.shown")).to_have_attribute("data-number", "2")
    expect(page.locator(".compared.shown")).to_have_attribute("data-number", "1")
    expect(page.locator("td.words ins")).to_have_text("fog")
    page.check("#only-differences")
    expect(page.locator("tr", has_text="Guidance")).to_be_hidden()
    expect(page.locator("tr", has_text="Steps")).to_be_visible()
    assert no_overflow(page)


def blurred(locator):
    return "blur" in locator.evaluate("i => getComputedStyle(i).filter")


def test_pictures_are_blurred_until_held(open_page, pictures):
    page = open_page()
    sign_in(page)
    page.click("text=Account")
    page.click("button:has-text('Blur pictures')")
    try:
        page.goto("/gallery/")
        tile = page.locator(".tile").first
        front = tile.locator(".tile-front")
        assert blurred(front)
        tile.hover()
        page.mouse.down()
        expect(tile).to_have_class("tile loaded revealed")
        page.mouse.up()
        expect(tile).to_have_class("tile loaded")
        assert GRID.search(page.url), "to look is not to follow"
        page.keyboard.down("b")
        assert not blurred(front)
        page.keyboard.up("b")
        page.wait_for_function(
            "() => getComputedStyle(document.querySelector('.tile-front')).filter"
            ".includes('blur')"
        )
        look(page, pictures[0])
        assert blurred(page.locator(".view-media"))
        for address in ("/", "/jobs/"):
            page.goto(address)
            for img in page.locator("main img:visible").all()[:4]:
                assert blurred(img)
    finally:
        page.goto("/")
        page.click("text=Account")
        page.click("button:has-text('Blur pictures')")


def test_one_picture_is_private(open_page, pictures):
    page = open_page()
    sign_in(page)
    look(page, pictures[1])
    page.click("text=Make private")
    expect(page.locator("#view.veiled")).to_be_visible()
    page.goto("/gallery/")
    assert blurred(page.locator(f"#cell-{pictures[1]['id']} .tile-front"))
    assert not blurred(page.locator(f"#cell-{pictures[0]['id']} .tile-front"))
    look(page, pictures[1])
    page.click("button:has-text('Private')")
    expect(page.locator("#view.veiled")).to_have_count(0)


def test_a_key_or_a_click_between_two_escapes_hides_nothing(open_page, pictures):
    page = open_page()
    sign_in(page)
    page.goto("/gallery/")
    for between in (
        lambda: page.keyboard.press("Control+a"),
        lambda: page.mouse.click(5, 5),
    ):
        page.keyboard.press("Escape")
        between()
        page.keyboard.press("Escape")
        # Long enough for the next Escape not to be the second one.
        page.wait_for_timeout(500)
    assert "/blank/" not in page.url
    expect(page.locator("nav.rail")).to_be_visible()


@pytest.mark.parametrize("start", ["/", "/gallery/", "/jobs/", "viewer"])
def test_one_key_hides_everything(open_page, pictures, start):
    page = open_page()
    sign_in(page)
    page.goto("/gallery/")
    address = f"/gallery/{pictures[0]['id']}/" if start == "viewer" else start
    page.goto(address)
    other = page.context.new_page()
    other.goto("/gallery/")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    for one in (page, other):
        expect(one).to_have_url(re.compile("/blank/$"))
        expect(one).to_have_title("Blank")
        expect(one.locator("img")).to_have_count(0)
    # Later, so that the page is not gone before this call has returned.
    page.evaluate("() => { setTimeout(() => history.back(), 50) }")
    page.wait_for_timeout(1500)
    visible = "getComputedStyle(document.body).visibility !== 'hidden'"
    shows = f"{visible} && document.images.length > 0"
    assert not page.evaluate(shows)
    page.goto("/gallery/")
    expect(page).to_have_url(re.compile("/blank/$"))
    page.click("text=Go on")
    page.wait_for_url(lambda url: "/blank/" not in url)
    expect(page.locator("nav.rail")).to_be_visible()

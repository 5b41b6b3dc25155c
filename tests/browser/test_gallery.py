"""The gallery in a real browser: triage by keys, selection, the way back, stacks."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_generate import sign_in
from tests.stack import PASSWORD

SEED = (
    "from accounts.models import User; from tests.browser.pictures import seed;"
    "User.objects.create_user({name!r}, password={password!r});"
    "seed({name!r}, {count}, {stacks})"
)


@pytest.fixture
def visit(open_page, stack, request):
    """Opens the gallery of a new person who has so many pictures."""

    def visit_(count=30, stacks=0, **options):
        name = f"visitor{abs(hash(request.node.nodeid)) % 10**9}"
        code = SEED.format(name=name, password=PASSWORD, count=count, stacks=stacks)
        stack.manage("shell", "-c", code)
        page = open_page(**options)
        page.goto("/accounts/login/")
        page.fill("[name=login]", name)
        page.fill("[name=password]", PASSWORD)
        page.click("button[type=submit]")
        expect(page.locator("nav.rail")).to_be_visible()
        page.goto("/gallery/")
        expect(page.locator(".cell").first).to_be_visible()
        return page

    return visit_


def cell(page, number):
    return page.locator(".cell:not([hidden])").nth(number)


def ids(page):
    return page.eval_on_selector_all(
        ".cell:not([hidden])", "cells => cells.map(c => c.dataset.id)"
    )


def chosen(page):
    return page.locator(".cell:not([hidden]) .pick input:checked")


def toast(page, words):
    expect(page.locator(".toast-note")).to_contain_text(words)


def kept(page, image):
    """What the server says of a picture now."""
    return page.request.get(f"/api/gallery/images/{image}")


def test_triage_by_keys_alone(visit):
    page = visit(30)
    first, second, third = ids(page)[:3]
    page.keyboard.press("ArrowRight")
    expect(cell(page, 0).locator(".tile")).to_be_focused()
    page.keyboard.press("f")
    toast(page, "is a favourite now")
    expect(cell(page, 0).locator(".cell-heart")).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("4")
    toast(page, "with 4 stars")
    expect(cell(page, 1).locator(".cell-stars")).to_have_text("4")
    page.keyboard.press("0")
    toast(page, "Took the rating")
    page.keyboard.press("5")
    toast(page, "with 5 stars")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Delete")
    toast(page, "in the trash")
    assert third not in ids(page)
    # The next picture has the focus, so that triage goes on.
    expect(cell(page, 2).locator(".tile")).to_be_focused()
    assert kept(page, first).json()["favourite"] is True
    assert kept(page, second).json()["rating"] == 5
    assert kept(page, third).status == 404
    page.keyboard.press("Control+z")
    toast(page, "Undone")
    assert ids(page)[2] == third
    assert kept(page, third).status == 200
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url("**/gallery/*-*/")


def test_selection_by_click_range_rectangle_and_keys(visit):
    page = visit(30)
    cell(page, 0).hover()
    cell(page, 0).locator(".pick").click()
    expect(page.locator("[data-count]")).to_have_text("1 selected")
    cell(page, 4).locator(".tile").click(modifiers=["Shift"])
    expect(chosen(page)).to_have_count(5)
    cell(page, 2).locator(".tile").click()
    expect(chosen(page)).to_have_count(4)
    page.keyboard.press("Escape")
    expect(chosen(page)).to_have_count(0)
    expect(page.locator("#marking")).to_be_hidden()
    page.keyboard.press("Control+a")
    expect(chosen(page)).to_have_count(30)
    page.keyboard.press("Escape")
    start, end = cell(page, 0).bounding_box(), cell(page, 2).bounding_box()
    page.mouse.move(start["x"] + 80, start["y"] + 90)
    page.mouse.down()
    page.mouse.move(end["x"] + 20, end["y"] + 60, steps=5)
    page.mouse.up()
    assert chosen(page).count() >= 2
    assert page.url.endswith("/gallery/")
    page.keyboard.press("Escape")
    cell(page, 1).locator(".tile").focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+Space")
    expect(chosen(page)).to_have_count(3)


def test_many_are_marked_and_taken_back(visit):
    page = visit(30)
    before = ids(page)
    cell(page, 1).hover()
    cell(page, 1).locator(".pick").click()
    cell(page, 3).locator(".tile").click(modifiers=["Shift"])
    page.click("#marking button:has-text('Trash')")
    toast(page, "3 pictures are in the trash.")
    assert ids(page) == before[:1] + before[4:]
    expect(page.locator("#marking")).to_be_hidden()
    page.click(".toast-note button")
    toast(page, "Undone")
    assert ids(page) == before
    # Not only on this page.
    page.reload()
    assert ids(page) == before
    cell(page, 0).hover()
    cell(page, 0).locator(".pick").click()
    page.click(".bulk-acts button:has-text('Tag')")
    page.fill("[name=value_tag]", "a, b")
    page.keyboard.press("Enter")
    expect(page.locator("[data-error=tag]")).to_contain_text("no commas")
    page.fill("[name=value_tag]", "Coast")
    page.keyboard.press("Enter")
    toast(page, "Tagged 1 picture with “Coast”.")
    assert kept(page, before[0]).json()["tags"] == ["Coast"]
    page.click("#marking button:has-text('Album')")
    page.fill("[name=title]", "By the sea")
    page.click("button:has-text('Put into a new album')")
    expect(page.locator("h1")).to_have_text("By the sea")
    assert ids(page) == before[:1]


def test_a_touch_selects_by_a_long_press(visit):
    page = visit(12, width=390, height=844, has_touch=True, is_mobile=True)
    box = cell(page, 1).bounding_box()
    session = page.context.new_cdp_session(page)
    point = {"x": box["x"] + 40, "y": box["y"] + 40}
    touch = {"type": "touchStart", "touchPoints": [point]}
    session.send("Input.dispatchTouchEvent", touch)
    expect(chosen(page)).to_have_count(1)
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.locator("#marking")).to_be_visible()
    cell(page, 0).locator(".tile").tap()
    expect(chosen(page)).to_have_count(2)
    overflow = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0


WATCH_SHIFTS = """
    window.shifts = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        if (entry.hadRecentInput) continue;
        const what = entry.sources.map((s) => [
          s.node?.className || s.node?.nodeName, s.previousRect, s.currentRect,
        ]);
        window.shifts.push([entry.value, JSON.stringify(what)]);
      }
    }).observe({ type: "layout-shift", buffered: true });
"""
PLACE = """() => {
    const cells = [...document.querySelectorAll(".cell")];
    const cell = cells.find((c) => c.getBoundingClientRect().top > 250);
    const r = cell.getBoundingClientRect();
    return { id: cell.dataset.id, x: r.x, y: r.y };
}"""


def scroll_to(page, count):
    """Scroll until so many tiles are loaded, as a person does, by the wheel."""
    page.mouse.move(700, 500)
    for _ in range(300):
        if page.locator(".cell").count() >= count:
            break
        page.mouse.wheel(0, 900)
        page.wait_for_timeout(30)
    assert page.locator(".cell").count() >= count
    page.wait_for_timeout(500)


@pytest.mark.parametrize("kept_alive", [True, False])
def test_back_comes_to_the_same_picture_at_the_same_place(visit, kept_alive):
    page = visit(480)
    page.add_init_script(WATCH_SHIFTS)
    page.goto("/gallery/")
    scroll_to(page, 300)
    shifts = page.evaluate("window.shifts")
    assert sum(value for value, _ in shifts) < 0.02, shifts
    place = page.evaluate(PLACE)
    assert "at=" in page.url
    page.click(f"#cell-{place['id']} .tile")
    page.wait_for_url(f"**/gallery/{place['id']}/")
    if not kept_alive:
        # As if the browser had dropped the page meanwhile.
        page.goto("/jobs/")
        page.go_back()
    page.go_back()
    page.wait_for_selector(f"#cell-{place['id']}")
    page.wait_for_function(
        """({id, y}) => {
            const r = document.getElementById(`cell-${id}`).getBoundingClientRect();
            return Math.abs(r.y - y) < 2;
        }""",
        arg=place,
    )
    box = page.locator(f"#cell-{place['id']}").bounding_box()
    assert abs(box["x"] - place["x"]) < 2
    # Without loading all that lies above: what lies below is enough.
    assert page.locator(".cell").count() <= 180
    if kept_alive:
        return
    # And what lies above comes when one scrolls up.
    newest = page.request.get("/api/gallery/images?limit=1").json()["items"][0]["id"]
    page.mouse.move(700, 500)
    for _ in range(400):
        if ids(page)[0] == newest:
            break
        page.mouse.wheel(0, -600)
        page.wait_for_timeout(30)
    assert ids(page)[0] == newest
    days = page.eval_on_selector_all(".day", "all => all.map(d => d.dataset.day)")
    assert len(days) == len(set(days))
    every = ids(page)
    assert len(every) == len(set(every))


def test_nothing_moves_when_a_page_comes_late(visit):
    """The end of the page is in sight, and the row that the next page completes."""
    page = visit(200)
    held = []
    page.add_init_script(WATCH_SHIFTS)
    page.route(re.compile(r"/gallery/\?cursor="), lambda route: held.append(route))
    page.goto("/gallery/")
    page.mouse.move(700, 500)
    for count in (60, 120, 180):
        expect(page.locator(".cell")).to_have_count(count)
        for _ in range(20):
            page.mouse.wheel(0, 900)
            page.wait_for_timeout(20)
        page.wait_for_timeout(300)
        held.pop(0).continue_()
    expect(page.locator(".cell")).to_have_count(200)
    expect(page.locator(".cell.pending")).to_have_count(0)
    shifts = page.evaluate("window.shifts")
    assert sum(value for value, _ in shifts) < 0.005, shifts


def test_a_stack_is_one_tile_that_opens(visit):
    page = visit(8, stacks=2)
    stack = page.locator(".cell[data-stack]")
    expect(stack).to_have_count(2)
    expect(stack.first.locator(".cell-badge")).to_contain_text("4")
    stack.first.locator(".tile").click()
    page.wait_for_url("**/gallery/stacks/*/")
    expect(page.locator(".cell")).to_have_count(4)
    cell(page, 1).locator(".tile").focus()
    page.keyboard.press("5")
    toast(page, "Rated 1 picture with 5 stars.")
    page.go_back()
    page.locator(".cell[data-stack]").first.locator(".tile").focus()
    page.keyboard.press("Delete")
    toast(page, "4 pictures are in the trash.")
    expect(page.locator(".cell[data-stack]:not([hidden])")).to_have_count(1)


def test_the_density_stays_and_chooses_the_thumbnail(visit):
    page = visit(20)
    rows = []
    for density in ("1", "5"):
        page.locator("[data-density]").fill(density)
        page.wait_for_timeout(300)
        rows.append(cell(page, 0).bounding_box()["height"])
        page.reload()
        assert cell(page, 0).bounding_box()["height"] == rows[-1]
    assert rows[0] < 120 < 400 < rows[1]
    chosen_widths = []
    for density in ("5", "1"):
        # Another window: a browser takes the large one that it has already.
        other = page.context.browser.new_context(
            storage_state=page.context.storage_state()
        )
        cookie = {"name": "density", "value": density}
        other.add_cookies([cookie | {"url": page.url.split("/gallery")[0]}])
        fresh = other.new_page()
        fresh.goto(page.url)
        fresh.wait_for_selector(".cell:nth-of-type(2) .tile.loaded")
        image = cell(fresh, 1).locator(".tile-front")
        shown = image.evaluate("i => [i.currentSrc, i.srcset, i.width]")
        source, offered, width = shown
        chosen_width = int(re.search(r"/thumbnail/(\d+)/$", source)[1])
        # The smallest that looks sharp: tiles grow by some more to fill their row.
        offered = [int(w) for w in re.findall(r" (\d+)w", offered)]
        sharp = [w for w in offered if w >= 0.8 * width]
        assert chosen_width == min(sharp), shown
        chosen_widths.append(chosen_width)
        other.close()
    assert chosen_widths[0] > chosen_widths[1]


def test_an_album_is_put_in_order_by_keys_and_by_drag(visit):
    page = visit(6)
    page.keyboard.press("Control+a")
    page.click("#marking button:has-text('Album')")
    page.fill("[name=title]", "Order")
    page.click("button:has-text('Put into a new album')")
    expect(page.locator("h1")).to_have_text("Order")
    a, b, c, d, e, f = ids(page)
    cell(page, 0).locator(".tile").focus()
    page.keyboard.press("Alt+ArrowRight")
    page.wait_for_function(
        "id => document.querySelectorAll('.cell')[1].dataset.id === id", arg=a
    )
    cell(page, 4).drag_to(cell(page, 0), target_position={"x": 5, "y": 40})
    page.wait_for_function(
        "id => document.querySelectorAll('.cell')[0].dataset.id === id", arg=e
    )
    page.reload()
    assert ids(page) == [e, b, a, c, d, f]


def test_the_trash_gives_back_and_asks_before_it_deletes(visit):
    page = visit(6)
    a, b, *_ = ids(page)
    for _ in range(2):
        cell(page, 0).locator(".tile").focus()
        page.keyboard.press("Delete")
        toast(page, "in the trash")
        page.wait_for_timeout(100)
    page.goto("/gallery/trash/")
    expect(page.locator(".cell-days").first).to_have_text("30 days left")
    assert set(ids(page)) == {a, b}
    page.locator(f"#cell-{a}").hover()
    page.locator(f"#cell-{a} .pick").click()
    page.click("button:has-text('Restore')")
    toast(page, "back in your gallery")
    page.click("button:has-text('Empty the trash')")
    expect(page.locator("h1")).to_have_text("Delete 1 picture for good?")
    page.click("button:has-text('for good')")
    expect(page.locator(".empty")).to_contain_text("The trash is empty")
    assert kept(page, a).status == 200


def test_without_scripts_it_is_a_form(visit, open_page):
    page = visit(4)
    cookies = page.context.cookies()
    plain = open_page(java_script_enabled=False)
    plain.context.add_cookies(cookies)
    plain.goto("/gallery/")
    plain.locator(".pick input").nth(1).check()
    plain.click("#marking button:has-text('Trash')")
    expect(plain.locator(".note")).to_contain_text("1 picture is in the trash.")
    expect(plain.locator(".cell")).to_have_count(3)
    plain.click(".note button")
    expect(plain.locator(".cell")).to_have_count(4)


def test_signed_in_people_have_the_gallery_in_the_rail(open_page):
    page = open_page()
    sign_in(page)
    page.goto("/gallery/albums/")
    expect(page.locator(".rail [aria-current]")).to_have_text("Gallery")

"""A person shares a picture; somebody without an account opens it elsewhere."""

from __future__ import annotations

import sqlite3

import pytest
from playwright.sync_api import expect

from tests.browser.test_generate import sign_in
from tests.browser.test_remix import no_overflow

SECRET = "seven gulls"


@pytest.fixture(scope="module")
def picture(stack):
    [job] = stack.visitor.generate(prompt="a secret quay", steps=3, seed=9)
    [image] = stack.visitor.wait(job, "done")["images"]
    return image


def make_link(page, picture, **fields):
    page.goto(f"/gallery/{picture['id']}/")
    page.click("#view-side >> text=Share")
    for name, value in fields.items():
        page.fill(f"[name={name}]", value)
    page.click("text=Make the link")
    address = page.locator(".share.fresh code").text_content()
    assert "/s/" in address
    return address


def expire(stack, address):
    token = address.rstrip("/").rpartition("/")[2]
    with sqlite3.connect(stack.data / "db.sqlite3", timeout=20) as database:
        done = database.execute(
            "UPDATE gallery_sharelink SET expires = '2020-01-01' WHERE token = ?",
            [token],
        )
        assert done.rowcount == 1


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_a_link_with_a_password_and_an_end(open_page, stack, picture, width, scheme):
    owner = open_page(width, scheme=scheme)
    sign_in(owner)
    address = make_link(owner, picture, password=SECRET, title="For the club")
    assert no_overflow(owner)
    visitor = open_page(width, scheme=scheme)
    visitor.goto(address)
    expect(visitor.locator("img.view-media")).to_have_count(0)
    assert no_overflow(visitor)
    visitor.fill("[name=password]", "seven geese")
    visitor.click("button:has-text('Open')")
    expect(visitor.locator(".error")).to_contain_text("not the password")
    visitor.fill("[name=password]", SECRET)
    visitor.click("button:has-text('Open')")
    shown = visitor.locator("img.view-media")
    expect(shown).to_be_visible()
    assert shown.evaluate("async (i) => { await i.decode(); return i.naturalWidth }")
    expect(visitor.locator("h1")).to_have_text("For the club")
    assert "secret" not in visitor.content()
    assert "admin" not in visitor.content()
    assert no_overflow(visitor)
    owner.reload()
    expect(owner.locator(".share").first).to_contain_text("1 view")
    expire(stack, address)
    answer = visitor.goto(address)
    assert answer.status == 404
    expect(visitor.locator("h1")).to_have_text("Nothing here")
    owner.reload()
    expect(owner.locator(".share").first).to_contain_text("Expired")


def test_a_link_with_a_limit_is_revoked(open_page, picture):
    owner = open_page()
    sign_in(owner)
    address = make_link(owner, picture, view_limit="2")
    visitor, late = open_page(), open_page()
    visitor.goto(address)
    visitor.click("button:has-text('Open')")
    expect(visitor.locator("img.view-media")).to_be_visible()
    visitor.reload()
    expect(visitor.locator("img.view-media")).to_be_visible()
    owner.reload()
    expect(owner.locator(".share").first).to_contain_text("1 of 2 views")
    owner.locator(".share").first.locator("text=Revoke").click()
    expect(owner.locator(".share").first).to_contain_text("Revoked")
    for page in (visitor, late):
        assert page.goto(address).status == 404

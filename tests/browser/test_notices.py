"""The bell as a browser shows it: live, in the title, and as a wished notification."""

from __future__ import annotations

import pytest

from tests.browser.test_generate import sign_in

# What headless Chromium's own Notification would show, kept to be looked at.
RECORDER = """
window.told = [];
window.Notification = class {
  static permission = "default";
  static requestPermission() {
    window.Notification.permission = "granted";
    return Promise.resolve("granted");
  }
  constructor(title, options) { window.told.push([title, options.tag]); }
  addEventListener() {}
  close() {}
};
window.hide = (yes) => {
  Object.defineProperty(document, "hidden", { value: yes, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
};
"""
# htmx keeps a connection's socket with the element that asks for it.
CONNECTED = """() => document.querySelector("[hx-ws\\\\:connect]")
    ._htmx?.ws?.connection?.socket?.readyState === WebSocket.OPEN"""


@pytest.fixture
def page(open_page):
    page = open_page()
    page.add_init_script(RECORDER)
    sign_in(page)
    return page


def finish_a_job(stack):
    [job] = stack.visitor.generate("test-card")
    assert stack.visitor.wait(job)["status"] == "done"


def test_the_bell_rings_where_it_is_wanted(page, stack):
    page.goto("/accounts/notices/")
    assert page.evaluate("Notification.permission") == "default"
    page.click("[data-notify-ask]")
    page.wait_for_selector("text=Stop notifying me")
    page.goto("/jobs/")
    page.evaluate("Notification.permission = 'granted'")
    before = int(page.get_attribute("#bell", "data-unread"))
    page.evaluate("hide(true)")
    finish_a_job(stack)
    page.wait_for_function(
        "before => +document.querySelector('#bell').dataset.unread > before", arg=before
    )
    page.wait_for_function("() => told.length === 1")
    assert page.evaluate("told[0][0]") == "“Test card” is done"
    assert page.title().startswith("(1) ")
    page.evaluate("hide(false)")
    assert not page.title().startswith("(")


def test_who_looks_is_not_disturbed(page, stack):
    page.goto("/jobs/")
    page.evaluate("Notification.permission = 'granted'")
    finish_a_job(stack)
    page.wait_for_function("() => +document.querySelector('#bell').dataset.unread > 0")
    assert page.evaluate("told.length") == 0
    assert not page.title().startswith("(")
    # And it is over once it is read.
    page.click("#bell")
    page.click("text=Mark all as read")
    page.wait_for_function(
        "() => document.querySelector('#bell').dataset.unread === '0'"
    )


def test_it_rings_in_the_gallery_too_and_after_back(kept_page, stack):
    page = kept_page
    sign_in(page)
    page.goto("/gallery/")
    page.evaluate("window.same = true")
    rings(page, stack)
    page.goto("/jobs/")
    page.go_back(wait_until="commit")
    # The browser has kept the page: it was not loaded anew.
    assert page.evaluate("window.same")
    rings(page, stack)


def rings(page, stack):
    page.wait_for_function(CONNECTED)
    before = int(page.get_attribute("#bell", "data-unread"))
    finish_a_job(stack)
    page.wait_for_function(
        "before => +document.querySelector('#bell').dataset.unread > before", arg=before
    )


def test_keys_and_webhooks_by_hand(page):
    page.goto("/accounts/keys/")
    page.fill("[name=name]", "from the browser")
    page.click("text=Make the key")
    token = page.inner_text("#token")
    assert token.startswith("lo_")
    answer = page.request.get(
        "/api/comfyui/limits", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status == 200
    page.goto("/accounts/webhooks/")
    page.fill("[name=url]", "http://10.0.0.1/")
    page.click("text=Add the webhook")
    page.wait_for_selector("text=This name leads to no public address.")
    page.fill("[name=url]", "https://example.org/hook")
    page.click("text=Add the webhook")
    assert page.inner_text("#secret").startswith("whsec_")

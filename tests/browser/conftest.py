"""A real Chromium in front of the real processes."""

from __future__ import annotations

import os
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.stack import Embedded

# A machine that does other things as well takes its time.
expect.set_options(timeout=15_000)
# Playwright's own wish; without it pages are kept for "back", as elsewhere.
FORGETFUL = "--disable-back-forward-cache"
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def chromium():
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        message = "chromium is not installed (apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture
def kept_page(chromium, stack):
    """A page of a browser that keeps pages for "back". No page is loaded by going
    back then: wait for its "commit" alone.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    browser = chromium.browser_type.launch(
        executable_path=path, args=ARGS, ignore_default_args=[FORGETFUL]
    )
    yield browser.new_context(base_url=stack.url).new_page()
    browser.close()


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    with Embedded(tmp_path_factory.mktemp("stack"), speed=0.5) as stack:
        yield stack


@pytest.fixture
def open_page(chromium, stack):
    """A function that opens a page of its own session; console errors fail the test."""
    contexts, faults = [], []

    def open_(width=1440, height=900, scheme="light", **options):
        context = chromium.new_context(
            base_url=stack.url,
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            **options,
        )
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "console",
            lambda m: faults.append(m.text) if "Content Security" in m.text else None,
        )
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not faults

"""A person adds files of their own, with and without the page's script."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests import make
from tests.browser.test_generate import sign_in
from tests.browser.test_remix import no_overflow
from tests.gallery import bad

FILM = Path(__file__).parents[2] / "generation/simulator/sample.mp4"
SHOTS = os.environ.get("SCREENSHOTS")
DROP = """([files]) => {
  const data = new DataTransfer();
  for (const [name, content] of files) {
    const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
    data.items.add(new File([bytes], name));
  }
  const target = document.querySelector("h1");
  for (const kind of ["dragenter", "dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(kind, { bubbles: true, dataTransfer: data }));
  }
}"""


def offered(name, content):
    return {"name": name, "mimeType": "image/png", "buffer": content}


def shot(page, name):
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png")


@pytest.mark.parametrize(
    ("width", "scheme", "color"),
    [(1440, "light", "#336699"), (390, "dark", "#993366")],
)
def test_files_are_sent_one_by_one_each_with_what_came_of_it(
    open_page, width, scheme, color
):
    page = open_page(width, scheme=scheme)
    sign_in(page)
    page.goto("/gallery/")
    page.click("text=Add files")
    shot(page, f"upload-empty-{width}-{scheme}")
    page.set_input_files(
        "#upload-files",
        [
            offered("harbour.png", make.png((320, 200), color)),
            offered("drawing.png", bad.SVG),
        ],
    )
    kept = page.locator(".upload-row.kept")
    refused = page.locator(".upload-row.refused")
    expect(kept).to_have_count(1)
    expect(refused).to_contain_text("SVG")
    expect(page.locator("#upload-said")).to_have_text("1 added, 1 refused.")
    assert no_overflow(page)
    shot(page, f"upload-{width}-{scheme}")
    kept.get_by_role("link", name="In your gallery").click()
    picture = page.locator("#view img.view-media")
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("naturalWidth", 320)


def test_files_are_dropped_anywhere_and_a_film_plays(open_page):
    page = open_page(1440, scheme="dark")
    sign_in(page)
    page.goto("/gallery/upload/")
    content = base64.b64encode(FILM.read_bytes()).decode()
    page.evaluate(DROP, [[["film.mp4", content]]])
    link = page.locator(".upload-row.kept a")
    expect(link).to_be_visible()
    address = link.get_attribute("href")
    page.evaluate(
        """(source) => {
          const film = document.createElement("video");
          film.id = "played";
          film.muted = true;
          film.src = source;
          document.getElementById("content").append(film);
        }""",
        f"{address}file/",
    )
    film = page.locator("#played")
    expect(film).to_have_js_property("readyState", 4)
    expect(film).to_have_js_property("duration", 1.5)
    # Seeking asks for a range.
    page.evaluate("document.getElementById('played').currentTime = 1.2")
    expect(film).to_have_js_property("seeking", False)
    expect(film).to_have_js_property("currentTime", 1.2)


def test_it_works_without_a_script(open_page):
    page = open_page(390, java_script_enabled=False)
    sign_in(page)
    page.goto("/gallery/upload/")
    page.set_input_files(
        "#upload-files", [offered("a.png", make.png((9, 9), "#fedcba"))]
    )
    page.click("text=Add to my gallery")
    expect(page.locator(".upload-row.kept")).to_have_count(1)

"""The form: fields that depend on others, prompts, sweeps, pictures, masks, presets."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.test_generate import sign_in

GRAPH = {
    "1": {
        "class_type": "EmptyImage",
        "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0},
    },
    "2": {
        "class_type": "SaveImage",
        "inputs": {"filename_prefix": "a", "images": None},
    },
    "3": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
    "4": {
        "class_type": "SaveImage",
        "inputs": {"filename_prefix": "b", "images": None},
    },
}
GRAPH["2"]["inputs"]["images"] = ["1", 0]
GRAPH["4"]["inputs"]["images"] = ["3", 0]
FIELDS = [
    {
        "name": "prompt",
        "label": "Prompt",
        "kind": "long_text",
        "targets": [["2", "filename_prefix"]],
    },
    {
        "name": "size",
        "label": "Size",
        "kind": "size",
        "targets": [["1", "width", "width"], ["1", "height", "height"]],
        "default": {"width": 96, "height": 64},
        "minimum": 16,
        "maximum": 512,
        "step": 8,
    },
    {
        "name": "style",
        "label": "Style",
        "kind": "choice",
        "choices": ["plain", "fancy"],
        "default": "plain",
        "targets": [["4", "filename_prefix"]],
    },
    {
        "name": "extra",
        "label": "How fancy",
        "kind": "text",
        "default": "very",
        "targets": [["4", "filename_prefix"]],
        "shown_if": {"parameter": "style", "is": ["fancy"]},
    },
    {
        "name": "image",
        "label": "Picture",
        "kind": "image",
        "targets": [["3", "image"]],
        "required": False,
    },
    {
        "name": "mask",
        "label": "Mask",
        "kind": "mask",
        "paints": "image",
        "targets": [["3", "image"]],
        "required": False,
    },
]
MAKE = f"""
from generation.models import Workflow
w = Workflow.objects.create(slug="kinds", title="All kinds")
w.publish(w.add_version({GRAPH!r}, {FIELDS!r}, None))
"""


@pytest.fixture(scope="module")
def kinds(stack):
    stack.manage("shell", "-v", "0", "-c", MAKE)
    return "/generate/kinds/"


@pytest.fixture(params=[(1440, "light"), (390, "dark")], ids=["wide", "narrow"])
def page(request, open_page):
    width, scheme = request.param
    page = open_page(width, scheme=scheme)
    sign_in(page)
    return page


# For what is typed or sent, and looks the same anywhere.
ONE_WIDTH = pytest.mark.parametrize(
    "page", [(1440, "light")], indirect=True, ids=["wide"]
)


def generate(page):
    page.click(".submit-bar button[type=submit]")


def test_a_field_appears_when_another_has_its_value(page, kinds):
    page.goto(f"{kinds}?defaults")
    expect(page.locator("[name=extra]")).to_be_hidden()
    page.select_option("[name=style]", "fancy")
    expect(page.locator("[name=extra]")).to_be_visible()
    overflow = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0


def test_a_size_takes_shapes_and_swaps(page, kinds):
    page.goto(f"{kinds}?defaults")
    page.click(".shape:has-text('1:1')")
    expect(page.locator("[name=size-width]")).to_have_value("80")
    expect(page.locator("[name=size-height]")).to_have_value("80")
    page.fill("[name=size-width]", "96")
    page.click(".shape:has-text('Swap')")
    expect(page.locator("[name=size-height]")).to_have_value("96")


@ONE_WIDTH
def test_keys_change_the_weight_of_a_word(page, kinds):
    page.goto(f"{kinds}?defaults")
    prompt = page.locator("[name=prompt]")
    prompt.fill("a red cat")
    prompt.evaluate("(field) => field.setSelectionRange(3, 3)")
    prompt.press("Control+ArrowUp")
    expect(prompt).to_have_value("a (red:1.1) cat")
    prompt.press("Control+ArrowDown")
    prompt.press("Control+ArrowDown")
    expect(prompt).to_have_value("a (red:0.9) cat")
    prompt.press("Control+ArrowUp")
    expect(prompt).to_have_value("a red cat")


def test_a_sweep_tells_its_cost_and_queues_its_jobs(page):
    page.goto("/generate/test-card/?defaults")
    page.click("#sweep summary")
    page.select_option("[name=sweep-1]", "width")
    page.fill("[name=sweep-1-values]", "64..96 step 16")
    page.select_option("[name=sweep-2]", "color")
    page.fill("[name=sweep-2-values]", "#ff0000, #00ff00")
    expect(page.locator("#cost")).to_contain_text("6 jobs")
    before = page.locator(".job").count()
    generate(page)
    expect(page.locator(".job")).to_have_count(before + 6)
    # The form goes on, and so does its cost.
    page.fill("[name=sweep-2-values]", "#ff0000")
    expect(page.locator("#cost")).to_contain_text("3 jobs")


def test_choices_of_a_sweep_are_pressed(page, kinds):
    page.goto(f"{kinds}?defaults")
    page.fill("[name=prompt]", "pressed")
    page.click("#sweep summary")
    page.select_option("[name=sweep-1]", "style")
    for choice in ("plain", "fancy"):
        page.click(f".sweep-choices button:has-text('{choice}')")
    expect(page.locator("[name=sweep-1-values]")).to_have_value("plain\nfancy\n")
    expect(page.locator("#cost")).to_contain_text("2 jobs")
    page.click(".sweep-choices button:has-text('plain')")
    expect(page.locator("[name=sweep-1-values]")).to_have_value("fancy\n")


def test_a_mask_is_painted_over_a_picture_of_my_gallery(page, kinds, stack):
    page.goto("/generate/test-card/?defaults")
    page.fill("[name=color]", "#123456")
    generate(page)
    expect(page.locator(".job").first).to_have_attribute(
        "data-status", "done", timeout=30_000
    )
    page.goto(f"{kinds}?defaults")
    page.fill("[name=prompt]", "painted")
    page.click("[data-pick-for=image]")
    page.locator("#picker [data-picture]").first.click()
    expect(page.locator("#picker")).to_be_hidden()
    page.click("[data-paint=mask]")
    expect(page.locator("#painter-canvas")).to_be_visible()
    box = page.locator("#painter-canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.up()
    page.click("#painter-done")
    expect(page.locator("[data-kind=mask] .drop-preview")).to_be_visible()
    generate(page)
    expect(page.locator(".job").first).to_have_attribute(
        "data-status", "done", timeout=30_000
    )
    # What was used is there for the next time.
    expect(page.locator("[name=image-kept]")).to_have_count(1)
    expect(page.locator("[name=mask-kept]")).to_have_count(1)


PASTE = """async () => {
    const canvas = document.createElement("canvas");
    const blob = await new Promise((done) => canvas.toBlob(done));
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([blob], "pasted.png", { type: "image/png" }));
    const event = new ClipboardEvent("paste", { clipboardData, bubbles: true });
    document.body.dispatchEvent(event);
}"""


@ONE_WIDTH
def test_a_pasted_picture_is_kept_when_another_value_is_wrong(page, kinds):
    page.goto(f"{kinds}?defaults")
    page.evaluate(PASTE)
    preview = page.locator("[data-kind=image] .drop-preview")
    expect(preview).to_have_attribute("alt", "Preview of pasted.png")
    page.fill("[name=prompt]", "")
    generate(page)
    expect(page.locator("[data-parameter=prompt] .errorlist")).to_be_visible()
    expect(page.locator("[name=image-kept]")).to_have_count(1)
    expect(preview).to_have_attribute("alt", "The picture used before")


@ONE_WIDTH
def test_enter_generates_and_saves_nothing(page):
    page.goto("/generate/test-card/?defaults")
    before = page.locator(".job").count()
    page.locator("[name=width]").press("Enter")
    expect(page.locator(".job")).to_have_count(before + 1)
    expect(page.locator("#save-preset .errorlist")).to_have_count(0)


def test_settings_are_saved_as_a_preset_and_used_again(page, kinds):
    name = f"Mine {page.viewport_size['width']}"
    page.goto(f"{kinds}?defaults")
    page.fill("[name=prompt]", "for a preset")
    page.fill("[name=size-width]", "128")
    page.click("#save-preset summary")
    page.click("#save-preset button")
    expect(page.locator("#save-preset .errorlist")).to_have_text(
        "Give the preset a name."
    )
    page.fill("[name=preset-name]", name)
    page.click("#save-preset button")
    expect(page.locator(".form-tools")).to_contain_text(f"the preset “{name}”")
    page.goto(f"{kinds}?defaults")
    page.click("button:has-text('Presets')")
    page.click(f"#presets a:has-text('{name}')")
    expect(page.locator("[name=size-width]")).to_have_value("128")
    expect(page.locator("[name=prompt]")).to_have_value("for a preset")


@ONE_WIDTH
def test_a_recent_prompt_is_filled_in_again(page, kinds):
    for prompt in ("first words", "second words"):
        page.goto(f"{kinds}?defaults")
        page.fill("[name=prompt]", prompt)
        with page.expect_response(lambda answer: answer.url.endswith(kinds)):
            generate(page)
    page.goto(kinds)
    expect(page.locator("[name=prompt]")).to_have_value("second words")
    page.click("button:has-text('Recent') >> nth=0")
    page.click("[data-fill]:has-text('first words')")
    expect(page.locator("[name=prompt]")).to_have_value("first words")


@ONE_WIDTH
def test_a_seed_that_counts_up_goes_on(page):
    page.goto("/generate/text-to-image/?defaults")
    page.fill("[name=prompt]", "counting")
    page.fill("[name=seed]", "41")
    expect(page.locator("[name=seed-mode]")).to_have_value("fixed")
    page.select_option("[name=seed-mode]", "increment")
    generate(page)
    expect(page.locator("[name=seed]")).to_have_value("42")


def test_every_field_is_there_without_javascript(open_page, kinds):
    page = open_page(390, java_script_enabled=False)
    sign_in(page)
    page.goto(f"{kinds}?defaults")
    expect(page.locator("[name=extra]")).to_be_visible()
    expect(page.locator(".js-only:visible")).to_have_count(0)
    page.fill("[name=prompt]", "no script")
    page.fill("[name=size-width]", "5")
    generate(page)
    expect(page.locator(".errorlist")).to_have_text("Width: Choose at least 16.")
    expect(page.locator("[name=size-width]")).to_have_value("5")
    page.fill("[name=size-width]", "64")
    generate(page)
    expect(page.locator(".job")).to_be_visible()

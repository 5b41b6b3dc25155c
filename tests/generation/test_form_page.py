"""The page of a form with every kind of field: labels, messages, what is kept."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from generation.fields import Kind
from generation.models import Workflow

INPUTS = ["width", "height", "name", "strength", "value"]
GRAPH = {"1": {"class_type": "Node", "inputs": dict.fromkeys(INPUTS, 1)}}
TARGETS = {
    "size": [["1", "width", "width"], ["1", "height", "height"]],
    "lora": [["1", "name", "name"], ["1", "strength", "strength"]],
}
ADDRESS = "/generate/kinds/"


def field(kind, **over):
    entry = {
        "name": f"a_{kind}",
        "label": f"A {kind}",
        "kind": str(kind),
        "targets": TARGETS.get(kind, [["1", "value"]]),
        "required": False,
        "help_text": "It helps.",
    }
    return entry | over


@pytest.fixture
def kinds(db):
    fields = [field(kind) for kind in Kind]
    fields.append(field("integer", name="low", minimum=1, maximum=9, slider=True))
    shown = {"parameter": "a_boolean", "is": [True]}
    fields.append(field("integer", name="deep", maximum=5, default=2, shown_if=shown))
    workflow = Workflow.objects.create(slug="kinds", title="Kinds")
    workflow.publish(workflow.add_version(GRAPH, fields, None))
    return workflow


class Fields(HTMLParser):
    """What a page has: ids, labels' targets, controls, descriptions."""

    def __init__(self, page):
        super().__init__()
        self.ids, self.labelled, self.controls = [], set(), []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "label" and "for" in found:
            self.labelled.add(found["for"])
        hidden = found.get("type") in ("hidden", "submit")
        if tag in ("input", "select", "textarea") and "name" in found and not hidden:
            self.controls.append(found)


@pytest.mark.parametrize("values", [None, {"low": "99", "a_size-width": "x"}])
def test_every_control_has_its_label_and_every_id_is_there_once(
    as_alice, kinds, values
):
    answer = as_alice.get(ADDRESS) if values is None else as_alice.post(ADDRESS, values)
    page = Fields(answer.content.decode())
    assert len(page.ids) == len(set(page.ids))
    for control in page.controls:
        assert control.get("id") in page.labelled, control
        for described in control.get("aria-describedby", "").split():
            assert described in page.ids, control


def test_messages_of_a_part_stand_beside_its_field(as_alice, kinds):
    page = as_alice.post(ADDRESS, {"a_size-width": "x", "a_size-height": "8"})
    controls = {c["name"]: c for c in Fields(page.content.decode()).controls}
    for part in ("a_size-width", "a_size-height"):
        assert controls[part]["aria-invalid"] == "true"
        assert "id_a_size_error" in controls[part]["aria-describedby"]
    assert controls["a_size-width"]["value"] == "x"
    assert "Width: Enter a whole number." in page.content.decode()


def test_a_hidden_field_is_not_checked_and_a_shown_one_is(as_alice, kinds):
    hidden = as_alice.post(ADDRESS, {"deep": "99"})
    assert "deep" not in hidden.context["form"].errors
    shown = as_alice.post(ADDRESS, {"deep": "99", "a_boolean": "on"})
    assert shown.context["form"].errors["deep"] == ["Choose at most 5."]


def test_nothing_of_a_template_is_markup(as_alice, db):
    evil = '"><script>alert(1)</script>'
    fields = [
        field(kind, label=evil, help_text=evil, group=evil)
        for kind in Kind
        if kind not in ("image", "mask")
    ]
    fields[3]["choices"] = [evil]
    fields[0]["default"] = evil
    workflow = Workflow.objects.create(slug="kinds", title=evil, description=evil)
    workflow.publish(workflow.add_version(GRAPH, fields, None))
    page = as_alice.get(ADDRESS).content.decode()
    assert "<script>alert" not in page

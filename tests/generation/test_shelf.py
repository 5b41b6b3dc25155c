"""People find templates by category, tag and words."""

from __future__ import annotations

import pytest

from generation.models import Workflow
from tests import make

HTMX = {"HX-Request": "true"}


@pytest.fixture
def workflows(db):
    make.workflow()
    Workflow.objects.filter(slug="test-card").update(category="Tests", tags=["plain"])
    Workflow.objects.filter(slug="image-to-image").update(tags=["photo", "a&b"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?category=Tests", {"test-card"}),
        ("?tag=photo", {"image-to-image"}),
        ("?tag=a%26b", {"image-to-image"}),
        ("?q=CARD+plain", {"test-card"}),
        ("?q=nothing", set()),
        ("?q=card&tag=photo", set()),
        ("", {"test-card", "text-to-image", "image-to-image"}),
    ],
)
def test_templates_are_found(as_alice, workflows, query, found):
    page = as_alice.get(f"/generate/{query}")
    assert {one.slug for one in page.context["shelf"].workflows} == found
    for slug in found:
        assert f'href="/generate/{slug}/"' in page.content.decode()


def test_searching_answers_with_the_shelf_alone(as_alice, workflows):
    page = as_alice.get("/generate/?q=card", headers=HTMX).content.decode()
    assert "<html" not in page
    assert 'href="/generate/?tag=a%26b"' in page


def test_nothing_of_hidden_templates_shows(as_alice, workflows):
    Workflow.objects.filter(slug="test-card").update(audience="chosen")
    page = as_alice.get("/generate/").content.decode()
    assert "Tests" not in page
    assert "#plain" not in page

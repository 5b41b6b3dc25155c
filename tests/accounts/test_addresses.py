"""`{% url %}` as every template has it."""

from __future__ import annotations

import uuid

import pytest
from django.template import Context, Template
from django.urls import NoReverseMatch, set_script_prefix

PK = uuid.UUID(int=1)


def drawn(text, **values):
    return Template(text).render(Context(values))


@pytest.fixture
def mounted():
    """The application below another place of its host."""
    set_script_prefix("/below/")
    yield
    set_script_prefix("/")


def test_a_name_alone():
    assert drawn("{% url 'gallery:image-list' %}") == "/gallery/"
    assert drawn("{% url name %}", name="gallery:shares") == "/gallery/shares/"


def test_a_name_with_arguments():
    text = "{% url 'gallery:image' pk %} {% url 'gallery:image' pk=pk %}"
    assert drawn(text, pk=PK) == f"/gallery/{PK}/ /gallery/{PK}/"


def test_an_address_that_there_is_not():
    with pytest.raises(NoReverseMatch):
        drawn("{% url 'gallery:nothing' %}")
    kept = "{% url 'gallery:nothing' as it %}[{{ it }}]"
    assert drawn(kept) == "[]"
    assert drawn("{% url 'gallery:image-list' as it %}[{{ it }}]") == "[/gallery/]"


def test_where_it_is_mounted(mounted):
    assert drawn("{% url 'gallery:image-list' %}") == "/below/gallery/"
    assert drawn("{% url 'gallery:image' pk %}", pk=PK) == f"/below/gallery/{PK}/"
    set_script_prefix("/")
    assert drawn("{% url 'gallery:image-list' %}") == "/gallery/"

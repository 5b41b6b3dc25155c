"""A template as one file, to be taken elsewhere: its newest graph and fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import User
from generation.comfy.convert import Definitions, Unconvertible
from generation.importing import free_slug, from_document
from generation.models import Workflow

FORMAT = "lifeos_template"
TEXTS = {"title": 200, "description": 20_000, "category": 60}


def export(workflow: Workflow) -> dict[str, Any]:
    """Who may use it stays here: people and groups are others elsewhere."""
    version = workflow.newest()
    assert version is not None
    return {
        FORMAT: 1,
        "slug": workflow.slug,
        "title": workflow.title,
        "description": workflow.description,
        "category": workflow.category,
        "tags": workflow.tags,
        "server_tags": workflow.server_tags,
        "graph": version.graph,
        "fields": version.fields,
    }


def is_bundle(document: object) -> bool:
    return isinstance(document, Mapping) and FORMAT in document


@transaction.atomic
def create(
    bundle: Mapping[str, Any], known: Definitions | None, author: User | None
) -> Workflow:
    """A template that is not published. Raises Unconvertible or ValidationError."""
    if bundle[FORMAT] != 1:
        raise Unconvertible("This template was exported by a newer Life-OS.")
    texts = {name: bundle.get(name, "") for name in TEXTS}
    for name, limit in TEXTS.items():
        if not isinstance(texts[name], str) or len(texts[name]) > limit:
            raise Unconvertible(f"Its {name} is text of at most {limit} characters.")
    imported = from_document(bundle.get("graph"), known)
    title = texts["title"].strip() or "Imported template"
    slug = bundle.get("slug")
    workflow = Workflow(
        **{**texts, "title": title},
        slug=free_slug(slug if isinstance(slug, str) else title),
        tags=_words(bundle.get("tags")),
        server_tags=_words(bundle.get("server_tags")),
    )
    workflow.full_clean()
    workflow.save()
    fields = bundle.get("fields")
    if not isinstance(fields, list):
        raise ValidationError("The fields of a template are a list.")
    workflow.add_version(imported.graph, fields, author)
    return workflow


def _words(value: object) -> list[str]:
    words = value if isinstance(value, list) else []
    return [word[:60] for word in words[:30] if isinstance(word, str) and word]


@transaction.atomic
def duplicate(workflow: Workflow, author: User) -> Workflow:
    """A copy of the newest version that only administrators see for now."""
    version = workflow.newest()
    assert version is not None
    copy = Workflow(
        title=f"{workflow.title[:190]} (copy)",
        slug=free_slug(f"{workflow.slug}-copy"),
        description=workflow.description,
        category=workflow.category,
        tags=workflow.tags,
        server_tags=workflow.server_tags,
        audience=workflow.audience,
        position=workflow.position,
    )
    copy.save()
    copy.groups.set(workflow.groups.all())
    copy.people.set(workflow.people.all())
    copy.add_version(version.graph, version.fields, author)
    return copy

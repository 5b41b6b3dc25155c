"""A person's own words for their pictures."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.db.models import Value
from django.db.models.functions import Lower

from accounts.errors import BadValues
from accounts.models import User
from gallery.models import Image, Tag, Tagged


def clean_name(text: str, field: str = "value") -> str:
    """A tag's name with single spaces. Raises BadValues for `field`."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name:
        raise BadValues(**{field: "Write the name of the tag."})
    if len(name) > 60:
        raise BadValues(**{field: "A tag has at most 60 characters."})
    if "," in name or not name.isprintable():
        raise BadValues(**{field: "A tag has no commas or control characters."})
    return name


def find(owner: User, name: str) -> Tag | None:
    """The person's tag of this name, in whatever case it was written."""
    named = Tag.objects.alias(lowered=Lower("name"))
    return named.filter(owner=owner, lowered=Lower(Value(name))).first()


def find_or_make(owner: User, name: str) -> Tag:
    """The person's tag of this (clean) name."""
    found = find(owner, name)
    if found:
        return found
    try:
        with transaction.atomic():
            return Tag.objects.create(owner=owner, name=name)
    except IntegrityError:
        # Another request made it meanwhile.
        found = find(owner, name)
        if found is None:
            raise
        return found


def set_of(image: Image, names: Sequence[str]) -> None:
    """Give the picture these (clean) tags and no others."""
    wanted = {name.lower(): name for name in names}
    rows = Tagged.objects.filter(image=image).select_related("tag")
    had = {row.tag.name.lower(): row.pk for row in rows}
    Tagged.objects.filter(pk__in=[had[k] for k in had if k not in wanted]).delete()
    new = [find_or_make(image.owner, wanted[k]) for k in wanted if k not in had]
    Tagged.objects.bulk_create(
        [Tagged(tag=tag, image=image, created=image.created) for tag in new],
        ignore_conflicts=True,
    )

"""What tells the pictures of one stack apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from uuid import UUID

from gallery.models import Image, Provenance


def differences(images: Sequence[Image]) -> dict[UUID, str]:
    """For each picture the settings that are not the same for all, as one line."""
    rows = Provenance.objects.filter(image__in=images)
    made = rows.values_list("image_id", "parameters_json")
    values: dict[UUID, Mapping[str, object]] = {pk: json.loads(t) for pk, t in made}
    names = dict.fromkeys(name for each in values.values() for name in each)
    differ = [
        name
        for name in names
        if len({_spoken(each.get(name)) for each in values.values()}) > 1
    ]
    return {
        pk: " · ".join(
            f"{name.replace('_', ' ')} {_spoken(each[name])}"
            for name in differ
            if name in each
        )
        for pk, each in values.items()
    }


def _spoken(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(_spoken(part) for part in value.values())
    text = str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"

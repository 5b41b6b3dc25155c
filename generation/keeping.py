"""What `gallery.keeping` asks of this layer: who may keep how much, what is in use."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.db.models import TextField
from django.db.models.functions import Cast

from gallery.keeping.quota import Quota
from gallery.models import Provenance
from generation.models import Job, Preset
from generation.models.limits import Allowance, allowances

MEGABYTE = 1024**2
INPUTS = "inputs/"


def quotas(people: Iterable[int]) -> Mapping[int, Quota]:
    """For each of these people, in a constant number of queries."""
    return {pk: quota_from(allowed) for pk, allowed in allowances(people).items()}


def quota_from(allowed: Allowance) -> Quota:
    days = allowed.keep_days
    return Quota(
        bytes=None if allowed.storage_mb is None else allowed.storage_mb * MEGABYTE,
        keep=None if days is None else timedelta(days=days),
    )


class UsedInputs:
    """Which input files a job, a preset or a picture still names; each person's are
    looked up once.
    """

    def __init__(self) -> None:
        self._by_owner: dict[str, set[str]] = {}

    def __call__(self, names: Collection[str]) -> set[str]:
        return {name for name in names if name in self._of(name.split("/")[1])}

    def _of(self, owner: str) -> set[str]:
        if owner not in self._by_owner:
            self._by_owner[owner] = set(_named(owner)) if owner.isdigit() else set()
        return self._by_owner[owner]


def _named(owner: str) -> Iterator[str]:
    folder = f"{INPUTS}{owner}/"
    jobs = Job.objects.filter(owner=int(owner)).order_by()
    presets = Preset.objects.order_by()
    for rows, column in ((jobs, "parameters"), (presets, "values")):
        text = rows.annotate(text=Cast(column, TextField()))
        naming = text.filter(text__contains=folder).values_list(column, flat=True)
        for values in naming.iterator(chunk_size=500):
            yield from _strings(values)
    made = Provenance.objects.filter(
        image__owner=int(owner), parameters_json__contains=folder
    )
    for record in made.iterator(chunk_size=500):
        yield from _strings(record.parameters)


def _strings(values: Any) -> Iterator[str]:
    found = values.values() if isinstance(values, dict) else ()
    yield from (value for value in found if isinstance(value, str))

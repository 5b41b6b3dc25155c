"""How many pictures have which model, tag, month: for the panel beside the grid.

Of the whole gallery the counts are kept, by `indexing`. Of a search they are made of
its newest matches, and say so: what is shown never costs more than a page does.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from django.db import transaction
from django.db.models import BigIntegerField, CharField

from accounts.models import User
from accounts.prepared import Prepared, Slot
from gallery.models import Facet, SearchEntry
from gallery.search import indexing
from gallery.search.finding import Found

# Matches that are looked at, and values that are shown of each kind.
BOUND, SHOWN = 500, 12
KINDS = {
    "type": "Kind",
    "rating": "Rating",
    "tag": "Tags",
    "album": "Albums",
    "model": "Models",
    "lora": "LoRAs",
    "template": "Templates",
    "month": "Months",
}
# Where the order is that of the values, not of the counts.
BY_VALUE = ("month", "rating")


@dataclass(frozen=True, slots=True)
class Count:
    """A value and how many have it; `bounded` where there may be more."""

    kind: str
    value: str
    count: int
    bounded: bool = False

    @property
    def shown(self) -> str:
        return f"{self.count:,}" + "+" * self.bounded

    @property
    def query(self) -> str:
        """This value in the search language."""
        if self.kind in ("type", "rating"):
            return f"{self.kind}:{self.value}"
        name = "date" if self.kind == "month" else self.kind
        return f"{name}:{self.value}" if name == "date" else f'{name}:"{self.safe}"'

    @property
    def safe(self) -> str:
        return self.value.replace('"', " ")

    @property
    def label(self) -> str:
        if self.kind == "rating":
            return "★" * int(self.value) if self.value != "0" else "No rating"
        if self.kind == "type":
            return LABELS.get(self.value, self.value)
        if self.kind == "model":
            return self.value.replace("\\", "/").rpartition("/")[2]
        return self.value


LABELS = {
    "picture": "Pictures",
    "animation": "Animations",
    "video": "Videos",
    "audio": "Audio",
    "model": "3D models",
    "text": "Texts",
    "other": "Other files",
}


def _kept(*order: str) -> Prepared[Facet]:
    owner, kind = Slot("owner", BigIntegerField()), Slot("kind", CharField())
    return Prepared(
        lambda: (
            Facet.objects.filter(owner=owner, kind=kind, count__gt=0)
            .order_by(*order)
            .values_list("kind", "value", "count")[:SHOWN]
        )
    )


_latest, _most = _kept("-value"), _kept("-count", "value")


def of_gallery(user: User) -> dict[str, list[Count]]:
    """The kept counts of everything that the person has, the most frequent values."""
    indexing.catch_up(user.pk)
    found: list[Count] = []
    for kind in KINDS:
        some = _latest if kind in BY_VALUE else _most
        found += [Count(*row) for row in some.rows(owner=user.pk, kind=kind)]
    return _by_kind(found)


def of_search(found: Found) -> dict[str, list[Count]]:
    """Counts of the first matches, at most BOUND of them."""
    texts = found.facets(BOUND + 1)
    bounded = len(texts) > BOUND
    counts = Counter(pair for t in texts[:BOUND] for pair in map(tuple, json.loads(t)))
    made = [Count(kind, v, n, bounded) for (kind, v), n in counts.items()]
    return _by_kind(made)


def _by_kind(counts: Iterable[Count]) -> dict[str, list[Count]]:
    """By kind, in the panel's order; kinds without a choice are left out."""
    found: dict[str, list[Count]] = {kind: [] for kind in KINDS}
    for count in counts:
        found[count.kind].append(count)
    for kind, some in found.items():
        if kind in BY_VALUE:
            some.sort(key=lambda c: c.value, reverse=True)
        else:
            some.sort(key=lambda c: (-c.count, c.value.casefold()))
        del some[SHOWN:]
    return {kind: some for kind, some in found.items() if some}


def recount(owner: int | None = None) -> None:
    """Make the kept counts anew from the entries, a person after the other."""
    owners = SearchEntry.objects.values_list("owner", flat=True).distinct().order_by()
    if owner is not None:
        owners = owners.filter(owner=owner)
    else:
        Facet.objects.exclude(owner__in=owners).delete()
    for person in owners:
        counts: Counter[tuple[int, str, str]] = Counter()
        with transaction.atomic():
            indexing.lock(person)
            rows = SearchEntry.objects.filter(owner=person)
            texts = rows.values_list("facets", flat=True).iterator(chunk_size=5000)
            # Many pictures have the same values.
            for text, same in groupby(texts):
                times = sum(1 for _ in same)
                for kind, value in json.loads(text):
                    counts[person, kind, value] += times
            Facet.objects.filter(owner=person).delete()
            indexing.add_counts(counts)

"""Keeps the index right: takes up the marks that the database's triggers leave.

A search first takes up what its person has changed, so that it always answers for now;
what nobody searches is taken up once a minute. Marks are deleted in the transaction in
which their pictures are indexed.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.models import BigIntegerField

from accounts.prepared import Prepared, Slot
from gallery.models import (
    AlbumItem,
    Image,
    Provenance,
    SearchEntry,
    SearchMark,
    Tagged,
)
from gallery.search import document
from gallery.search.document import TIE_BITS, Facts

BATCH = 500
# A search takes up so many changes at most, the rest is for the periodic task.
BATCHES_AT_ONCE = 4
# Of locks of this kind, beside a person's number.
LOCK = 0x5EA7C4
Counts = Counter[tuple[int, str, str]]


_marked = Prepared(
    lambda: SearchMark.objects.filter(
        owner=Slot("owner", BigIntegerField())
    ).values_list("owner")[:1]
)


def catch_up(owner: int, batches: int = BATCHES_AT_ONCE) -> None:
    """Take up what has changed of this person's pictures. One query if nothing has."""
    for _ in range(batches):
        if not _marked.rows(owner=owner):
            return
        _take_up(owner)


def sweep(seconds: float = 45) -> None:
    """Take up everything that is marked, for so long at most; people take turns."""
    end = time.monotonic() + seconds
    while owners := list(SearchMark.objects.values_list("owner").distinct()[:1000]):
        for (owner,) in owners:
            _take_up(owner)
            if time.monotonic() > end:
                return


def rebuild(owner: int | None = None) -> Iterator[int]:
    """Index every picture anew; yields how many were done so far."""
    images = Image.objects.order_by("owner_id", "created", "id")
    if owner is not None:
        images = images.filter(owner_id=owner)
    done = 0
    rows = images.values_list("owner_id", "id").iterator(chunk_size=5000)
    while chunk := list(islice(rows, BATCH)):
        for person in dict.fromkeys(owner for owner, _ in chunk):
            with transaction.atomic():
                lock(person)
                index(person, [image for owner, image in chunk if owner == person])
        done += len(chunk)
        yield done
    _forget_the_gone()


def _forget_the_gone() -> None:
    """Entries whose pictures are no more."""
    last = UUID(int=0)
    while True:
        some = SearchEntry.objects.filter(image__gt=last).order_by("image")
        entries = list(some.values_list("image", "owner_id")[:5000])
        if not entries:
            return
        last = entries[-1][0]
        ids = [image for image, _ in entries]
        there = set(Image.objects.filter(pk__in=ids).values_list("pk", flat=True))
        for image, owner in entries:
            if image not in there:
                with transaction.atomic():
                    lock(owner)
                    index(owner, [image])


def _take_up(owner: int) -> None:
    with transaction.atomic():
        lock(owner)
        marks = list(
            SearchMark.objects.filter(owner=owner)
            .order_by("id")
            .values_list("id", "image")[:BATCH]
        )
        index(owner, {image for _, image in marks})
        SearchMark.objects.filter(pk__in=[pk for pk, _ in marks]).delete()


def lock(owner: int) -> None:
    """One at a time for each person: an older text is never written last.

    On SQLite a transaction has the only write lock from its beginning.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            number = owner % 2**31
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK, number])


def index(owner: int, images: Collection[UUID]) -> None:
    """Bring the entries of these pictures up to date; in a transaction."""
    old = {e.image: e for e in SearchEntry.objects.filter(image__in=images)}
    # Their rows may go, with their marks, in the very moment a person is deleted.
    found = _facts(images) if get_user_model().objects.filter(pk=owner).exists() else {}
    entries = [_entry(of, facts, image) for image, (of, facts) in found.items()]
    _part(entries, old)
    counts: Counts = Counter()
    for entry in old.values():
        counts.subtract(_counted(entry))
    for entry in entries:
        counts.update(_counted(entry))
    gone = [image for image in old if image not in found]
    SearchEntry.objects.filter(image__in=gone).delete()
    SearchEntry.objects.bulk_create(
        entries,
        update_conflicts=True,
        unique_fields=["image"],
        update_fields=["owner", "place", "words", "facets"],
    )
    add_counts(counts)


def _entry(owner: int, facts: Facts, image: UUID) -> SearchEntry:
    make = (
        document.for_postgres
        if connection.vendor == "postgresql"
        else document.for_sqlite
    )
    return SearchEntry(
        image=image,
        owner_id=owner,
        place=document.place(facts.created, image),
        words=make(owner, facts),
        facets=document.kept_facets(facts),
    )


def _part(entries: list[SearchEntry], old: dict[UUID, SearchEntry]) -> None:
    """Give pictures of the same moment, which is very rare, places of their own."""
    fresh = []
    for entry in entries:
        before = old.get(entry.image)
        if before and before.place >> TIE_BITS == entry.place >> TIE_BITS:
            entry.place = before.place
        else:
            fresh.append(entry)
    kept = {entry.place for entry in entries} - {entry.place for entry in fresh}
    wanted = SearchEntry.objects.filter(place__in=[entry.place for entry in fresh])
    taken = kept | set(wanted.values_list("place", flat=True))
    for entry in fresh:
        while entry.place in taken:
            entry.place += 1
            if SearchEntry.objects.filter(place=entry.place).exists():
                taken.add(entry.place)
        taken.add(entry.place)


def _counted(entry: SearchEntry) -> Iterable[tuple[int, str, str]]:
    return [(entry.owner_id, kind, value) for kind, value in json.loads(entry.facets)]


def add_counts(counts: Counts) -> None:
    """Add to, or take from, what is counted of each model, tag, month…"""
    # In one order everywhere, so that two of them never wait for each other.
    rows = sorted((*key, change) for key, change in counts.items() if change)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO gallery_facet (owner_id, kind, value, count)"
            " VALUES (%s, %s, %s, %s) ON CONFLICT (owner_id, kind, value)"
            " DO UPDATE SET count = gallery_facet.count + excluded.count",
            rows,
        )


def _facts(images: Collection[UUID]) -> dict[UUID, tuple[int, Facts]]:
    """(owner, facts) of those that are there and not in the trash."""
    found = {
        image.pk: image
        for image in Image.objects.filter(pk__in=images, deleted_at=None).defer(
            "placeholder"
        )
    }
    made = {
        row.image_id: row
        for row in Provenance.objects.filter(image__in=found).only(
            "template_slug", "template_title", "loras"
        )
    }
    tags, albums = _tags(found), _albums(found)
    return {
        pk: (
            image.owner_id,
            facts_of(image, made.get(pk), tags.get(pk, ()), albums.get(pk, ())),
        )
        for pk, image in found.items()
    }


def _tags(images: Collection[UUID]) -> dict[UUID, tuple[str, ...]]:
    rows = Tagged.objects.filter(image__in=images).order_by("tag__name")
    return _grouped(rows.values_list("image", "tag__name"))


def _albums(images: dict[UUID, Image]) -> dict[UUID, tuple[str, ...]]:
    """A person finds their pictures by their own albums, not by another's."""
    rows = AlbumItem.objects.filter(image__in=images).order_by("album__title")
    found = rows.values_list("image", "album__title", "album__owner_id")
    return _grouped((i, title) for i, title, of in found if of == images[i].owner_id)


def _grouped(pairs: Iterable[tuple[UUID, str]]) -> dict[UUID, tuple[str, ...]]:
    found: dict[UUID, tuple[str, ...]] = {}
    for image, name in pairs:
        found[image] = (*found.get(image, ()), name)
    return found


def facts_of(
    image: Image,
    made: Provenance | None,
    tags: tuple[str, ...] = (),
    albums: tuple[str, ...] = (),
) -> Facts:
    return Facts(
        created=image.created,
        prompt=image.prompt,
        negative=image.negative_prompt,
        notes=image.notes,
        title=image.workflow_title or (made.template_title if made else ""),
        slug=made.template_slug if made else "",
        model=image.model,
        loras=tuple(str(lora) for lora in made.loras) if made else (),
        tags=tags,
        albums=albums,
        seed=image.seed,
        media=image.media,
        mime_type=image.mime_type,
        favourite=image.favourite,
        rating=image.rating,
        width=image.width,
        height=image.height,
        uploaded=image.kind == "upload" or (image.job_id is None and made is None),
    )

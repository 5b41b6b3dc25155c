"""Fills a database with pictures and times the gallery's pages in it: see `gallery`.

`python -m benchmarks.gallery_probe SIZE` prints the names of its pages as JSON. For
each name that it reads it asks for that page once, and prints the seconds that it took;
for a name with a "?" how many queries it made, and the tiles in it.
BENCH_KEEP=1 leaves a database that has its rows already as it is.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lifeos.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.urls import reverse  # noqa: E402

from accounts import paging  # noqa: E402
from accounts.models import User  # noqa: E402
from benchmarks import gallery_rows as rows  # noqa: E402
from gallery.models import Image, SearchEntry, SearchMark, Tag  # noqa: E402
from gallery.search import counting, document, schema  # noqa: E402
from lifeos import garbage  # noqa: E402

CHUNK = 20_000
PEOPLE = 12
ENTRY_COLUMNS = ("image", "owner_id", "place", "words", "facets")
SPAN = "date:2024-06..2026-12"
FILTERS = "is:favourite rating:>2 -tag:family"
# The word that is called rare has so many pictures, or the least of all words.
RARE = 25


def main() -> int:
    size = int(sys.argv[1])
    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    if not (os.environ.get("BENCH_KEEP") and User.objects.exists()):
        began = time.monotonic()
        _fill(size)
        told = f"  ({size:,} pictures made in {time.monotonic() - began:.0f} s)"
        print(told, file=sys.stderr, flush=True)
    owner = User.objects.get(username="person0")
    client = Client(SERVER_NAME="localhost")
    client.force_login(owner)
    pages = _pages(owner)
    garbage.spare_what_is_loaded()  # as every web process does
    print(json.dumps(list(pages)), flush=True)
    for line in sys.stdin:
        what, counted, _ = line.rstrip("\n").partition("?")
        look = _count if counted else _time
        print(json.dumps(look(client, pages[what])), flush=True)
    return 0


# Pages ----------------------------------------------------------------------------


def _pages(owner: User) -> dict[str, str]:
    rare = _rare(owner)
    deep = _place_at(owner, 0.3)
    searches = {
        "search, a word of half of the pictures": rows.FREQUENT,
        "search, a rare word": rare,
        "search, a word of the first year only": rows.BYGONE,
        "search, a phrase": f'"{rows.FREQUENT} {rows.vocabulary()[0][3]}"',
        "search, the beginning of a word": f"{rows.vocabulary()[0][0]}*",
        "tag filter": "tag:print",
        "model filter, oldest tag left out": 'model:"model-1" -tag:sketch',
        "combined": f"{rows.FREQUENT} is:favourite size:>600 -tag:family {SPAN}",
        "three filters, few have all": "rating:5 is:favourite tag:wallpaper",
        "nothing found": f"{rows.FREQUENT} is:audio",
        "search, six frequent words together": " ".join(rows.vocabulary()[0][:6]),
        "a word of the first year, three filters": f"{rows.BYGONE} {FILTERS}",
    }
    middle = reverse("gallery:image", args=[_at(owner, 0.5).pk])
    found = {
        "first page": "/gallery/",
        "deep page": "/gallery/?cursor=" + deep,
        "first page, best rated": "/gallery/?order=rating",
    }
    for what, text in searches.items():
        found[what] = "/gallery/?" + urlencode({"q": text})
    found["a word of the first year, best rated"] = "/gallery/?" + urlencode(
        {"q": rows.BYGONE, "order": "rating"}
    )
    found["six frequent words together, best rated"] = "/gallery/?" + urlencode(
        {"q": " ".join(rows.vocabulary()[0][:6]), "order": "rating"}
    )
    found["search, a frequent word, deep page"] = "/gallery/?" + urlencode(
        {"q": rows.FREQUENT, "cursor": _search_cursor(owner, 0.3)}
    )
    found["facets of the gallery"] = "/gallery/facets/"
    found["facets of a search"] = "/gallery/facets/?" + urlencode(
        {"q": f"{rows.FREQUENT} -tag:print"}
    )
    found["viewer"] = middle
    found["viewer, in the search of a frequent word"] = f"{middle}?q={rows.FREQUENT}"
    found["viewer, in the search of a word of the first year"] = (
        f"{middle}?q={rows.BYGONE}"
    )
    found["viewer, similar prompts"] = f"{middle}related/"
    return found


def _rare(owner: User) -> str:
    """The word whose number of pictures is nearest to RARE."""
    counts: Counter[str] = Counter()
    prompts = Image.objects.filter(owner=owner).values_list("prompt", flat=True)
    for prompt in prompts.iterator(chunk_size=CHUNK):
        counts.update(set(prompt.split()))
    return min(counts, key=lambda word: (abs(counts[word] - RARE), word))


def _at(owner: User, part: float) -> Image:
    created = rows.NEWEST - rows.YEARS * part
    mine = Image.objects.owned_by(owner).filter(created__lte=created)
    return mine.newest_first()[0]


def _place_at(owner: User, part: float) -> str:
    return paging.encode(_at(owner, part))


def _search_cursor(owner: User, part: float) -> str:
    from gallery.search import finding

    row = _at(owner, part)
    return finding._encode((0, document.place(row.created, row.pk), row.pk), "newest")


def _count(client: Client, path: str) -> dict[str, object]:
    with CaptureQueriesContext(connection) as caught:
        content = _get(client, path)
    gc.collect()
    # Now: the next request empties the list of queries.
    return {"queries": len(caught), "tiles": content.count(b'class="tile"')}


def _time(client: Client, path: str) -> dict[str, object]:
    began = time.perf_counter()
    _get(client, path)
    return {"seconds": time.perf_counter() - began}


def _get(client: Client, path: str) -> bytes:
    response = client.get(path)
    assert response.status_code == 200, (path, response.status_code)
    return bytes(response.content)


# Rows -----------------------------------------------------------------------------


def _fill(size: int) -> None:
    people = [User.objects.create_user(f"person{n}") for n in range(PEOPLE)]
    owners = [person.pk for person in people]
    tags = {
        (owner, name): Tag.objects.create(owner_id=owner, name=name).pk
        for owner in owners
        for name in rows.TAGS
    }
    postgres = connection.vendor == "postgresql"
    _prepare(postgres)
    source = rows.made(size, owners)
    while chunk := list(islice(source, CHUNK)):
        with transaction.atomic():
            put = _copy if postgres else _insert
            images = map(rows.image_row, chunk)
            put("gallery_image", rows.IMAGE_COLUMNS, images)
            entries = (_entry(row, postgres) for row in chunk)
            put("gallery_searchentry", ENTRY_COLUMNS, entries)
            tagged = (
                (tags[row.owner, name], row.id, row.facts.created)
                for row in chunk
                for name in row.facts.tags
            )
            columns = ("tag_id", "image_id", "created")
            put("gallery_tagged", columns, tagged)
    _finish(postgres)
    counting.recount()
    SearchMark.objects.all().delete()
    assert SearchEntry.objects.count() == size + size // 10


def _entry(row: rows.Made, postgres: bool) -> tuple[object, ...]:
    make = document.for_postgres if postgres else document.for_sqlite
    words = make(row.owner, row.facts)
    place = document.place(row.facts.created, row.id)
    return (row.id, row.owner, place, words, document.kept_facets(row.facts))


WATCHED = ("gallery_image", "gallery_tagged", "gallery_searchentry")


def _prepare(postgres: bool) -> None:
    """Without triggers and the full-text index, which are quicker made at the end."""
    if not postgres:
        schema.remove_triggers(connection)
        return
    with connection.cursor() as cursor:
        for table in WATCHED:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute("DROP INDEX IF EXISTS search_words_by_time")


def _finish(postgres: bool) -> None:
    with connection.cursor() as cursor:
        if not postgres:
            schema.install(connection)
            name = schema.FULL_TEXT
            cursor.execute(f"INSERT INTO {name} ({name}) VALUES ('rebuild')")
            cursor.execute("ANALYZE")
            return
        for table in WATCHED:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        cursor.execute("SET maintenance_work_mem = '1GB'")
        schema.install(connection)
        cursor.execute("VACUUM ANALYZE")


def _copy(
    table: str, columns: tuple[str, ...], some: Iterator[tuple[object, ...]]
) -> None:
    names = ", ".join(f'"{name}"' for name in columns)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy,
    ):
        for row in some:
            copy.write_row(row)


def _insert(
    table: str, columns: tuple[str, ...], some: Iterator[tuple[object, ...]]
) -> None:
    names = ", ".join(f'"{name}"' for name in columns)
    marks = ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        ready: Any = [tuple(map(_plain, row)) for row in some]
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", ready)


def _plain(value: object) -> object:
    """As SQLite keeps it: ids as hex, moments as text in UTC."""
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value


if __name__ == "__main__":
    sys.exit(main())

"""The gallery's share of the pages about people: figures, export, leaving."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.core.files.storage import default_storage
from django.db.models import Count, Sum
from django.template.defaultfilters import filesizeformat

from accounts.models import User
from accounts.parts import Entry, Fact, Part
from gallery.models import Album, Image, Provenance, SavedSearch

FILES = ("file", "thumb_small", "thumb_large")


class GalleryPart(Part):
    def facts(self, people: Sequence[User]) -> Mapping[int, Sequence[Fact]]:
        rows = (
            Image.objects.filter(owner__in=people)
            .values("owner_id")
            .annotate(count=Count("pk"), size=Sum("bytes"))
        )
        return {
            row["owner_id"]: [
                Fact("Pictures", str(row["count"])),
                Fact("Storage", filesizeformat(row["size"])),
            ]
            for row in rows
        }

    def goes(self, person: User) -> Sequence[str]:
        images = Image.objects.filter(owner=person).count()
        albums = Album.objects.filter(owner=person).count()
        return [
            f"{images} picture{'' if images == 1 else 's'}, those in the trash too",
            f"{albums} album{'' if albums == 1 else 's'} and all that you share",
        ]

    def let_go(self, person: User) -> bool:
        """Files first: rows without files are found again, files without rows not."""
        rows = Image.objects.filter(owner=person)
        for names in rows.values_list(*FILES).iterator(chunk_size=500):
            for name in filter(None, names):
                # Gone already, by a run of this task that was cut off.
                with contextlib.suppress(FileNotFoundError):
                    default_storage.delete(name)
        return True

    def export(self, person: User) -> Iterator[Entry]:
        rows = Image.objects.filter(owner=person).prefetch_related("tags")
        for image in rows.order_by("created").iterator(chunk_size=200):
            folder = "trash" if image.deleted_at else "pictures"
            stem = f"{folder}/{image.name.rpartition('.')[0]}"
            yield Entry(f"{stem}.json", _json(_described(image)))
            try:
                content = default_storage.open(str(image.file.name), "rb")
            except OSError:
                yield Entry(f"{stem}.missing.txt", b"The file could not be read.\n")
                continue
            yield Entry(f"{folder}/{image.name}", content)
        yield Entry("albums.json", _json([_album(a) for a in _albums(person)]))
        searches = SavedSearch.objects.filter(owner=person).values("title", "query")
        yield Entry("searches.json", _json(list(searches)))


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str).encode()


def _described(image: Image) -> dict[str, Any]:
    names = (
        "id", "created", "deleted_at", "media", "mime_type", "width", "height",
        "bytes", "sha256", "prompt", "negative_prompt", "seed", "model",
        "workflow_title", "favourite", "rating", "notes", "source_name",
    )  # fmt: skip
    found: dict[str, Any] = {name: getattr(image, name) for name in names}
    found["tags"] = [tag.name for tag in image.tags.all()]
    made = Provenance.objects.filter(image=image).first()
    if made is not None:
        found["template"] = made.template_slug
        found["parameters"] = json.loads(made.parameters_json)
        found["workflow"] = json.loads(made.graph_json)
    return found


def _albums(person: User) -> Any:
    return Album.objects.filter(owner=person).prefetch_related("items")


def _album(album: Album) -> dict[str, Any]:
    items = sorted(album.items.all(), key=lambda item: item.position)
    return {
        "title": album.title,
        "description": album.description,
        "created": album.created,
        "pictures": [item.image_id for item in items],
    }

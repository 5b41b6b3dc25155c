"""/api/gallery/images…"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Field, File, Query, Router, Schema, UploadedFile

from accounts.access import MANAGE, READ
from accounts.errors import BadValues, NotFound
from accounts.http import person
from accounts.models import User
from accounts.paging import newest_first
from gallery import access, marks, tags, uploading
from gallery.file_views import original
from gallery.files.variants import thumbnail
from gallery.models import Image, Provenance
from gallery.search.finding import find, sentences

router = Router(tags=["gallery"])


class ImageOut(Schema):
    """`width` and `height` in pixels; of a sound or a text, of its drawn preview.

    `sha256` is of the original, which `url` leads to.
    """

    id: UUID
    url: str
    thumbnail_url: str
    width: int
    height: int
    mime_type: str
    bytes: int
    sha256: str


class ImageDetailOut(ImageOut):
    """`seed` is a string: it has up to 64 bits, which JSON numbers do not keep
    everywhere. `rating` is 0 to 5, 0 for none.
    """

    job: UUID | None
    prompt: str
    negative_prompt: str
    seed: str
    model: str
    template: str
    created: str
    favourite: bool
    rating: int


class ProvenanceOut(Schema):
    """How the picture was made; `graph` is the workflow as it was sent."""

    template: str
    template_title: str
    version: int
    parameters: dict[str, Any]
    graph: dict[str, Any]
    input_hashes: dict[str, str]
    server: str
    comfyui_version: str
    sampler: str
    scheduler: str
    steps: int | None
    cfg: float | None
    loras: list[str]
    duration_seconds: float | None


class ImageWholeOut(ImageDetailOut):
    notes: str
    tags: list[str]
    provenance: ProvenanceOut | None


class ImagePatch(Schema):
    """What is left out stays; `tags` are all the tags that the picture has then."""

    favourite: bool | None = None
    rating: Annotated[int, Field(ge=0, le=5)] | None = None
    notes: Annotated[str, Field(max_length=5000)] | None = None
    tags: Annotated[list[str], Field(max_length=50)] | None = None


class MarkIn(Schema):
    """`value` is a rating, the name of a tag or the id of an album."""

    ids: Annotated[list[UUID], Field(min_length=1, max_length=marks.MAX_PICTURES)]
    action: str
    value: str = ""


class MarkOut(Schema):
    """`undo` is empty when nothing changed."""

    changed: int
    undo: str
    message: str


class UndoIn(Schema):
    undo: str


class UndoOut(Schema):
    message: str


class ImagesOut(Schema):
    items: list[ImageDetailOut]
    next: str | None


def _fields(image: Image) -> dict[str, object]:
    base = f"/api/gallery/images/{image.pk}"
    return {
        "id": image.pk,
        "url": f"{base}/file",
        "thumbnail_url": f"{base}/thumbnail",
        "width": image.width,
        "height": image.height,
        "mime_type": image.mime_type,
        "bytes": image.bytes,
        "sha256": image.sha256,
    }


def image_out(image: Image) -> ImageOut:
    return ImageOut.model_validate(_fields(image))


def image_detail(image: Image) -> ImageDetailOut:
    more = {
        "job": image.job_id,
        "prompt": image.prompt,
        "negative_prompt": image.negative_prompt,
        "seed": image.seed,
        "model": image.model,
        "template": image.workflow_title,
        "created": image.created.isoformat(),
        "favourite": image.favourite,
        "rating": image.rating,
    }
    return ImageDetailOut.model_validate(_fields(image) | more)


def _provenance_out(made: Provenance) -> ProvenanceOut:
    return ProvenanceOut(
        template=made.template_slug,
        template_title=made.template_title,
        version=made.version_number,
        parameters=made.parameters,
        graph=made.graph,
        input_hashes=made.inputs,
        server=made.server,
        comfyui_version=made.comfyui_version,
        sampler=made.sampler,
        scheduler=made.scheduler,
        steps=made.steps,
        cfg=made.cfg,
        loras=made.loras,
        duration_seconds=made.seconds,
    )


def _image(request: HttpRequest, image_id: UUID) -> Image:
    image = Image.objects.visible_to(person(request)).filter(pk=image_id).first()
    if image is None:
        raise NotFound
    return image


@router.get("/images", auth=READ, response=ImagesOut)
def list_images(
    request: HttpRequest,
    q: Annotated[str, Query(max_length=500)] = "",
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ImagesOut:
    """My pictures, newest first; `q` is a search as on the gallery's page."""
    user = person(request)
    if not q.strip():
        page = newest_first(Image.objects.owned_by(user), cursor, limit)
    else:
        found = find(user, q)
        page = found.page(cursor, limit)
        if not found.ok:
            raise BadValues(q=" ".join(sentences(found.problems)))
    return ImagesOut(items=[image_detail(i) for i in page.items], next=page.next)


class Width(IntEnum):
    """Pixels that a thumbnail may be wide."""

    SMALL = 320
    MEDIUM = 640
    LARGE = 960
    HUGE = 1280


class RefusedOut(Schema):
    name: str
    reason: str


class BroughtOut(Schema):
    items: list[ImageDetailOut]
    refused: list[RefusedOut]


@router.post("/images", auth=MANAGE, response={201: BroughtOut})
def add_images(
    request: HttpRequest, files: File[list[UploadedFile]]
) -> tuple[int, BroughtOut]:
    """Add files of one's own (multipart, `files` repeated).

    `refused` has the reason for each that is not kept; 422 if none is.
    """
    brought = [uploading.bring(person(request), file) for file in files]
    kept = [image_detail(one.image) for one in brought if one.image is not None]
    bad = [one for one in brought if one.image is None]
    if not kept:
        raise BadValues(files=" ".join(f"{one.name}: {one.reason}" for one in bad))
    refused = [RefusedOut(name=one.name, reason=one.reason) for one in bad]
    return 201, BroughtOut(items=kept, refused=refused)


def _whole(image: Image, viewer: User) -> ImageWholeOut:
    told = access.is_told(viewer, image)
    made = Provenance.objects.filter(image=image).first() if told else None
    image = access.shown_to(viewer, image, told)
    mine = image.owner_id == viewer.pk
    named = image.tags.order_by("name").values_list("name", flat=True) if mine else ()
    return ImageWholeOut(
        **image_detail(image).model_dump(),
        notes=image.notes,
        tags=list(named),
        provenance=_provenance_out(made) if made else None,
    )


@router.get("/images/{image_id}", auth=READ, response=ImageWholeOut)
def get_image(request: HttpRequest, image_id: UUID) -> ImageWholeOut:
    """A picture of mine, and how it was made."""
    return _whole(_image(request, image_id), person(request))


@router.patch("/images/{image_id}", auth=MANAGE, response=ImageWholeOut)
def change_image(
    request: HttpRequest, image_id: UUID, values: ImagePatch
) -> ImageWholeOut:
    """Change favourite, rating, notes or tags of a picture of mine."""
    user = person(request)
    with transaction.atomic():
        rows = Image.objects.owned_by(user).filter(pk=image_id)
        image = rows.select_for_update().first()
        if image is None:
            raise NotFound
        plain = values.model_dump(exclude={"tags"}, exclude_none=True)
        if "\0" in plain.get("notes", ""):
            raise BadValues(notes="Notes cannot hold this character.")
        if plain:
            rows.update(**plain)
        if values.tags is not None:
            names = [tags.clean_name(text, "tags") for text in values.tags]
            tags.set_of(image, names)
        image.refresh_from_db()
    return _whole(image, user)


@router.post("/mark", auth=MANAGE, response=MarkOut)
def mark_images(request: HttpRequest, wanted: MarkIn) -> marks.Marked:
    """Change up to 500 pictures of mine at once.

    `action`: favourite, unfavourite, rate, trash, restore, tag, untag, album-add or
    album-remove. The answer's `undo` takes the change back once, within a day.
    """
    return marks.mark(person(request), wanted.ids, wanted.action, wanted.value)


@router.post("/undo", auth=MANAGE, response=UndoOut)
def undo_mark(request: HttpRequest, wanted: UndoIn) -> UndoOut:
    """Take a change of mine back."""
    return UndoOut(message=marks.undo(person(request), wanted.undo))


@router.delete("/images/{image_id}", auth=MANAGE, response={204: None})
def delete_image(request: HttpRequest, image_id: UUID) -> tuple[int, None]:
    """Into the trash."""
    owned = Image.objects.owned_by(person(request)).filter(pk=image_id).first()
    if owned is None:
        raise NotFound
    owned.delete_softly()
    return 204, None


@router.get("/images/{image_id}/file", auth=READ, response={200: bytes})
def get_file(
    request: HttpRequest,
    image_id: UUID,
    download: bool = False,
    metadata: Literal["keep", "strip"] = "keep",
) -> HttpResponseBase:
    """The original, with ranges and an ETag; `strip`: without prompt, EXIF and XMP."""
    image = _image(request, image_id)
    return original(request, image, download=download, metadata=metadata)


@router.get("/images/{image_id}/thumbnail", auth=READ, response={200: bytes})
def get_thumbnail(
    request: HttpRequest,
    image_id: UUID,
    large: bool = False,
    width: Width | None = None,
) -> HttpResponseBase:
    """AVIF or WebP, as `Accept` says: at most 320 pixels wide, or 960 with `large`, or
    `width`.
    """
    image = _image(request, image_id)
    return thumbnail(request, image, str(int(width or (960 if large else 320))))

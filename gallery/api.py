"""/api/gallery/images…"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import File, Query, Router, Schema, UploadedFile

from accounts.errors import BadValues, NotFound
from accounts.http import person
from accounts.paging import newest_first
from gallery import uploading
from gallery.file_views import original
from gallery.files.variants import thumbnail
from gallery.models import Image, Provenance
from gallery.search.finding import find, sentences

router = Router(tags=["gallery"])


class ImageOut(Schema):
    id: UUID
    url: str
    thumbnail_url: str
    width: int
    height: int
    mime_type: str
    bytes: int
    sha256: str


class ImageDetailOut(ImageOut):
    job: UUID | None
    prompt: str
    negative_prompt: str
    # A string: seeds have up to 64 bits, which JSON numbers do not keep everywhere.
    seed: str
    model: str
    template: str
    created: str


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
    provenance: ProvenanceOut | None


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


@router.get("/images", response=ImagesOut)
def list_images(
    request: HttpRequest,
    q: Annotated[str, Query(max_length=500)] = "",
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ImagesOut:
    """My pictures, newest first; `q` is a search as on the gallery's page."""
    user = person(request)
    if not q.strip():
        page = newest_first(Image.objects.visible_to(user), cursor, limit)
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


@router.post("/images", response={201: BroughtOut, 422: BroughtOut})
def add_images(
    request: HttpRequest, files: File[list[UploadedFile]]
) -> tuple[int, BroughtOut]:
    """Add files of one's own (multipart, `files` repeated). 422 if none is kept;
    `refused` has the reason for each that is not.
    """
    brought = [uploading.bring(person(request), file) for file in files]
    kept = [image_detail(one.image) for one in brought if one.image is not None]
    refused = [
        RefusedOut(name=one.name, reason=one.reason)
        for one in brought
        if one.image is None
    ]
    return 201 if kept else 422, BroughtOut(items=kept, refused=refused)


@router.get("/images/{image_id}", response=ImageWholeOut)
def get_image(request: HttpRequest, image_id: UUID) -> ImageWholeOut:
    """A picture of mine, and how it was made."""
    image = _image(request, image_id)
    made = Provenance.objects.filter(image=image).first()
    return ImageWholeOut(
        **image_detail(image).model_dump(),
        provenance=_provenance_out(made) if made else None,
    )


@router.delete("/images/{image_id}", response={204: None})
def delete_image(request: HttpRequest, image_id: UUID) -> tuple[int, None]:
    _image(request, image_id).delete_softly()
    return 204, None


@router.get("/images/{image_id}/file", response={200: bytes})
def get_file(
    request: HttpRequest,
    image_id: UUID,
    download: bool = False,
    metadata: Literal["keep", "strip"] = "keep",
) -> HttpResponseBase:
    """The original, with ranges and an ETag; `strip`: without prompt, EXIF and XMP."""
    image = _image(request, image_id)
    return original(request, image, download=download, metadata=metadata)


@router.get("/images/{image_id}/thumbnail", response={200: bytes})
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

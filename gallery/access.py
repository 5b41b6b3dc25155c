"""Who may have what of a picture; 404 for everybody else, as if it did not exist.

Three circles: the owner, who alone changes it; whoever is told its prompt, and so may
have the original, which says it too; and whoever may only look.
"""

from __future__ import annotations

from uuid import UUID

from django.db.models.fields.files import FieldFile
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from accounts.models import User
from gallery.models import Image


def owned(request: HttpRequest, pk: UUID) -> Image:
    """The person's own picture."""
    return get_object_or_404(Image.objects.owned_by(request.user), pk=pk)


def told(request: HttpRequest, pk: UUID) -> Image:
    """A picture whose prompt, workflow and original this person may have."""
    return get_object_or_404(Image.objects.told_to(request.user), pk=pk)


def visible(request: HttpRequest, pk: UUID) -> Image:
    """A picture that this person may look at."""
    return get_object_or_404(Image.objects.visible_to(request.user), pk=pk)


def is_told(user: User, image: Image) -> bool:
    """Whether this person may know the prompt; costs a query for others' pictures."""
    if image.owner_id == user.pk:
        return True
    return Image.objects.told_to(user).filter(pk=image.pk).exists()


def file_for(user: User, image: Image) -> tuple[FieldFile, str, str]:
    """(file, MIME type, ETag) that this person gets for "the file".

    The original holds prompt and workflow. Whoever is not told them gets the large
    preview, which holds nothing but the picture.
    """
    if is_told(user, image):
        return image.file, image.mime_type, image.sha256
    return image.thumb_large, "image/webp", f"{image.sha256[:32]}-large"


def shown_to(user: User, image: Image, told: bool) -> Image:
    """The picture, unsaved, without what this person must not know of it.

    What somebody thinks of their picture is theirs alone; how they made it they may
    tell.
    """
    if image.owner_id == user.pk:
        return image
    image.favourite, image.rating = False, 0
    image.notes = image.source_name = ""
    image.job = None
    if not told:
        for name in ("prompt", "negative_prompt", "seed", "model", "workflow_title"):
            setattr(image, name, "")
    return image

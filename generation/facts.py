"""What a file that somebody brings says of its making."""

from __future__ import annotations

from gallery.files import Seekable
from gallery.models import Image
from generation import metadata

MAX_MODEL = 300


def fill(file: Seekable, image: Image) -> None:
    """Set the prompts, seed and model, if the file carries them."""
    try:
        found = metadata.read(file)
    except metadata.NoSettings:
        return
    image.prompt = found.prompt
    image.negative_prompt = found.negative_prompt
    image.seed = "" if found.seed is None else str(found.seed)
    image.model = found.model[:MAX_MODEL]

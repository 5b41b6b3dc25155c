"""A gallery of many pictures, made inside a running deployment's database."""

from __future__ import annotations

import io
import os
import pickle
import random
import uuid
from datetime import timedelta
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from PIL import Image as Pillow
from PIL import ImageDraw

from accounts.models import User
from gallery import files
from gallery.models import Image

SHAPES = [(832, 1216), (1216, 832), (1024, 1024), (1344, 768), (768, 1344)]
WORDS = ["lighthouse at dusk", "market in the rain", "fox in tall grass", "glass dome"]


def draw(seed):
    """A landscape of three hills under a sky, never the same twice."""
    dice = random.Random(seed)
    width, height = SHAPES[seed % len(SHAPES)]
    sky, ground = dice.randrange(360), dice.randrange(360)
    picture = Pillow.new("HSV", (1, height))
    for y in range(height):
        picture.putpixel((0, y), (sky * 255 // 360, 90, 250 - 120 * y // height))
    picture = picture.resize((width, height)).convert("RGB")
    pen = ImageDraw.Draw(picture)
    x, y, r = dice.randrange(width), dice.randrange(height // 2), width // 9
    pen.ellipse((x - r, y - r, x + r, y + r), fill="#fff3d6")
    for hill in range(3):
        top = height * (5 + hill) // 9
        points = [
            (x, top + dice.randrange(height // 7)) for x in range(0, width + 99, 99)
        ]
        colour = f"hsl({ground}, {30 + 8 * hill}%, {46 - 12 * hill}%)"
        pen.polygon([*points, (width + 99, height), (0, height)], fill=colour)
    return picture


def made(seed):
    """(width, height, PNG, thumbnails); drawn once for all tests of a run, since that
    takes longer than most of what they do with it.
    """
    prepared = os.environ.get("TEST_PREPARED")
    known = Path(prepared).with_name(f"picture-{seed}") if prepared else None
    if known and known.exists():
        return pickle.loads(known.read_bytes())
    out = io.BytesIO()
    picture = draw(seed)
    picture.save(out, "PNG")
    found = (*picture.size, out.getvalue(), files.thumbnails(out))
    if known:
        fresh = known.with_name(f"{known.name}-{os.getpid()}")
        fresh.write_bytes(pickle.dumps(found))
        fresh.rename(known)
    return found


def kept(owner, seed):
    """Columns of a stored picture with its thumbnails."""
    width, height, original, thumbs = made(seed)
    pk = uuid.uuid4()

    def keep(name, data):
        return default_storage.save(files.key(owner.pk, pk, name), ContentFile(data))

    return {
        "file": keep("original.png", original),
        "thumb_small": keep("320.webp", thumbs.small),
        "thumb_large": keep("960.webp", thumbs.large),
        "placeholder": thumbs.placeholder,
        "sha256": f"{seed:064x}",
        "bytes": len(original),
        "width": width,
        "height": height,
        "mime_type": "image/png",
    }


def seed(name, count, stacks=0):
    """`count` pictures of this person, 40 a day, and `stacks` newer stacks of four.

    Few files for many rows: what is tested is the page.
    """
    owner = User.objects.get(username=name)
    drawn = [kept(owner, n) for n in range(min(count, 10))]
    now = timezone.now().replace(hour=12, minute=0) - timedelta(days=1)

    def row(number, **fields):
        created = now - timedelta(days=number // 40, minutes=number % 40)
        fields = {"created": created, "index": number, "node": "9"} | fields
        prompt = f"{WORDS[number % 4]}, number {number}"
        return Image(
            owner=owner,
            kind="images",
            prompt=prompt,
            **drawn[number % len(drawn)],
            **fields,
        )

    Image.objects.bulk_create([row(n) for n in range(count)], batch_size=200)
    for number in range(stacks):
        stack = uuid.uuid4()
        for index in range(4):
            created = now + timedelta(hours=number, seconds=index)
            row(index * 3 + number, stack=stack, created=created).save()

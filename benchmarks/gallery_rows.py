"""Pictures by the hundred thousand, as a gallery of some years would have them."""

from __future__ import annotations

import bisect
import itertools
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from gallery.search.document import Facts

NEWEST = datetime(2026, 11, 20, 12, tzinfo=UTC)
YEARS = timedelta(days=3 * 365)
WORDS, FREQUENT = 6_000, "masterpiece"
# A word of the first year only, then in a third of the pictures: the order of age, in
# which pages are read, has none of it for most of its length.
BYGONE = "bygone"
TAGS = ("print", "client work", "family", "wallpaper", "sketch", "reference")
MODELS = [f"checkpoints/model-{n}.safetensors" for n in range(12)]
LORAS = [f"style-{n}.safetensors" for n in range(30)]
TITLES = ("Text to image", "Portrait", "Landscape", "Upscale", "Product shot")
SIZES = ((512, 512), (768, 512), (1024, 1024), (832, 1216), (1536, 1024), (2048, 2048))
# A blurred picture of the usual size, for the page's and the rows' weight.
PLACEHOLDER = "data:image/webp;base64," + "A" * 120


@dataclass(frozen=True, slots=True)
class Made:
    """A picture's row and what is indexed of it."""

    id: uuid.UUID
    owner: int
    facts: Facts


@cache
def vocabulary() -> tuple[list[str], list[float]]:
    """Words, and the running sum of their weights by Zipf's law."""
    syllables = [a + b for a in "bdfgklmnprstv" for b in "aeiou"]
    chosen = random.Random(5)
    words = dict.fromkeys(
        "".join(chosen.choices(syllables, k=chosen.randint(2, 4)))
        for _ in range(WORDS * 2)
    )
    found = list(words)[:WORDS]
    return found, list(itertools.accumulate(1 / (n + 8) for n in range(len(found))))


def made(size: int, owners: list[int]) -> Iterator[Made]:
    """`size` pictures of the first person and a tenth of that of the others."""
    chance = random.Random(size)
    words, weights = vocabulary()
    total = size + size // 10
    step = YEARS / total
    for n in range(total):
        mine = n % 11 != 10
        owner = owners[0] if mine else owners[1 + n // 11 % (len(owners) - 1)]
        picked = [
            words[bisect.bisect(weights, chance.random() * weights[-1])]
            for _ in range(chance.randint(6, 20))
        ]
        if chance.random() < 0.5:
            picked.insert(0, FREQUENT)
        if n < total // 3 and chance.random() < 0.33:
            picked.append(BYGONE)
        wide, high = chance.choice(SIZES)
        created = NEWEST - YEARS + step * n
        facts = Facts(
            created=created,
            prompt=" ".join(picked),
            negative="blurry, low quality" if chance.random() < 0.7 else "",
            title=chance.choice(TITLES),
            slug="text-to-image",
            model=MODELS[min(int(chance.expovariate(0.4)), len(MODELS) - 1)],
            loras=(chance.choice(LORAS),) if chance.random() < 0.3 else (),
            tags=tuple(tag for tag in TAGS if chance.random() < 0.02),
            seed=str(chance.getrandbits(48)),
            media="video" if chance.random() < 0.01 else "picture",
            favourite=chance.random() < 0.05,
            rating=chance.choice((0,) * 15 + (1, 2, 3, 4, 5)),
            width=wide,
            height=high,
        )
        yield Made(uuid.UUID(int=chance.getrandbits(128), version=4), owner, facts)


def image_row(row: Made) -> tuple[object, ...]:
    """The values of IMAGE_COLUMNS."""
    facts = row.facts
    key = f"{row.owner}/{row.id}"
    return (
        *(row.id, row.owner, "9", "images", 0, facts.media, f"{key}/original.png"),
        *(f"{key}/320.webp", f"{key}/960.webp", PLACEHOLDER, row.id.hex * 2, 1_500_000),
        *(facts.width, facts.height, facts.mime_type, "", facts.prompt),
        *(facts.negative, facts.seed, facts.model, facts.title, facts.favourite),
        *(facts.rating, facts.notes, facts.created, True, False, "local"),
    )


IMAGE_COLUMNS = (
    *("id", "owner_id", "node", "kind", "index", "media", "file"),
    *("thumb_small", "thumb_large", "placeholder", "sha256", "bytes"),
    *("width", "height", "mime_type", "source_name", "prompt"),
    *("negative_prompt", "seed", "model", "workflow_title", "favourite"),
    *("rating", "notes", "created", "leads", "private", "home"),
)

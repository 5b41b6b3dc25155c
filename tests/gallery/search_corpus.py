"""Pictures to search, queries about them, and what plain Python says matches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from gallery.models import Album, AlbumItem, Image, Tag, Tagged
from gallery.search import fields, words
from gallery.search.document import Facts
from gallery.search.language import And, Filter, Not, Or, Text

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
VOCABULARY = [
    *("castle", "Castle", "dragon", "dragons", "élan", "ELAN", "猫", "東京の夜"),
    *("naïve", "straße", "1024x768", "(red:1.2)", "night-sky", "lo_fi", "8k", "don't"),
    *("Ωmega", "छवि", "café\u0301", "½", "OR-gate"),
]
MODELS = ("SDXL/dreamshaper_8.safetensors", "flux1-dev.safetensors", "")
TAGS = ("Sea side", "sea", "To print", "ÉTÉ", "🔥 hot")


def corpus(owner, count=60):
    """So many pictures, with every sort of value."""
    tags = [Tag.objects.create(owner=owner, name=name) for name in TAGS]
    album = Album.objects.create(owner=owner, title="Holidays 2026")
    made = []
    for n in range(count):
        picked = [
            VOCABULARY[(n * k + k) % len(VOCABULARY)] for k in range(1, 2 + n % 6)
        ]
        image = Image.objects.create(
            owner=owner,
            **blank(n),
            created=NOW - timedelta(days=n * 9, minutes=n * 37),
            prompt=" ".join(picked),
            negative_prompt=VOCABULARY[n % 7],
            notes="to print, big" if n % 5 == 0 else "",
            workflow_title=("Text to image", "Portrait study", "")[n % 3],
            model=MODELS[n % 3],
            seed=str(1000 + n * n),
            media=("picture", "picture", "video", "animation", "audio")[n % 5],
            mime_type=("image/png", "image/jpeg", "video/mp4")[n % 3],
            favourite=n % 4 == 0,
            rating=n % 6,
            width=(512, 1024, 1537, 4096)[n % 4],
            height=(768, 1024, 64)[n % 3],
        )
        for k, tag in enumerate(tags):
            if n % (k + 3) == 0:
                Tagged.objects.create(tag=tag, image=image, created=image.created)
        if n % 7 == 0:
            AlbumItem.objects.create(album=album, image=image, position=n)
        made.append(image)
    return made


def blank(index=0, kind="images"):
    return {
        **{"node": "9", "kind": kind, "index": index, "file": "a.png"},
        **{"thumb_small": "b.webp", "thumb_large": "c.webp", "placeholder": ""},
        **{"sha256": "0" * 64, "bytes": 10},
    }


def matches(node, facts: Facts, today) -> bool:
    """The language's meaning, read from the picture itself, without an index."""
    match node:
        case None:
            return True
        case Not():
            return not matches(node.part, facts, today)
        case And():
            return all(matches(part, facts, today) for part in node.parts)
        case Or():
            return any(matches(part, facts, today) for part in node.parts)
        case Text():
            texts = [facts.prompt, facts.title, facts.notes, *facts.tags]
            return _said(texts, node.value, node.open)
        case Filter():
            return _filtered(node, facts, today)


def _said(texts, value, is_open):
    wanted = words.words(value)
    return any(_in(wanted, words.words(text), is_open) for text in texts)


def _in(wanted, there, is_open):
    size = len(wanted)
    for at in range(len(there) - size + 1):
        part = there[at : at + size]
        same = part[:-1] == wanted[:-1]
        last = part[-1].startswith(wanted[-1]) if is_open else part[-1] == wanted[-1]
        if same and last:
            return True
    return False


def _named(names, found):
    value = words.key(found.value)
    return any(
        words.key(n).startswith(value) if found.open else words.key(n) == value
        for n in names
    )


def _filtered(found, facts, today):
    opened = found.open or not found.phrase
    match found.name:
        case "model":
            return _said([facts.model], found.value, opened)
        case "lora":
            return _said(facts.loras, found.value, opened)
        case "template":
            return _said([facts.slug, facts.title], found.value, opened)
        case "neg":
            return _said([facts.negative], found.value, found.open)
        case "tag":
            return _named(facts.tags, found)
        case "album":
            return _named(facts.albums, found)
        case "is":
            return fields.flag(found) in facts.flags
        case "type":
            return fields.flag(found) in facts.types
        case "seed":
            if found.open:
                return facts.seed.startswith(found.value)
            return facts.seed == found.value
        case "rating":
            return _within(fields.ratings(found), facts.rating)
        case "date":
            return _within(fields.days(found, today), facts.day)
        case "size" if both := fields.pixels(found):
            return both == (facts.width, facts.height)
        case "size":
            return _within(fields.numbers(found), max(facts.width, facts.height))
        case "width":
            return _within(fields.numbers(found), facts.width)
        case "height":
            return _within(fields.numbers(found), facts.height)


def _within(bounds, value):
    return bounds[0] <= value <= bounds[1]


# Queries --------------------------------------------------------------------------

_word = st.sampled_from(
    [
        *(word for word in VOCABULARY if "(" not in word),
        *("print", "text", "image", "sea", "big", "zebra", "red"),
    ]
)
_compare = st.sampled_from(["", ">", ">=", "<", "<=", "="])
_number = st.one_of(
    st.sampled_from([63, 64, 511, 512, 768, 1023, 1024, 1025, 1537, 4095, 4096]),
    st.integers(0, 99_999),
)
_day = st.dates(NOW.date() - timedelta(days=800), NOW.date() + timedelta(days=40))
_period = st.one_of(
    _day.map(str),
    _day.map(lambda d: f"{d:%Y-%m}"),
    _day.map(lambda d: f"{d:%Y}"),
)


def _joined(name, compare, value):
    return st.builds(lambda c, v: f"{name}:{c}{v}", compare, value)


_text = st.one_of(
    _word,
    _word.map(lambda w: w + "*"),
    _word.map(lambda w: w[:2] + "*"),
    st.lists(_word, min_size=1, max_size=3).map(lambda some: f'"{" ".join(some)}"'),
    st.tuples(_word, _word).map(lambda pair: f'"{pair[0]} {pair[1][:1]}"*'),
)
_EXAMPLES = """
model:dream model:flux1 model:sdxl model:safetensors model:8 lora:x template:portrait
template:text-to template:study neg:castle neg:dra* tag:sea tag:SEA tag:s* tag:été
album:holidays album:h* is:favourite is:video is:tagged is:untagged is:unrated is:square
is:portrait is:noted is:upload is:made type:png type:jpg type:video type:mp4
size:1024x1024 size:512x768 seed:1001 seed:10* date:today date:yesterday date:7d date:6m
date:1y
"""
_QUOTED = [
    *('tag:"sea side"', 'tag:"🔥 hot"', 'model:"flux1-dev.safetensors"'),
    *('model:"flux"', 'album:"holidays 2026"', 'template:"text to image"'),
]
_filter = st.one_of(
    st.sampled_from(_EXAMPLES.split()),
    st.sampled_from(_QUOTED),
    _joined("rating", _compare, st.integers(0, 5)),
    _joined("date", _compare, _period),
    st.builds(lambda a, b: f"date:{a}..{b}", _period, _period),
    *(_joined(name, _compare, _number) for name in ("size", "width", "height")),
    st.builds(lambda a, b: f"size:{a}..{b}", _number, _number),
)
_one = st.one_of(_text, _filter)
_more = st.recursive(
    _one,
    lambda inner: st.one_of(
        inner.map(lambda q: f"-({q})"),
        inner.map(lambda q: f"({q})"),
        st.tuples(inner, inner).map(" ".join),
        st.tuples(inner, inner).map(" OR ".join),
    ),
    max_leaves=8,
)
queries = st.one_of(_one, _one.map(lambda q: f"-{q}"), _more)
# What people type who do not know the language, or know it too well.
scraps = st.lists(
    st.one_of(
        st.sampled_from(
            ['"', "(", ")", "-", "OR", "AND", "NOT", "*", ":", ">", "..", "|", "'", "&"]
        ),
        queries,
        st.text(max_size=6),
        st.sampled_from([f"{name}:" for name in fields.FIELDS]),
    ),
    max_size=8,
).flatmap(lambda some: st.sampled_from([" ".join(some), "".join(some)]))

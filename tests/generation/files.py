"""Files that carry workflows, written as ComfyUI writes them, for tests."""

from __future__ import annotations

import io
import json
import struct
import zlib

from PIL import Image as Pillow
from PIL import PngImagePlugin

PNG = b"\x89PNG\r\n\x1a\n"


def png(chunks, *, packed=False, itxt=False):
    info = PngImagePlugin.PngInfo()
    for name, value in chunks.items():
        text = value if isinstance(value, str) else json.dumps(value)
        add = info.add_itxt if itxt else info.add_text
        add(name, text, zip=packed)
    out = io.BytesIO()
    Pillow.new("RGB", (4, 4)).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def webp(prompt, workflow=None):
    exif = Pillow.Exif()
    exif[0x0110] = f"prompt:{json.dumps(prompt)}"
    if workflow is not None:
        exif[0x010F] = f"workflow:{json.dumps(workflow)}"
    out = io.BytesIO()
    Pillow.new("RGB", (4, 4)).save(out, "WEBP", exif=exif)
    return out.getvalue()


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def mp4(texts):
    """Keys of their own, as PyAV writes them with `use_metadata_tags`."""
    keys = b"".join(
        struct.pack(">I", len(name) + 8) + b"mdta" + name.encode() for name in texts
    )
    items = b"".join(
        box(struct.pack(">I", number), _data(json.dumps(value)))
        for number, value in enumerate(texts.values(), 1)
    )
    meta = box(
        b"meta",
        bytes(4),
        box(b"hdlr", bytes(25)),
        box(b"keys", bytes(4), struct.pack(">I", len(texts)), keys),
        box(b"ilst", items),
    )
    return _film(box(b"udta", meta))


def mp4_comment(text):
    item = box(b"\xa9cmt", _data(text))
    return _film(
        box(
            b"udta", box(b"meta", bytes(4), box(b"hdlr", bytes(25)), box(b"ilst", item))
        )
    )


def _data(text):
    return box(b"data", struct.pack(">II", 1, 0), text.encode())


def _film(*parts):
    return (
        box(b"ftyp", b"isom", bytes(4))
        + box(b"free", bytes(40))
        + box(b"moov", box(b"mvhd", bytes(100)), *parts)
    )


def png_chunk(kind, data):
    crc = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + crc

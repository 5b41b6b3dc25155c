"""Files that want to do harm, and files that are broken, made anew for each run."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from PIL import Image as Pillow
from PIL import PngImagePlugin

SCRIPT = b"<script>alert(document.cookie)</script>"
PNG = b"\x89PNG\r\n\x1a\n"
NOISE = bytes(range(256)) * 40


def gradient(size=(200, 100)):
    return Pillow.linear_gradient("L").resize(size).convert("RGB")


def saved(kind, picture=None, **options):
    out = io.BytesIO()
    (picture or gradient()).save(out, kind, **options)
    return out.getvalue()


def chunk(kind, data):
    crc = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + crc


def png(*chunks, size=(8, 8)):
    """A grey PNG with these chunks before its pixels."""
    header = struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (size[0] + 1) * min(size[1], 64))
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    return PNG + b"".join(parts)


def zipped(name="../../../etc/cron.d/evil", content=b"x"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr(name, content)
    return out.getvalue()


def gif_with(extension):
    """A GIF with an extension before its end."""
    return saved("GIF")[:-1] + extension + b";"


def gif_comment(text):
    return b"!\xfe" + bytes([len(text)]) + text + b"\0"


def gif_frames(count, size=(1, 1)):
    """So many frames, of the same eleven bytes each."""
    screen = (
        b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    )
    frame = b"," + struct.pack("<HHHHB", 0, 0, *size, 0) + b"\x02\x02\x44\x01\0"
    return screen + frame * count + b";"


def apng_frames(count):
    control = struct.pack(">IIIIIHHBB", 0, 1, 1, 0, 0, 1, 10, 0, 0)
    many = [
        chunk(b"acTL", struct.pack(">II", count, 0)),
        *[chunk(b"fcTL", control)] * count,
    ]
    return png(*many, size=(1, 1))


def riff(kind, *parts):
    body = b"".join(
        k + struct.pack("<I", len(d)) + d + b"\0" * (len(d) % 2) for k, d in parts
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + kind + body


def webp_huge():
    """A header that claims 16,000 × 16,000 pixels, twice."""
    size = (15_999).to_bytes(3, "little")
    return riff(b"WEBP", (b"VP8X", b"\x02\0\0\0" + size + size), (b"ANIM", bytes(6)))


def webp_frames(count):
    """Each frame claims the whole canvas."""
    size = (4_999).to_bytes(3, "little")
    frame = bytes(6) + size + size + b"\x01\0\0\0"
    return riff(
        b"WEBP",
        (b"VP8X", b"\x02\0\0\0" + size + size),
        (b"ANIM", bytes(6)),
        *[(b"ANMF", frame + b"VP8L\0\0\0\0")] * count,
    )


def jpeg_with(marker, content, at=2):
    whole = saved("JPEG")
    return (
        whole[:at] + marker + struct.pack(">H", len(content) + 2) + content + whole[at:]
    )


def jpeg_js():
    """A script that begins with the bytes of a JPEG: the length of its header opens a
    comment, and the end of the file closes it.
    """
    body = saved("JPEG")[20:]
    hidden = b"JFIF\0\x01\x01\0\0\1\0\1\0\0"
    filler = b"*/=alert(1);/*".ljust(0x2F2A - 2 - len(hidden), b" ")
    return b"\xff\xd8\xff\xe0\x2f\x2a" + hidden + filler + body


def text_bomb():
    """A text of 128 megabytes, packed."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b"A" * (1 << 20)) for _ in range(128))
    packed += packer.flush()
    return png(chunk(b"zTXt", b"prompt\0\0" + packed))


def icc_bomb():
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b"\0" * (1 << 20)) for _ in range(128))
    return png(chunk(b"iCCP", b"icc\0\0" + packed + packer.flush()))


def pixel_bomb():
    """A few kilobytes that are 400 megapixels, and say so."""
    return png(size=(20_000, 20_000))


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


HLS = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\nhttp://169.254.169.254/\n"
CONCAT = b"ffconcat version 1.0\nfile '/etc/passwd'\n"
SVG = (
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
)

# What each is called, and its content. Names are what an attacker would write there.
BAD = {
    "no bytes": ("a.png", lambda: b""),
    "header alone": ("a.png", lambda: PNG),
    "png cut off": ("a.png", lambda: saved("PNG", gradient((500, 500)))[:-600]),
    "png without its end": ("a.png", lambda: saved("PNG")[:-12]),
    "jpeg cut off": ("a.jpg", lambda: saved("JPEG", gradient((500, 500)))[:1200]),
    "webp cut off": ("a.webp", lambda: saved("WEBP", gradient((500, 500)))[:-40]),
    "gif cut off": ("a.gif", lambda: saved("GIF", gradient((300, 300)))[:-300]),
    "avif cut off": ("a.avif", lambda: saved("AVIF", gradient((500, 500)))[:-90]),
    "png bomb of pixels": ("a.png", pixel_bomb),
    "png bomb of text": ("a.png", text_bomb),
    "png bomb of a profile of colours": ("a.png", icc_bomb),
    "png with 60,000 frames": ("a.png", lambda: apng_frames(60_000)),
    "gif with 100,000 frames": ("a.gif", lambda: gif_frames(100_000)),
    "gif with large frames": ("a.gif", lambda: gif_frames(9_000, (5_000, 5_000))),
    "webp of 256 megapixels": ("a.webp", webp_huge),
    "webp with large frames": ("a.webp", lambda: webp_frames(5_000)),
    "html called png": ("a.png", lambda: b"<!doctype html>" + SCRIPT),
    "html with blanks first": ("a.png", lambda: b"\n\n  <HTML>" + SCRIPT),
    "svg with script": ("a.svg", lambda: SVG),
    "svg called jpg": ("a.jpg", lambda: SVG[21:]),
    "gif and html": ("a.gif", lambda: gif_with(gif_comment(SCRIPT))),
    "gif with html behind": ("a.gif", lambda: saved("GIF") + SCRIPT),
    "png and zip": ("a.png", lambda: saved("PNG") + zipped()),
    "webp with html behind": ("a.webp", lambda: saved("WEBP") + SCRIPT),
    "jpeg and zip": ("a.jpg", lambda: saved("JPEG") + zipped()),
    "jpeg and javascript": ("a.jpg", jpeg_js),
    "jpeg with html in a comment": ("a.jpg", lambda: jpeg_with(b"\xff\xfe", SCRIPT)),
    "jpeg with a picture and html behind": (
        "a.jpg",
        lambda: saved("JPEG") + saved("JPEG") + SCRIPT,
    ),
    "avif with a box of ours": ("a.avif", lambda: saved("AVIF") + box(b"evil", SCRIPT)),
    "zip": ("a.png", zipped),
    "zip of pictures": ("a.zip", lambda: zipped("a.png", saved("PNG"))),
    "hls playlist": ("a.mp4", lambda: HLS),
    "concat script": ("a.mp4", lambda: CONCAT),
    "film without tracks": ("a.mp4", lambda: box(b"ftyp", b"isom", bytes(4))),
    "film with a playlist behind": (
        "a.mp4",
        lambda: box(b"ftyp", b"isom", bytes(4)) + HLS,
    ),
    "matroska of nothing": ("a.mkv", lambda: b"\x1a\x45\xdf\xa3\x84" + bytes(4)),
    "wav cut off": ("a.wav", lambda: riff(b"WAVE", (b"fmt ", bytes(16)))[:-4]),
    "id3 and nothing": ("a.mp3", lambda: b"ID3\x04\0\0\0\0\0\x10" + b"<html>" * 9),
    "glb of another length": (
        "a.glb",
        lambda: b"glTF" + struct.pack("<II", 2, 99) + bytes(30),
    ),
    "shell script": ("a.txt", lambda: b"#!/bin/sh\nrm -rf /\n"),
    "pdf": ("a.png", lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
    "tiff": ("a.tif", lambda: saved("TIFF")),
    "executable": ("a.png", lambda: b"\x7fELF\x02\x01\x01" + bytes(200)),
    "null bytes": ("a\x00.png", lambda: bytes(5000)),
}


# Odd, but pictures: they are kept, and what is wrong in them does nothing.
def absurd_exif():
    """A directory that says it has 65,535 entries, and leads back to itself."""
    loop = (
        b"MM\0*\0\0\0\x08"
        + b"\xff\xff"
        + b"\x01\x12\0\x03\xff\xff\xff\xff\0\0\0\x08" * 30
    )
    return jpeg_with(b"\xff\xe1", b"Exif\0\0" + loop)


def html_in_text():
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", SCRIPT.decode())
    return saved("PNG", pnginfo=info)


ODD = {
    "exif that loops": absurd_exif,
    "exif of noise": lambda: jpeg_with(
        b"\xff\xe1", b"Exif\0\0" + bytes(range(256)) * 40
    ),
    "profile of noise": lambda: saved("PNG", icc_profile=bytes(range(256)) * 40),
    "a prompt that is html": html_in_text,
    "zeros behind it": lambda: saved("PNG") + bytes(64),
    "another jpeg behind it, as cameras do": lambda: saved("JPEG") + saved("JPEG"),
}
NAMES = [
    "../../../etc/passwd",
    "..\\..\\windows\\system32\\evil.png",
    "a\x00.png.html",
    "photo\u202egnp.exe",
    "/absolute.png",
    "line\r\nSet-Cookie: a=b.png",
    'quote".png',
    "." * 300,
    "x" * 5000 + ".png",
    "",
]

"""What a file is, is told by its content; what is no picture is refused."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest
from PIL import Image

from gallery.files import BadPicture, inspect, thumbnails
from tests import make

MAX = 50_000_000


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def gradient(size=(200, 100)):
    return Image.linear_gradient("L").resize(size).convert("RGB")


def bomb():
    """A PNG whose header claims 60,000 × 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def archive():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("../../evil.png", make.png())
    return out.getvalue()


BAD = {
    "empty": b"",
    "html": b"<!doctype html><script>alert(1)</script>",
    "svg with script": b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
    "cut off png": saved(gradient((500, 500)), "PNG")[:-600],
    "cut off jpeg": saved(gradient((500, 500)), "JPEG")[:1200],
    "bomb": bomb(),
    "zip": archive(),
    "text": b"not a picture",
    "header only": b"\x89PNG\r\n\x1a\n",
    "pdf": b"%PDF-1.7\n",
    "tiff": saved(gradient(), "TIFF"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_a_reason(name):
    with pytest.raises(BadPicture) as caught:
        inspect(io.BytesIO(BAD[name]), max_pixels=MAX)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("kind", "mime"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("WEBP", "image/webp"),
        ("AVIF", "image/avif"),
        ("GIF", "image/gif"),
    ],
)
def test_each_format_is_known_by_its_content(kind, mime):
    seen = inspect(io.BytesIO(saved(gradient(), kind)), max_pixels=MAX)
    assert (seen.mime_type, seen.width, seen.height) == (mime, 200, 100)
    assert not seen.animated


def test_the_limit_of_pixels_is_kept():
    content = io.BytesIO(make.png((100, 100)))
    assert inspect(content, max_pixels=10_000).width == 100
    with pytest.raises(BadPicture):
        inspect(content, max_pixels=9_999)


def small(content):
    return Image.open(io.BytesIO(thumbnails(io.BytesIO(content)).small))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_becomes_a_thumbnail(mode):
    content = saved(gradient((700, 350)).convert("RGB").convert(_via(mode)), "PNG")
    thumb = small(content)
    assert (thumb.format, thumb.size) == ("WEBP", (320, 160))


def _via(mode):
    return "L" if mode == "I;16" else mode


def test_sixteen_bits_keep_their_brightness():
    picture = Image.new("I;16", (40, 40), 32768)
    level = small(saved(picture, "PNG")).convert("L").getpixel((20, 20))
    assert 118 <= level <= 138


def test_cmyk_jpegs_become_rgb():
    content = saved(Image.new("CMYK", (50, 50), (255, 0, 0, 0)), "JPEG")
    red, _green, blue = small(content).convert("RGB").getpixel((25, 25))
    assert blue > red


def test_transparency_is_kept():
    content = saved(Image.new("RGBA", (50, 50), (255, 0, 0, 0)), "PNG")
    assert small(content).mode == "RGBA"


def test_exif_orientation_turns_picture_and_size():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    content = saved(gradient((200, 100)), "JPEG", exif=exif)
    seen = inspect(io.BytesIO(content), max_pixels=MAX)
    assert (seen.width, seen.height) == (100, 200)
    assert small(content).size == (100, 200)


@pytest.mark.parametrize(
    ("size", "thumb"), [((1, 1), (1, 1)), ((8000, 10), (320, 1)), ((10, 8000), None)]
)
def test_odd_sizes_are_never_enlarged(size, thumb):
    made = small(make.png(size))
    assert made.width <= min(size[0], 320)
    assert made.height >= 1
    if thumb:
        assert made.size == thumb


def test_the_placeholder_is_tiny_and_complete():
    placeholder = thumbnails(io.BytesIO(saved(gradient(), "PNG"))).placeholder
    assert placeholder.startswith("data:image/webp;base64,")
    assert len(placeholder) < 600

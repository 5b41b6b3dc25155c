"""Files that people bring: kept by content, refused with a sentence."""

from __future__ import annotations

import io

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image as Pillow

from generation import media
from generation.fields import Kind
from generation.forms import keep_input
from tests import make

MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"
WEBM = b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\x82\x84webm"
KNOWN = [
    (Kind.VIDEO, MP4, "mp4"),
    (Kind.VIDEO, b"\x00\x00\x00\x14ftypqt  \x00\x00", "mov"),
    (Kind.VIDEO, WEBM, "webm"),
    (Kind.VIDEO, WEBM.replace(b"\x84webm", b"\x88matroska"), "mkv"),
    (Kind.VIDEO, b"RIFF\x00\x00\x00\x00AVI LIST", "avi"),
    (Kind.AUDIO, b"RIFF\x00\x00\x00\x00WAVEfmt ", "wav"),
    (Kind.AUDIO, b"ID3\x04\x00\x00\x00\x00", "mp3"),
    (Kind.AUDIO, b"\xff\xfb\x90\x64\x00", "mp3"),
    (Kind.AUDIO, b"fLaC\x00\x00\x00\x22", "flac"),
    (Kind.AUDIO, b"OggS\x00\x02", "ogg"),
    (Kind.AUDIO, b"\x00\x00\x00\x1cftypM4A \x00\x00", "m4a"),
    (Kind.IMAGE, make.png(), "png"),
]


def inspect(content, kind):
    return media.inspect(io.BytesIO(content), kind, max_pixels=10**6)


@pytest.mark.parametrize(("kind", "content", "extension"), KNOWN)
def test_a_file_is_what_its_content_says(kind, content, extension):
    assert inspect(content, kind).extension == extension


@pytest.mark.parametrize("kind", [Kind.IMAGE, Kind.MASK, Kind.VIDEO, Kind.AUDIO])
def test_what_is_of_another_kind_is_refused(kind):
    others = [content for other, content, _ in KNOWN if other != kind]
    others = [c for c in others if not (kind == Kind.MASK and c == make.png())]
    for content in [b"", b"<html>", *others]:
        with pytest.raises(media.BadFile):
            inspect(content, kind)


def mask(mode="RGB", back="black", ink="white"):
    """Painted on its left half."""
    picture = Pillow.new(mode, (8, 4), back)
    picture.paste(Pillow.new(mode, (4, 4), ink), (0, 0))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [mask(), mask("L", 0, 255), mask("RGBA", (9, 9, 9, 255), (9, 9, 9, 0))],
)
def test_a_mask_reads_the_same_from_red_and_from_transparency(content):
    stored = inspect(content, Kind.MASK).content
    with Pillow.open(io.BytesIO(stored)) as picture:
        assert picture.mode == "RGBA"
        assert picture.getpixel((1, 1)) == (255, 255, 255, 0)
        assert picture.getpixel((6, 1)) == (0, 0, 0, 255)


def test_an_empty_mask_is_refused():
    with pytest.raises(media.BadFile, match="Nothing is painted"):
        inspect(mask(ink="black"), Kind.MASK)


def test_a_picture_is_transparent_where_its_mask_is_painted():
    stored = inspect(mask(), Kind.MASK).content
    made = media.with_mask(make.png((16, 8), "#336699"), stored)
    with Pillow.open(io.BytesIO(made)) as picture:
        assert picture.size == (16, 8)
        assert picture.getpixel((1, 1)) == (0x33, 0x66, 0x99, 0)
        assert picture.getpixel((14, 1)) == (0x33, 0x66, 0x99, 255)


def test_an_upload_is_kept_under_its_hash_by_content(alice):
    upload = SimpleUploadedFile("holiday.exe", MP4, "application/x-msdownload")
    key = keep_input(alice, upload, Kind.VIDEO)
    assert key.startswith(f"inputs/{alice.pk}/")
    assert key.endswith(".mp4")
    with default_storage.open(key) as file:
        assert file.read() == MP4


def test_an_upload_that_is_too_large_is_refused(alice, settings):
    settings.LIFEOS_MAX_UPLOAD_BYTES = len(MP4) - 1
    with pytest.raises(media.BadFile, match="larger than"):
        keep_input(alice, SimpleUploadedFile("a.mp4", MP4), Kind.VIDEO)

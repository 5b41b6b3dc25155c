"""Films, sounds, 3D models and texts, by their magic and their structure.

What is none of these is None here: then it is a picture or nothing. Texts that
browsers or players would act on, as pages and playlists, are refused by name.
"""

from __future__ import annotations

import json
import re
import struct
from typing import NamedTuple

from gallery.files import chunks
from gallery.files.chunks import CUT, Broken
from gallery.files.reading import BadPicture, Seekable, bytes_at, size_of

MAX_TEXT = 8 * 1024 * 1024
EBML = b"\x1a\x45\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"
MP4_BOXES = frozenset(
    b"ftyp moov mdat free skip wide uuid moof mfra sidx styp meta udta pnot ssix emsg"
    b" prft pdin bloc".split()
)
AVIF_BRANDS = (b"avif", b"avis")
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1")
MARKUP = re.compile(
    r"\s*<(!doctype|html|svg|script|\?xml|\?php|head|body|iframe|!--|math|xsl)", re.I
)
PLAYLIST = re.compile(
    r"\s*(#EXTM3U|ffconcat version|\[playlist\]|<smil|<asx|<MPD)", re.I
)
SCRIPT = re.compile(r"#!|@echo off", re.I)
# Besides tab, line feed, form feed and carriage return.
CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
VERTEX = re.compile(r"^v[ \t]+[-+.\deE]+[ \t]+[-+.\deE]+[ \t]+[-+.\deE]+", re.M)
FACE = re.compile(r"^[fl][ \t]+-?\d+", re.M)
WAV_RATES = range(1, 1_000_000)


class Kind(NamedTuple):
    """`media` is one of gallery.models.image.Media's values; `demuxer` is what ffmpeg
    has to read it with, so that it never guesses a playlist.
    """

    media: str
    mime_type: str
    extension: str
    demuxer: str = ""


def recognised(file: Seekable) -> Kind | None:
    """Raises BadPicture or Broken for what is such a file and a bad one."""
    head = bytes_at(file, 0, 4096)
    if not head:
        raise BadPicture("The file is empty.")
    if _is_picture(head):
        return None
    for look in (_mp4, _matroska, _riff, _sound, _model, _text):
        if found := look(file, head):
            return found
    return None


def demuxer(mime_type: str) -> str:
    return DEMUXERS.get(mime_type, "")


DEMUXERS = {
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "audio/mp4": "mov",
    "video/webm": "matroska",
    "audio/webm": "matroska",
    "video/x-matroska": "matroska",
    "video/x-msvideo": "avi",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "video/ogg": "ogg",
    "audio/mpeg": "mp3",
}


def _is_picture(head: bytes) -> bool:
    return (
        head.startswith((chunks.PNG, b"\xff\xd8\xff", b"GIF87a", b"GIF89a"))
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:12] in AVIF_BRANDS)
    )


# Films ----------------------------------------------------------------------------


def _mp4(file: Seekable, head: bytes) -> Kind | None:
    if head[4:8] != b"ftyp":
        return None
    brand = head[8:12]
    if brand in HEIF_BRANDS:
        return None
    tracks: set[bytes] = set()
    for box in chunks.boxes(file):
        if box.kind not in MP4_BOXES:
            raise Broken("There is something in the film that does not belong there.")
        if box.kind == b"moov":
            tracks |= _tracks(file, box)
    if b"vide" in tracks:
        if brand == b"qt  ":
            return Kind("video", "video/quicktime", "mov")
        return Kind("video", "video/mp4", "mp4")
    if b"soun" in tracks:
        return Kind("audio", "audio/mp4", "m4a")
    raise Broken("There is no film and no sound in this file.")


def _tracks(file: Seekable, moov: chunks.Part) -> set[bytes]:
    found: set[bytes] = set()
    for track in chunks.boxes(file, moov.inner, moov.end):
        if track.kind != b"trak":
            continue
        for box in chunks.boxes(file, track.inner, track.end):
            if box.kind != b"mdia":
                continue
            for inner in chunks.boxes(file, box.inner, box.end):
                if inner.kind == b"hdlr":
                    found.add(inner.read(file, 12)[8:12])
    return found


def _matroska(file: Seekable, head: bytes) -> Kind | None:
    if not head.startswith(EBML):
        return None
    size, width = _vint(head, 4)
    header = head[4 + width : 4 + width + size]
    after = 4 + width + size
    if size > 1024 or head[after : after + 4] != SEGMENT:
        raise Broken(CUT)
    if b"\x42\x82" not in header:
        raise Broken(CUT)
    at = header.index(b"\x42\x82") + 2
    length, wide = _vint(header, at)
    kind = header[at + wide : at + wide + length].rstrip(b"\0")
    # A film has an element TrackType (0x83) of length 1 whose value is 1.
    begin = bytes_at(file, 0, 1 << 20)
    shows, plays = b"\x83\x81\x01" in begin, b"\x83\x81\x02" in begin
    if kind == b"webm" and (shows or plays):
        media = "video" if shows else "audio"
        return Kind(media, f"{media}/webm", "webm")
    if kind == b"matroska" and shows:
        return Kind("video", "video/x-matroska", "mkv")
    raise Broken("There is no film in this file.")


def _vint(data: bytes, at: int) -> tuple[int, int]:
    """A number of EBML, and how many bytes it takes."""
    first = data[at] if at < len(data) else 0
    if not first:
        raise Broken(CUT)
    width = 9 - first.bit_length()
    value = int.from_bytes(data[at : at + width], "big")
    return value & ((1 << (7 * width)) - 1), width


# Sounds ---------------------------------------------------------------------------


def _riff(file: Seekable, head: bytes) -> Kind | None:
    if head[:4] != b"RIFF" or len(head) < 12:
        return None
    parts = {part.kind for part in chunks.webp(file)}
    if head[8:12] == b"WAVE" and {b"fmt ", b"data"} <= parts:
        return Kind("audio", "audio/wav", "wav")
    if head[8:12] == b"AVI " and b"LIST" in parts:
        return Kind("video", "video/x-msvideo", "avi")
    raise Broken("This is neither a sound nor a film.")


def _sound(file: Seekable, head: bytes) -> Kind | None:
    if head.startswith(b"fLaC"):
        # STREAMINFO comes first, and has 34 bytes.
        if head[4] & 0x7F or head[5:8] != b"\0\0\x22":
            raise Broken(CUT)
        return Kind("audio", "audio/flac", "flac")
    if head.startswith(b"OggS\0"):
        first = head[27 + head[26] :] if len(head) > 27 else b""
        if first.startswith(b"OpusHead"):
            return Kind("audio", "audio/ogg", "opus")
        if first.startswith((b"\x01vorbis", b"\x7fFLAC", b"Speex")):
            return Kind("audio", "audio/ogg", "ogg")
        if first.startswith(b"\x80theora"):
            return Kind("video", "video/ogg", "ogv")
        raise Broken("There is no sound in this file that we know.")
    if _is_mp3(file, head):
        return Kind("audio", "audio/mpeg", "mp3")
    return None


def _is_mp3(file: Seekable, head: bytes) -> bool:
    """Two frames in a row, behind the tags if there are any."""
    at = 0
    if head.startswith(b"ID3"):
        if len(head) < 10:
            raise Broken(CUT)
        at = 10 + sum(
            (byte & 0x7F) << (7 * (3 - n)) for n, byte in enumerate(head[6:10])
        )
        if any(byte & 0x80 for byte in head[6:10]):
            raise Broken(CUT)
    for _ in range(2):
        length = _mp3_frame(bytes_at(file, at, 4))
        if not length:
            if head.startswith(b"ID3"):
                raise Broken("There is no sound behind the tags of this file.")
            return False
        at += length
    return True


BITRATES = {
    True: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _mp3_frame(head: bytes) -> int:
    """Bytes of a frame of MPEG audio, layer III; 0: it is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, rate, speed = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or not 0 < rate < 15 or speed == 3:
        return 0
    hertz = (44_100, 48_000, 32_000)[speed] >> {3: 0, 2: 1, 0: 2}[version]
    first = version == 3
    factor = 144_000 if first else 72_000
    return factor * BITRATES[first][rate - 1] // hertz + (head[2] >> 1 & 1)


# 3D models ------------------------------------------------------------------------


def _model(file: Seekable, head: bytes) -> Kind | None:
    if head.startswith(b"glTF"):
        if len(head) < 20 or struct.unpack_from("<I", head, 8)[0] != size_of(file):
            raise Broken(CUT)
        return Kind("model", "model/gltf-binary", "glb")
    if head.startswith((b"ply\n", b"ply\r\n")):
        if b"\nformat " not in head or b"element vertex" not in head:
            raise Broken(CUT)
        return Kind("model", "model/ply", "ply")
    if head.startswith(b"Kaydara FBX Binary  \0"):
        return Kind("model", "application/octet-stream", "fbx")
    size = size_of(file)
    if size >= 84 and size == 84 + 50 * struct.unpack_from("<I", head, 80)[0]:
        return Kind("model", "model/stl", "stl")
    return None


# Texts ----------------------------------------------------------------------------


def _text(file: Seekable, head: bytes) -> Kind | None:
    text = _as_text(file, head)
    if text is None:
        return None
    if PLAYLIST.match(text):
        raise BadPicture("This is a playlist: a list of other files, not a film.")
    if MARKUP.match(text):
        raise BadPicture("This is a web page or a drawing in SVG, which can run.")
    if SCRIPT.match(text):
        raise BadPicture("This is a program.")
    if text.startswith("solid") and "facet normal" in text:
        return Kind("model", "model/stl", "stl")
    if VERTEX.search(text) and FACE.search(text):
        return Kind("model", "model/obj", "obj")
    if text.lstrip()[:1] in ("{", "["):
        return _json(text)
    return Kind("text", "text/plain", "txt")


def _as_text(file: Seekable, head: bytes) -> str | None:
    """The file if it is UTF-8 of letters that people write; None otherwise."""
    if b"\0" in head:
        return None
    size = size_of(file)
    data = bytes_at(file, 0, min(size, MAX_TEXT + 1))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if CONTROL.search(text):
        return None
    if size > MAX_TEXT and not (text.startswith("solid") or VERTEX.search(text)):
        raise BadPicture("The text is too long.")
    return text


def _json(text: str) -> Kind:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return Kind("text", "text/plain", "txt")
    asset = value.get("asset") if isinstance(value, dict) else None
    if isinstance(asset, dict) and "version" in asset:
        return Kind("model", "model/gltf+json", "gltf")
    return Kind("text", "application/json", "json")

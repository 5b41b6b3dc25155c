"""ffmpeg on a short leash: how long a film plays, and a picture out of it.

It gets a file on disk, the demuxer that fits the file's own structure (so that it
never takes a text for a playlist), no protocol but `file`, one thread, and limits of
time, memory and output. Where it is not installed, nothing here is known.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gallery.files import media
from gallery.files.reading import CHUNK, Seekable

SECONDS = 30
MEMORY_KB = 2 * 1024 * 1024
OUTPUT_BLOCKS = 128 * 1024  # of 512 bytes
WAVE = "showwavespic=s=1280x800:split_channels=0:colors=0x8fb7ff"
# The limits hold for the shell, and so for what it turns into.
LEASH = (
    f"ulimit -v {MEMORY_KB}; ulimit -t {SECONDS}; ulimit -f {OUTPUT_BLOCKS};"
    ' ulimit -c 0; exec "$0" "$@"'
)


@dataclass(frozen=True, slots=True)
class Film:
    """What ffmpeg tells. Zero and None: it does not."""

    width: int = 0
    height: int = 0
    seconds: float | None = None
    poster: bytes | None = None


def film(file: Seekable, mime_type: str) -> Film:
    """Never raises: a film that ffmpeg cannot read has no poster."""
    demuxer = media.demuxer(mime_type)
    if not demuxer or shutil.which("ffmpeg") is None:
        return Film()
    with _on_disk(file) as path:
        width, height, seconds = _probed(path, demuxer)
        if mime_type.startswith("video/"):
            poster = _poster(path, demuxer, seconds)
        else:
            poster = _wave(path, demuxer)
    return Film(width, height, seconds, poster)


def without_tags(source: Path, target: Path, mime_type: str) -> bool:
    """The same streams in a new file that says nothing; False: it can't be done."""
    demuxer = media.demuxer(mime_type)
    muxer = {"mov": "mp4", "matroska": "matroska"}.get(demuxer, demuxer)
    if mime_type == "video/quicktime":
        muxer = "mov"
    if mime_type.endswith("/webm"):
        muxer = "webm"
    if not demuxer or shutil.which("ffmpeg") is None:
        return False
    copy = "-map 0:v? -map 0:a? -map 0:s? -c copy -map_metadata -1 -map_chapters -1"
    more = [*copy.split(), "-fflags", "+bitexact", "-f", muxer, "-y", str(target)]
    return _run("ffmpeg", source, demuxer, more, output_limit=False) is not None


@contextmanager
def _on_disk(file: Seekable) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(prefix="lifeos-") as copy:
        file.seek(0)
        while chunk := file.read(CHUNK):
            copy.write(chunk)
        copy.flush()
        yield Path(copy.name)


def _run(
    program: str,
    path: Path,
    demuxer: str,
    more: Sequence[str],
    before: Sequence[str] = (),
    *,
    output_limit: bool = True,
) -> bytes | None:
    """What it wrote to its output; None if it failed."""
    binary = shutil.which(program)
    if binary is None:
        return None
    leash = LEASH if output_limit else LEASH.replace(f"ulimit -f {OUTPUT_BLOCKS};", "")
    options = ["-v", "error", "-protocol_whitelist", "file", *before]
    if program == "ffmpeg":
        options = ["-nostdin", "-threads", "1", *options]
    command = [binary, *options, "-f", demuxer, "-i", f"file:{path}", *more]
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", leash, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=2 * SECONDS,
            env={"PATH": "/usr/bin:/bin"},
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError):
        return None
    return done.stdout if done.returncode == 0 else None


def _probed(path: Path, demuxer: str) -> tuple[int, int, float | None]:
    show = "stream=codec_type,width,height,duration:format=duration"
    told = _run("ffprobe", path, demuxer, ["-of", "json", "-show_entries", show])
    try:
        found = json.loads(told or b"{}")
    except ValueError:
        return 0, 0, None
    streams = found.get("streams", [])
    films = [s for s in streams if s.get("codec_type") == "video"]
    shown = films[0] if films else {}
    lengths = [found.get("format", {}), *streams]
    seconds = next((s for one in lengths if (s := _seconds(one.get("duration")))), None)
    return _side(shown.get("width")), _side(shown.get("height")), seconds


def _side(value: object) -> int:
    return value if isinstance(value, int) and 0 < value < 100_000 else 0


def _seconds(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if 0 < number < 10**7 else None


def _poster(path: Path, demuxer: str, seconds: float | None) -> bytes | None:
    """A frame from near the beginning, as a PNG at most 1280 wide."""
    scale = "scale='min(1280,iw)':-2,setsar=1"
    more = ["-an", "-sn", "-dn", "-frames:v", "1", "-vf", scale]
    more += ["-f", "image2pipe", "-c:v", "png", "pipe:1"]
    # Films often begin black.
    for start in (min(1.0, (seconds or 0) / 10), 0):
        before = ["-ss", f"{start:.3f}"] if start else []
        found = _run("ffmpeg", path, demuxer, _piped(more), before)
        if found:
            return found
    return None


def _wave(path: Path, demuxer: str) -> bytes | None:
    more = ["-filter_complex", WAVE, "-frames:v", "1", "-f", "image2pipe"]
    return _run("ffmpeg", path, demuxer, _piped([*more, "-c:v", "png", "pipe:1"]))


def _piped(more: Sequence[str]) -> list[str]:
    """The whitelist before `-i` holds for reading, this one for what is written."""
    return ["-protocol_whitelist", "file,pipe", *more]

"""What output nodes besides SaveImage write and show: films, sounds, texts."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from generation.simulator.files import FileStore, SavedFile

Inputs = dict[str, Any]
Shown = dict[str, Any]
# Pillow writes no films: every film is this one, a second and a half of a square.
FILM = Path(__file__).with_name("sample.mp4")
MAX_SECONDS = 60.0


@dataclass(frozen=True)
class Video:
    """Pictures that are to be a film."""

    images: tuple[Image.Image, ...]
    fps: float


@dataclass(frozen=True)
class Audio:
    """Silence, of so many seconds."""

    seconds: float
    rate: int
    channels: int

    def wav(self) -> bytes:
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(self.channels)
            file.setsampwidth(2)
            file.setframerate(self.rate)
            frames = int(min(self.seconds, MAX_SECONDS) * self.rate)
            file.writeframes(b"\0\0" * frames * self.channels)
        return out.getvalue()


def create_video(inputs: Inputs) -> tuple[Any, ...]:
    return (Video(tuple(inputs["images"]), inputs["fps"]),)


def empty_audio(inputs: Inputs) -> tuple[Any, ...]:
    made = Audio(inputs["duration"], inputs["sample_rate"], inputs["channels"])
    return (made,)


def _animated(files: FileStore, inputs: Inputs, texts: Inputs) -> Shown:
    frames = [image.convert("RGB") for image in inputs["images"]]
    exif = Image.Exif()
    # As ComfyUI does: from Model down for the workflow, Make for the prompt.
    exif[0x0110] = f"prompt:{json.dumps(texts['prompt'])}"
    out = io.BytesIO()
    frames[0].save(
        out,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=int(1000 / inputs["fps"]),
        lossless=inputs["lossless"],
        quality=inputs["quality"],
        method=0,
        exif=exif,
    )
    saved = files.save_other(out.getvalue(), inputs["filename_prefix"], "webp")
    # One frame is no animation, whatever the node is called.
    return {"images": [saved], "animated": [len(frames) != 1]}


def _video(files: FileStore, inputs: Inputs, texts: Inputs) -> Shown:
    saved = files.save_other(FILM.read_bytes(), inputs["filename_prefix"], "mp4")
    return {"images": [saved], "animated": [True]}


def _audio(files: FileStore, inputs: Inputs, texts: Inputs) -> Shown:
    """As WAV, where ComfyUI writes FLAC."""
    audio: Audio = inputs["audio"]
    saved: SavedFile = files.save_other(audio.wav(), inputs["filename_prefix"], "wav")
    return {"audio": [saved]}


def _text(files: FileStore, inputs: Inputs, texts: Inputs) -> Shown:
    source = inputs["source"]
    return {"text": [source if isinstance(source, str) else str(source)]}


WRITERS: dict[str, Callable[[FileStore, Inputs, Inputs], Shown]] = {
    "SaveAnimatedWEBP": _animated,
    "SaveVideo": _video,
    "SaveAudio": _audio,
    "PreviewAny": _text,
}
# What each passes on to nodes behind it.
PASSED_ON = {
    "SaveAnimatedWEBP": "images",
    "SaveVideo": "video",
    "SaveAudio": "audio",
    "PreviewAny": "source",
}

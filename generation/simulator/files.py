"""The three folders of a server: what it saves, shows and is given."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

FOLDERS = ("input", "output", "temp")
SavedFile = dict[str, str]


class OutsideError(Exception):
    """A name leads out of its folder."""


class FileStore:
    """Files under ``root``/input, /output and /temp."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        for name in FOLDERS:
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self._counters: dict[tuple[Path, str], int] = {}

    def forget_temp(self) -> None:
        """Empty the folder of previews, as every start of ComfyUI does."""
        shutil.rmtree(self.root / "temp", ignore_errors=True)
        (self.root / "temp").mkdir(parents=True, exist_ok=True)
        self._counters.clear()

    def path(self, folder: str, subfolder: str, name: str = "") -> Path:
        """Return the path of a file. Raises OutsideError, never leaves the folder."""
        base = self.root / folder
        full = Path(os.path.abspath(base / subfolder / name))  # noqa: PTH100
        if full != base and base not in full.parents:
            raise OutsideError(f"{subfolder}/{name} is outside of {folder}")
        return full

    def uploads(self) -> list[str]:
        """The names that LoadImage offers: files directly in the input folder."""
        entries = (self.root / "input").iterdir()
        return sorted(entry.name for entry in entries if entry.is_file())

    def input_digest(self, name: str) -> str:
        """Digest of an input file's bytes, empty if it cannot be read."""
        try:
            path = self.path("input", "", name)
            return hashlib.sha256(path.read_bytes()).hexdigest()
        except (OSError, OutsideError):
            return ""

    def store_upload(
        self, content: bytes, name: str, folder: str, subfolder: str, overwrite: bool
    ) -> SavedFile:
        """Store an upload; a different file of the same name keeps its own."""
        directory = self.path(folder, subfolder)
        target = self.path(folder, subfolder, name)
        directory.mkdir(parents=True, exist_ok=True)
        stem, suffix = target.stem, target.suffix
        number = 1
        while not overwrite and target.exists() and target.read_bytes() != content:
            target = directory / f"{stem} ({number}){suffix}"
            number += 1
        target.write_bytes(content)
        return {"name": target.name, "subfolder": subfolder, "type": folder}

    def save_images(
        self,
        images: list[Image.Image],
        prefix: str,
        folder: str,
        texts: dict[str, Any],
    ) -> list[SavedFile]:
        """Write PNG files with the workflow in text chunks, as SaveImage does.

        ``prefix`` may hold a subfolder and %width%, %height%, %year% and so on.
        Raises OutsideError if it leads out of the folder.
        """
        prefix = os.path.normpath(_expand(prefix, images[0].size))
        subfolder, stem = os.path.split(prefix)
        directory = self.path(folder, subfolder)
        directory.mkdir(parents=True, exist_ok=True)
        info = PngInfo()
        for key, value in texts.items():
            info.add_text(key, json.dumps(value))
        saved = []
        for index, image in enumerate(images):
            named = stem.replace("%batch_num%", str(index))
            name = f"{named}_{self._next_number(directory, named):05}_.png"
            level = 1 if folder == "temp" else 4
            image.save(directory / name, pnginfo=info, compress_level=level)
            saved.append({"filename": name, "subfolder": subfolder, "type": folder})
        return saved

    def save_other(self, content: bytes, prefix: str, extension: str) -> SavedFile:
        """Write another kind of output. Raises OutsideError as `save_images` does."""
        prefix = os.path.normpath(_expand(prefix, (0, 0)))
        subfolder, stem = os.path.split(prefix)
        directory = self.path("output", subfolder)
        directory.mkdir(parents=True, exist_ok=True)
        name = f"{stem}_{self._next_number(directory, stem):05}_.{extension}"
        (directory / name).write_bytes(content)
        return {"filename": name, "subfolder": subfolder, "type": "output"}

    def _next_number(self, directory: Path, stem: str) -> int:
        key = (directory, stem)
        if key not in self._counters:
            pattern = re.compile(re.escape(stem) + r"_(\d+)_?\.", re.IGNORECASE)
            matches = (pattern.match(entry.name) for entry in directory.iterdir())
            numbers = [int(match[1]) for match in matches if match]
            self._counters[key] = max(numbers, default=0)
        self._counters[key] += 1
        return self._counters[key]


def _expand(prefix: str, size: tuple[int, int]) -> str:
    now = datetime.now().astimezone()
    values = {
        "width": str(size[0]),
        "height": str(size[1]),
        "year": f"{now:%Y}",
        "month": f"{now:%m}",
        "day": f"{now:%d}",
        "hour": f"{now:%H}",
        "minute": f"{now:%M}",
        "second": f"{now:%S}",
    }
    for name, value in values.items():
        prefix = prefix.replace(f"%{name}%", value)
    return prefix

"""How much room is left on this machine's disks, and whether that is enough."""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils.text import get_text_list

from gallery.storage import homes

log = logging.getLogger(__name__)
# Asked at every submission: so often the disks are really looked at.
FRESH = 5.0


@dataclass(frozen=True, slots=True)
class Disk:
    """Sizes in bytes. `what`: the folders that are on it."""

    what: str
    total: int
    free: int

    @property
    def used(self) -> int:
        return self.total - self.free

    @property
    def is_low(self) -> bool:
        return self.free < settings.LIFEOS_DISK_WARN_BYTES

    @property
    def is_full(self) -> bool:
        return self.free < settings.LIFEOS_DISK_STOP_BYTES

    @property
    def sentence(self) -> str:
        room = f"{filesizeformat(self.free)} of {filesizeformat(self.total)}"
        tail = " New jobs and uploads are refused." if self.is_full else ""
        return f"Only {room} are free on the disk of {self.what}.{tail}"


_seen: list[tuple[float, list[Disk]]] = []


def survey() -> list[Disk]:
    """This machine's disks, each once, as they were a few seconds ago at most."""
    now = time.monotonic()
    if not _seen or now - _seen[0][0] > FRESH:
        _seen[:] = [(now, _look())]
    return _seen[0][1]


def forget() -> None:
    _seen.clear()


def _look() -> list[Disk]:
    here = homes()
    folders = {
        "data": Path(settings.DATA),
        "files": Path(here.local.location),
        "spool": Path(here.spool.location),
    }
    by_device: dict[int, tuple[Path, list[str]]] = {}
    for what, folder in folders.items():
        there = next(p for p in (folder, *folder.parents) if p.exists())
        device = there.stat().st_dev
        by_device.setdefault(device, (there, []))[1].append(what)
    found = []
    for there, whats in by_device.values():
        room = shutil.disk_usage(there)
        found.append(Disk(get_text_list(whats, "and"), room.total, room.free))
    return found


def low() -> list[Disk]:
    """The disks that staff should know of."""
    return [disk for disk in survey() if disk.is_low]


def no_room() -> str:
    """Why nothing new may be begun, in a sentence for everybody; empty if it may."""
    if any(disk.is_full for disk in survey()):
        return (
            "The disk of this installation is nearly full, so nothing new can be"
            " kept. Your administrator has been told."
        )
    return ""


def tell() -> None:
    """Write it to the log while a disk is low."""
    for disk in low():
        (log.error if disk.is_full else log.warning)("%s", disk.sentence)

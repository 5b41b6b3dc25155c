"""Memory of the web process that sends an archive of 5 GB.

Twenty files of 256 MiB, sparse on the disk, as one zip to a client that reads as fast
as it can and checks its length. RSS is looked at a hundred times a second meanwhile.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.measure import Row, megabytes, memory
from benchmarks.stage import each, gpus, in_django, people, stage

TARGET = 150e6
FILES, BYTES = 20, 256 * 1024 * 1024
LOOK = 0.01  # seconds
MADE = """
import json, uuid
from django.core.files.storage import default_storage
from accounts.models import User
from gallery import files
from gallery.models import Image
owner = User.objects.get(username="person-0")
found = {{}}
for index in range({files}):
    pk = uuid.uuid4()
    name = files.key(owner.pk, pk, "original.mp4")
    Image.objects.create(
        id=pk, owner=owner, node="", kind="bench", index=index, media="video",
        file=name, thumb_small=name, thumb_large=name, placeholder="",
        sha256=pk.hex * 2, bytes={size}, width=16, height=9, mime_type="video/mp4",
    )
    found[str(pk)] = default_storage.path(name)
print(json.dumps(found))
"""


@dataclass
class Sent:
    bytes: int = 0
    seconds: float = 0.0
    before: int = 0
    most: int = 0


def run(quick: bool) -> Iterator[Row]:
    size = 16 * 1024 * 1024 if quick else BYTES
    for where in each(quick):
        with stage(where, gpus(1, speed=0)) as stack:
            sent = measure(stack, size)
        if sent.bytes < FILES * size:
            raise AssertionError(f"only {sent.bytes} bytes came")
        what = f"memory while a zip of {sent.bytes / 1e9:.1f} GB is sent"
        figure = (
            f"{megabytes(sent.most)} ({megabytes(sent.before)} before),"
            f" {megabytes(sent.bytes / sent.seconds)}/s"
        )
        yield Row(what, where, figure, f"< {megabytes(TARGET)}", sent.most < TARGET)


def measure(stack: Any, size: int) -> Sent:
    [cookie] = people(stack, 1).values()
    found = in_django(stack, MADE.format(files=FILES, size=size))
    for name in found.values():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size)
    pids = [stack.processes[name].pid for name in stack.webs]
    sent = Sent(before=max(memory(pid) for pid in pids))
    done = threading.Event()
    watch = threading.Thread(target=_watch, args=(pids, sent, done))
    watch.start()
    try:
        _download(stack.url, cookie, list(found), sent)
    finally:
        done.set()
        watch.join()
    return sent


def _watch(pids: list[int], sent: Sent, done: threading.Event) -> None:
    while not done.wait(LOOK):
        sent.most = max(sent.most, *(memory(pid) for pid in pids))


def _download(url: str, cookie: str, ids: list[str], sent: Sent) -> None:
    begun = time.monotonic()
    with (
        httpx.Client(base_url=url, headers={"Cookie": cookie}, timeout=60) as client,
        client.stream("GET", "/gallery/download/", params={"ids": ids}) as answer,
    ):
        answer.raise_for_status()
        tail = b""
        for chunk in answer.iter_raw(1 << 20):
            sent.bytes += len(chunk)
            tail = (tail + chunk)[-100_000:]
    sent.seconds = time.monotonic() - begun
    # The directory at its end: it is whole, and has every file.
    if len(re.findall(b"PK\x01\x02", tail)) != len(ids):
        raise AssertionError("the archive is not whole")

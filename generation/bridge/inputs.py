"""Brings the files that a job was given to the server that will run it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from django.core.files.storage import default_storage

from generation import media
from generation.border import in_thread
from generation.comfy.errors import FileMissing
from generation.comfy.graph import set_inputs
from generation.fields import FILES, Kind, Parameter, Target

if TYPE_CHECKING:
    from generation.comfy.client import ComfyClient
    from generation.models import Job

GONE = "The picture that this job starts from is gone."


@dataclass(frozen=True, slots=True)
class Input:
    """A file, and the inputs of the graph that take its name at the server.

    `name` is made of the content's hash: the same name is the same content.
    `size` in bytes, or None where that is not known before it is made.
    """

    targets: tuple[Target, ...]
    name: str
    size: int | None
    content: Callable[[], bytes]


async def upload(client: ComfyClient, job: Job) -> dict[str, Any]:
    """The job's graph with the names that its files have at this server.

    Raises ComfyError. A file goes to a server once; one that was deleted there, or
    arrived there incompletely, goes again.
    """
    if not any(parameter.kind in FILES for parameter in job.version.parameters):
        return dict(job.graph)
    values = []
    for file in await _inputs(job):
        there = await client.input_size(file.name)
        name = file.name
        if there is None or (file.size is not None and there != file.size):
            content = await in_thread(file.content)()
            name = await client.upload_image(
                file.name, content, subfolder="", overwrite=True
            )
        values += [(target.node, target.input, name) for target in file.targets]
    return set_inputs(job.graph, values) if values else dict(job.graph)


@in_thread
def _inputs(job: Job) -> list[Input]:
    return list(_find_inputs(job))


def _find_inputs(job: Job) -> Iterator[Input]:
    """Pictures before the masks that are painted over them."""
    fields = [p for p in job.version.parameters if p.kind in FILES]
    keys = {p.name: str(job.parameters.get(p.name) or "") for p in fields}
    by_name = {p.name: p for p in fields}
    for parameter in sorted(fields, key=lambda p: p.kind == Kind.MASK):
        key = keys[parameter.name]
        if not key:
            continue
        picture = by_name.get(parameter.paints)
        within, alone = _split(parameter, picture)
        if within and keys[parameter.paints]:
            yield _masked(within, keys[parameter.paints], key)
        if alone:
            yield _stored(alone, key)


def _split(
    mask: Parameter, picture: Parameter | None
) -> tuple[tuple[Target, ...], tuple[Target, ...]]:
    """(targets that load the picture itself, others): a mask goes into the former as
    the picture's transparency, as ComfyUI's own mask editor does it.
    """
    if mask.kind != Kind.MASK or picture is None:
        return (), mask.targets
    within = tuple(t for t in mask.targets if t in picture.targets)
    return within, tuple(t for t in mask.targets if t not in within)


def _stored(targets: tuple[Target, ...], key: str) -> Input:
    try:
        size = default_storage.size(key)
    except FileNotFoundError as exc:
        raise FileMissing(GONE) from exc
    return Input(targets, PurePosixPath(key).name, size, lambda: _read(key))


def _masked(targets: tuple[Target, ...], picture: str, mask: str) -> Input:
    hashes = [PurePosixPath(key).stem[:32] for key in (picture, mask)]

    def content() -> bytes:
        return media.with_mask(_read(picture), _read(mask))

    return Input(targets, f"{'-'.join(hashes)}.png", None, content)


def _read(key: str) -> bytes:
    try:
        with default_storage.open(key) as file:
            return bytes(file.read())
    except FileNotFoundError as exc:
        raise FileMissing(GONE) from exc

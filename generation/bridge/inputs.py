"""Brings a job's input pictures to the server that will run it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from django.core.files.storage import default_storage

from generation.border import in_thread
from generation.comfy.errors import FileMissing
from generation.comfy.graph import set_inputs
from generation.fields import Kind, Target

if TYPE_CHECKING:
    from generation.comfy.client import ComfyClient
    from generation.models import Job


@in_thread
def _pictures(job: Job) -> list[tuple[tuple[Target, ...], str, bytes]]:
    """(targets, file name, content) of each picture that the job was given."""
    found = []
    for parameter in job.version.parameters:
        key = job.parameters.get(parameter.name)
        if parameter.kind == Kind.IMAGE and key:
            found.append((parameter.targets, PurePosixPath(key).name, _read(key)))
    return found


def _read(key: str) -> bytes:
    try:
        with default_storage.open(key) as file:
            return bytes(file.read())
    except FileNotFoundError as exc:
        raise FileMissing("The picture that this job starts from is gone.") from exc


async def upload(client: ComfyClient, job: Job) -> dict[str, Any]:
    """The job's graph with the names that its pictures have at this server.

    Raises ComfyError. A file's name is its hash, so the same picture again is the
    same file there.
    """
    values = []
    for targets, name, content in await _pictures(job):
        there = await client.upload_image(name, content, subfolder="", overwrite=True)
        values += [(node, field, there) for node, field in targets]
    return set_inputs(job.graph, values) if values else dict(job.graph)

"""From a bucket that the server's side uploads to (deploy/comfyui-uploader)."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from django.conf import settings
from django.utils import timezone

from gallery.storage import homes
from gallery.storage_base import StorageAway, said_sha256
from gallery.storage_shared import Unsafe, parts_of
from generation.comfy.errors import TooLarge
from generation.comfy.run import Output
from generation.models import Attempt
from generation.retrieval import http
from generation.retrieval.errors import Elsewhere, NotYet

if TYPE_CHECKING:
    from gallery.storage_s3 import S3Home

CHUNK = 1 << 18
# S3 counts in whole seconds.
ROUNDING = timedelta(seconds=2)


def fetched(attempt: Attempt, output: Output) -> BinaryIO:
    """Raises NotYet, Elsewhere or TooLarge."""
    bucket = homes().s3
    if bucket is None:
        raise Elsewhere("no bucket is set up here")
    path = "/".join(p for p in (output.subfolder, output.filename) if p)
    try:
        parts_of(path)
    except Unsafe as exc:
        raise Elsewhere(str(exc)) from exc
    prefix = attempt.server.bucket_prefix.strip("/")
    name = f"{prefix}/{path}" if prefix else path
    try:
        return _read(bucket, name, attempt)
    except FileNotFoundError as exc:
        raise NotYet(f"{name} is not in the bucket.") from exc
    except StorageAway as exc:
        raise NotYet(str(exc)) from exc


def trouble() -> str:
    bucket = homes().s3
    if bucket is None:
        return "no bucket is set up"
    name = settings.LIFEOS_INTAKE_BUCKET or bucket.bucket_name
    try:
        with bucket.reaching(name):
            bucket.client.list_objects_v2(Bucket=name, MaxKeys=1)
    except (FileNotFoundError, StorageAway) as exc:
        return str(exc)
    return ""


def _read(bucket: S3Home, name: str, attempt: Attempt) -> BinaryIO:
    with bucket.reaching(name):
        answer = bucket.client.get_object(
            Bucket=settings.LIFEOS_INTAKE_BUCKET or bucket.bucket_name, Key=name
        )
    body, size = answer["Body"], int(answer["ContentLength"])
    into = http.spooled()
    try:
        _check(answer, name, attempt)
        digest = hashlib.sha256()
        with bucket.reaching(name):
            while chunk := body.read(CHUNK):
                digest.update(chunk)
                into.write(chunk)
        wanted = said_sha256(answer) or digest.hexdigest()
        if into.tell() != size or digest.hexdigest() != wanted:
            raise NotYet(f"{name} arrived damaged.")
        into.seek(0)
    except BaseException:
        into.close()
        raise
    finally:
        body.close()
    return into


def _check(answer: dict[str, Any], name: str, attempt: Attempt) -> None:
    """Before anything is read: neither too large, nor another run's of the same name.

    ComfyUI counts its files anew when its folder is emptied, so an object may be older
    than the run. Ages are compared, since clocks differ: the bucket's by its own two
    times, the run's by ours.
    """
    limit = settings.LIFEOS_MAX_OUTPUT_BYTES
    if int(answer["ContentLength"]) > limit:
        raise TooLarge(f"{name} is larger than {limit} bytes.")
    began = attempt.started_at or attempt.submitted_at or attempt.created
    if _age(answer) > timezone.now() - began + ROUNDING:
        # Or the server had it from an earlier run and made nothing new.
        raise Elsewhere(f"{name} is older than the run")


def _age(answer: dict[str, Any]) -> timedelta:
    modified: datetime = answer["LastModified"]
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    try:
        now = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        now = timezone.now()
    return now - modified

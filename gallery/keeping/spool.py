"""Files that wait for the bucket: moved there as soon as it answers."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from uuid import UUID

from gallery.keeping.copying import copy
from gallery.models import Home, Image
from gallery.storage import homes
from gallery.storage_base import StorageAway

log = logging.getLogger(__name__)
ROWS = 500
# After so many failures in a row the bucket is taken to be away.
ENOUGH = 3


@dataclass(slots=True)
class Drained:
    moved: int = 0
    failed: int = 0
    error: str = ""


def drain(seconds: float = 45.0) -> Drained:
    """Move what waits, for so long at most; what is left waits for the next time.

    A file is removed from the spool when it was read back from the bucket.
    """
    here, done = homes(), Drained()
    if here.s3 is None:
        return done
    end, in_a_row = time.monotonic() + seconds, 0
    for listed in here.spool.walk():
        if time.monotonic() > end or in_a_row >= ENOUGH:
            break
        try:
            copy(listed.name, here.spool, here.s3)
        except FileNotFoundError:
            continue  # another drain, or its owner, was first
        except OSError as exc:
            done.failed, done.error = done.failed + 1, str(exc)
            in_a_row += 1
            log.warning("%s stays in the spool: %s", listed.name, exc)
            continue
        in_a_row = 0
        here.spool.delete(listed.name)
        here.spool.tidy(listed.name)
        done.moved += 1
    if not done.failed:
        _settle()
    return done


def _settle() -> None:
    """Write down for each picture that it has arrived. Raises nothing."""
    here = homes()
    waiting = Image.objects.filter(home=Home.SPOOL).order_by("pk")
    arrived: list[UUID] = []
    try:
        for pk, name in waiting.values_list("pk", "file")[:ROWS]:
            # On another machine's disk it is not in our spool, nor in the bucket.
            if not here.spool.has(name) and here.bucket.exists(name):
                arrived.append(pk)
    except StorageAway as exc:
        log.warning("%s", exc)
    Image.objects.filter(pk__in=arrived, home=Home.SPOOL).update(home=Home.S3)


def waiting() -> tuple[int, int]:
    """(files, bytes) in this machine's spool."""
    sizes = [listed.bytes for listed in homes().spool.walk()]
    return len(sizes), sum(sizes)

"""Work that takes longer than a page: exports, and accounts that go.

Huey is at most once: each task does nothing unless its row asks for it, and the sweep
asks again for what was left lying.
"""

from __future__ import annotations

import json
import logging
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from shutil import copyfileobj

from allauth.account.models import EmailAddress
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone
from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from accounts import audit, parts, signup
from accounts.models import Export, User
from accounts.models.export import KEPT
from accounts.parts import Entry
from accounts.periodic import once_a_minute

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=30)
MAX_TRIES = 3


# The copy of one's data -----------------------------------------------------------


@db_task()  # type: ignore[untyped-decorator]
def make_export(pk: str) -> None:
    now = timezone.now()
    rows = Export.objects.filter(pk=pk, state=Export.State.WAITING)
    if not rows.filter(lease_until__lte=now).update(
        lease_until=now + LEASE, tries=F("tries") + 1
    ):
        return
    row = rows.select_related("owner").get()
    try:
        size = _write(row)
    except Exception as exc:
        # A full disk, a bucket that is away, a fault of ours: the person is told.
        log.exception("an export failed", extra={"export": str(row.pk)})
        _failed(row, exc)
        return
    done = rows.update(
        state=Export.State.READY,
        file=_name(row),
        bytes=size,
        expires_at=timezone.now() + KEPT,
    )
    if done and row.owner.email:
        path = reverse("people:export")
        signup.mail(row.owner.email, "people/mail/export", {"path": path})


def _name(row: Export) -> str:
    return f"exports/{row.owner_id}/{row.pk.hex}.zip"


def _write(row: Export) -> int:
    """Build the zip beside the storage, then store it; its bytes."""
    with tempfile.TemporaryFile() as spool:
        with zipfile.ZipFile(spool, "w", zipfile.ZIP_STORED, allowZip64=True) as kept:
            for entry in _entries(row.owner):
                _add(kept, entry)
        size = spool.tell()
        spool.seek(0)
        default_storage.save(_name(row), File(spool))
    return size


def _add(kept: zipfile.ZipFile, entry: Entry) -> None:
    """Pictures are compressed already; texts are not."""
    if isinstance(entry.content, bytes):
        kept.writestr(entry.path, entry.content, zipfile.ZIP_DEFLATED)
        return
    with entry.content as source, kept.open(entry.path, "w", force_zip64=True) as out:
        copyfileobj(source, out, 1 << 18)


def _entries(person: User) -> Iterator[Entry]:
    profile = {
        "user_name": person.username,
        "email": person.email,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "joined": person.date_joined.isoformat(),
        "groups": [group.name for group in person.groups.all()],
        "email_addresses": list(
            EmailAddress.objects.filter(user=person).values(
                "email", "verified", "primary"
            )
        ),
        "looked_at_by_administrators": [
            {"by": look.administrator_name, "reason": look.reason}
            | {"at": look.started.isoformat()}
            for look in person.impersonated.all()
        ],
    }
    yield Entry("profile.json", as_json(profile))
    for part in parts.Registry.all():
        yield from part.export(person)


def as_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str).encode()


def _failed(row: Export, exc: Exception) -> None:
    rows = Export.objects.filter(pk=row.pk, state=Export.State.WAITING)
    if row.tries < MAX_TRIES:
        rows.update(lease_until=timezone.now() + timedelta(minutes=row.tries))
    else:
        sentence = "Your copy could not be made. The administrator's log says why."
        rows.update(state=Export.State.FAILED, error=sentence)


def forget_exports() -> int:
    """Delete the files of exports that have expired; how many."""
    count = 0
    for row in Export.objects.filter(expires_at__lte=timezone.now())[:50]:
        if row.file:
            default_storage.delete(row.file)
        row.delete()
        count += 1
    return count


# Accounts that go -----------------------------------------------------------------


@db_task()  # type: ignore[untyped-decorator]
def delete_account(pk: int) -> None:
    """Each part lets go of the person first; then the row and all below it goes."""
    person = User.objects.filter(pk=pk, is_active=False).first()
    if person is None or person.deletion_asked is None:
        return
    for part in parts.Registry.all():
        if not part.let_go(person):
            # Something of theirs still runs: the sweep comes back.
            return
    for row in person.exports.exclude(file=""):
        default_storage.delete(row.file)
    with transaction.atomic():
        audit.record(None, "account.deleted", person)
        person.delete()


@db_periodic_task(crontab(minute="*"))  # type: ignore[untyped-decorator]
@once_a_minute
def sweep_accounts() -> None:
    now = timezone.now()
    waiting = Export.objects.filter(state=Export.State.WAITING, lease_until__lte=now)
    for pk in waiting.values_list("pk", flat=True)[:20]:
        make_export(str(pk))
    leaving = User.objects.filter(is_active=False, deletion_asked__isnull=False)
    for person_id in leaving.values_list("pk", flat=True)[:20]:
        delete_account(person_id)
    forget_exports()

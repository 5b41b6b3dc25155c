"""People, and one of everything that the owner has."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

from allauth.account.internal.flows import login as flow
from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.db import SessionStore
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from accounts import notices
from accounts.models import ApiKey, Export, Invitation
from gallery import marks
from gallery.models import (
    Album,
    AlbumItem,
    AlbumShare,
    SavedSearch,
    ShareItem,
    ShareLink,
    Tag,
)
from generation import previews
from generation.forms import keep_input
from generation.models import Delivery, Preset, Webhook, WordList
from tests import make
from tests.access.table import KEYS, PEOPLE

# In everything that the owner wrote; nobody else's answer may have it in it.
MARK = "owners-secret"


@dataclass
class World:
    people: dict
    things: dict
    clients: dict = field(default_factory=dict)

    def fill(self, values):
        """Each "@name" made into the owner's thing of that name."""
        return {key: self._thing(value) for key, value in values.items()}

    def _thing(self, value):
        if isinstance(value, list):
            return [self._thing(one) for one in value]
        return self.things[value[1:]] if str(value).startswith("@") else value

    def secrets(self, shown=()):
        """What tells of the owner's things, but for those that may be shown."""
        unique = {"job", "waiting", "failed", "image", "delivery", "input"}
        unique |= {"stack", "trashed", "search", "link"}
        return [MARK, *(str(self.things[name]) for name in unique - set(shown))]


def build():
    people = {name: make.user(name) for name in ("stranger", "member", "owner")}
    people["staff"] = make.user("staff", is_staff=True)
    people["admin"] = make.user("admin", is_staff=True, is_superuser=True)
    owner = people["owner"]
    studio = make.group("studio", owner, people["member"])
    world = World(people, things(owner, studio))
    _clients(world)
    return world


def things(owner, studio):
    """One of everything that somebody may have, by the names that table.py uses."""
    server = make.server()
    waiting = make.job(owner)
    job = make.job(
        owner, "text-to-image", {"prompt": MARK}, status="running", preview=1
    )
    failed = make.job(owner, status="failed", error=MARK)
    previews.keep(job.pk, 1, "image/webp", b"webp")
    image = make.made_image(owner, prompt=MARK)
    workflow = waiting.workflow
    preset = Preset.objects.create(owner=owner, workflow=workflow, name=f"{MARK} 1")
    shared = Preset.objects.create(
        owner=owner, workflow=workflow, name="shared preset", group=studio
    )
    words = WordList.objects.create(owner=owner, name="moods", words=MARK)
    webhook = Webhook.objects.create(
        owner=owner, url=f"https://{MARK}.example/", events=["job.done"]
    )
    delivery = Delivery.objects.create(
        owner=owner,
        webhook=webhook,
        event="job.done",
        url=webhook.url,
        body="{}",
        state="failed",
        finished=timezone.now(),
    )
    key, _ = ApiKey.issue(owner, f"{MARK} key", ["read"])
    notice = notices.tell(owner.pk, f"{MARK} notice", url=f"/jobs/{job.pk}/")
    kept = keep_input(owner, make.upload())
    export = Export.objects.create(
        owner=owner,
        state=Export.State.READY,
        file=default_storage.save("exports/owner.zip", ContentFile(b"zip")),
        expires_at=timezone.now() + timedelta(days=1),
    )
    later = timezone.now() + timedelta(days=1)
    invitation, _ = Invitation.make(expires_at=later, note="somebody new")
    return _pictures(owner, studio) | {
        "session": _session_of(owner).pk,
        "export": export.pk,
        "person": owner.pk,
        "group": studio.pk,
        "invitation": invitation.pk,
        "job": job.pk,
        "waiting": waiting.pk,
        "failed": failed.pk,
        "image": image.pk,
        "preset": preset.pk,
        "shared": shared.pk,
        "words": words.pk,
        "webhook": webhook.pk,
        "delivery": delivery.pk,
        "key": key.pk,
        "notice": notice.pk,
        "server": server.pk,
        "input": kept.rpartition("/")[2],
    }


def _pictures(owner, studio):
    """Of an album that a group may look at, of a link, of the trash."""
    pictured = make.made_image(owner, prompt=f"{MARK} in an album")
    album = Album.objects.create(owner=owner, title="shared album")
    AlbumItem.objects.create(album=album, image=pictured, position=1)
    album_share = AlbumShare.objects.create(album=album, group=studio)
    linked = make.made_image(owner, prompt=f"{MARK} behind a link")
    link = ShareLink.objects.create(owner=owner)
    ShareItem.objects.create(link=link, image=linked, position=0)
    trashed = make.made_image(owner, prompt=f"{MARK} in the trash")
    undo = marks.mark(owner, [trashed.pk], "trash").undo
    stacked = make.made_image(owner, stack=uuid4())
    tag = Tag.objects.create(owner=owner, name=f"{MARK} tag")
    search = SavedSearch.objects.create(owner=owner, title=f"{MARK} search", query="x")
    return {
        "album": album.pk,
        "album_share": album_share.pk,
        "pictured": pictured.pk,
        "link": link.pk,
        "token": link.token,
        "linked": linked.pk,
        "trashed": trashed.pk,
        "undo": undo,
        "stack": stacked.stack,
        "tag": tag.pk,
        "search": search.pk,
    }


def _session_of(owner):
    """Another device of the owner's."""
    session = SessionStore()
    session.create()
    return UserSession.objects.create(
        user=owner,
        ip="127.0.0.1",
        user_agent="another device",
        session_key=session.session_key,
        last_seen_at=timezone.now(),
    )


def _prove(client, person):
    """As if the password had been given a moment ago: pages that ask for it open."""
    session = client.session
    session[flow.AUTHENTICATION_METHODS_SESSION_KEY] = [
        {"method": "password", "at": time.time(), "reauthenticated": True}
    ]
    session[flow._AUTHENTICATION_METHODS_USER_SESSION_KEY] = str(person.pk)
    session.save()


def _clients(world):
    owner = world.people["owner"]
    for name in PEOPLE:
        client = world.clients[name] = Client(raise_request_exception=False)
        if name != "anonymous":
            client.force_login(world.people[name])
            _prove(client, world.people[name])
    for name in KEYS:
        scopes = ["read", "generate", "manage"] if name == "revoked" else [name]
        key, token = ApiKey.issue(owner, f"{name} key", scopes)
        # So that no call writes it.
        key.note_use()
        if name == "revoked":
            key.revoke()
        headers = {"Authorization": f"Bearer {token}"}
        world.clients[name] = Client(headers=headers, raise_request_exception=False)

"""With whom an album is shared, and what happens when that ends."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db.models import Q
from django.db.models.signals import m2m_changed, post_delete

from accounts.errors import BadValues
from accounts.models import User
from gallery.models import Album, AlbumItem, AlbumShare

# People of one installation know each other's names, so that a wrong one may be told;
# going through a list of names or addresses is what this stops.
MISSES, WINDOW = 20, 3600
NOBODY = "There is nobody of this user name or e-mail address here."


def share_with_person(album: Album, name: str, may_add: bool) -> AlbumShare:
    """Share with whoever has exactly this user name or e-mail address.

    Raises BadValues for `person`. Pages show the user name, never the address.
    """
    name = name.replace("\0", "").strip()
    if not name:
        raise BadValues(person="Write a user name or an e-mail address.")
    key = f"album-share-misses:{album.owner_id}"
    if cache.get(key, 0) >= MISSES:
        raise BadValues(person="Too many names that nobody has. Try again in an hour.")
    person = _find(name)
    if person is None:
        cache.add(key, 0, WINDOW)
        cache.incr(key)
        raise BadValues(person=NOBODY)
    if person.pk == album.owner_id:
        raise BadValues(person="The album is yours already.")
    share, _ = AlbumShare.objects.update_or_create(
        album=album, person=person, defaults={"may_add": may_add}
    )
    return share


def _find(name: str) -> User | None:
    people = User.objects.filter(is_active=True)
    exact = people.filter(username=name).first()
    if exact or "@" not in name:
        return exact
    # An address that two people gave is nobody's proof.
    found = list(people.filter(email__iexact=name)[:2])
    return found[0] if len(found) == 1 else None


def share_with_group(album: Album, group_id: str, may_add: bool) -> AlbumShare:
    """Share with a group of the owner's own. Raises BadValues for `group`."""
    group = (
        album.owner.groups.filter(pk=group_id).first() if group_id.isdecimal() else None
    )
    if group is None:
        raise BadValues(group="Choose one of your groups.")
    share, _ = AlbumShare.objects.update_or_create(
        album=album, group=group, defaults={"may_add": may_add}
    )
    return share


def drop_strangers(album_id: UUID) -> None:
    """Take out the pictures of those who cannot look at the album any more."""
    shares = AlbumShare.objects.filter(album=album_id)
    welcome = User.objects.filter(
        Q(albums=album_id)
        | Q(pk__in=shares.exclude(person=None).values("person"))
        | Q(groups__in=shares.exclude(group=None).values("group"))
    )
    items = AlbumItem.objects.filter(album=album_id)
    items.exclude(image__owner__in=welcome.values("pk")).delete()


def _share_ended(sender: type, instance: AlbumShare, **kwargs: Any) -> None:
    drop_strangers(instance.album_id)


def _group_changed(
    sender: type, instance: Any, action: str, reverse: bool, **kwargs: Any
) -> None:
    """Somebody left a group that albums are shared with."""
    if action not in {"post_remove", "post_clear"}:
        return
    groups = [instance.pk] if reverse else list(kwargs["pk_set"] or ())
    shares = AlbumShare.objects.exclude(group=None)
    if groups:
        shares = shares.filter(group__in=groups)
    for album_id in set(shares.values_list("album_id", flat=True)):
        drop_strangers(album_id)


def connect() -> None:
    """Signals, since shares and memberships end in many places: here, in the
    administration, with a person or group that is deleted.
    """
    post_delete.connect(_share_ended, sender=AlbumShare)
    m2m_changed.connect(_group_changed, sender=User.groups.through)

"""What the members of a group may do beyond making pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import ValidationError
from django.db import models

from accounts.models.user import User
from accounts.prepared import Prepared, Slot

SWITCHES = ("share_links", "api", "webhooks")


@dataclass(frozen=True, slots=True)
class Rights:
    """What counts for one person. Each of `models` is one group's (allowed, denied)."""

    share_links: bool = True
    api: bool = True
    webhooks: bool = True
    models: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()

    def may_use(self, model: str) -> bool:
        """Whether any of the groups lets this model be used."""
        if not self.models:
            return True
        return any(_lets(model, *patterns) for patterns in self.models)


def _lets(model: str, allowed: Sequence[str], denied: Sequence[str]) -> bool:
    name = model.lower()

    def among(patterns: Sequence[str]) -> bool:
        return any(fnmatchcase(name, pattern.lower()) for pattern in patterns)

    return (not allowed or among(allowed)) and not among(denied)


def check_patterns(value: object) -> None:
    """A list of at most 200 short texts."""
    good = isinstance(value, list) and len(value) <= 200
    if not good or not all(isinstance(v, str) and 0 < len(v) <= 200 for v in value):  # type: ignore[attr-defined]
        raise ValidationError("Write one name or pattern a line, at most 200.")


class GroupRights(models.Model):
    """A group's. Who is in several groups may do what any of them may.

    People in no group that has such a row may do everything here.
    """

    group = models.OneToOneField(Group, on_delete=models.CASCADE, related_name="rights")
    share_links = models.BooleanField(default=True, help_text="links for strangers")
    api = models.BooleanField("API", default=True, help_text="keys and tokens")
    webhooks = models.BooleanField(default=True, help_text="calls to other services")
    models_allowed = models.JSONField(
        default=list, blank=True, validators=[check_patterns]
    )
    models_denied = models.JSONField(
        default=list, blank=True, validators=[check_patterns]
    )

    class Meta:
        verbose_name_plural = "rights"

    def __str__(self) -> str:
        return f"rights of {self.group}"


def rights_of(person: User | AnonymousUser) -> Rights:
    """As they were when this object was first asked for them: a request asks once.

    Nobody in particular may do nothing.
    """
    if person.is_anonymous:
        return Rights(share_links=False, api=False, webhooks=False)
    known: Rights | None = person.__dict__.get("_rights")
    if known is None:
        known = person.__dict__["_rights"] = _read(person)
    return known


_rights_of = Prepared(
    lambda: GroupRights.objects.filter(
        group__user=Slot("person", models.BigIntegerField())
    )
)


def _read(person: User) -> Rights:
    rows = _rights_of.objects(person=person.pk)
    if not rows:
        return Rights()
    switches = {name: any(getattr(row, name) for row in rows) for name in SWITCHES}
    patterns = [(tuple(r.models_allowed), tuple(r.models_denied)) for r in rows]
    return Rights(**switches, models=tuple(patterns))

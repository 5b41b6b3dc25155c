"""What other apps add to the pages about people; `accounts` imports none of them.

An app registers a Part in its AppConfig's `ready`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, ClassVar

from django.contrib.auth.models import Group
from django.forms import ModelForm

from accounts.models import User


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure about a person, as (label, text): "Jobs", "12 today"."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an export: its path in the zip and its content, opened late."""

    path: str
    content: bytes | IO[bytes]


class Part:
    """An app's share. Each method does nothing unless the app says otherwise."""

    def facts(self, people: Sequence[User]) -> Mapping[int, Sequence[Fact]]:
        """By id, in a number of queries that does not grow with the people."""
        return {}

    def limits_form(
        self, of: User | Group | None, data: Mapping[str, Any] | None = None
    ) -> ModelForm[Any] | None:
        """The limits of a person or a group, or of somebody to come (None)."""
        return None

    def goes(self, person: User) -> Sequence[str]:
        """What is lost with the account, each as words: "12 pictures"."""
        return ()

    def let_go(self, person: User) -> bool:
        """Stop work and delete files before the rows go; False: not ready yet."""
        return True

    def export(self, person: User) -> Iterator[Entry]:
        """Everything that is kept of this person."""
        yield from ()


class Registry:
    """The parts, in the order in which the apps are installed."""

    _parts: ClassVar[list[Part]] = []

    @classmethod
    def add(cls, part: Part) -> None:
        cls._parts.append(part)

    @classmethod
    def all(cls) -> Sequence[Part]:
        return tuple(cls._parts)


def facts(people: Sequence[User]) -> dict[int, list[Fact]]:
    """Of all parts together."""
    found: dict[int, list[Fact]] = {person.pk: [] for person in people}
    for part in Registry.all():
        for pk, some in part.facts(people).items():
            found[pk].extend(some)
    return found


def limits_form(
    of: User | Group | None, data: Mapping[str, Any] | None = None
) -> ModelForm[Any] | None:
    """The one form for limits; there is one app that knows of limits."""
    forms = (part.limits_form(of, data) for part in Registry.all())
    return next((form for form in forms if form is not None), None)

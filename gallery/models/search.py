"""What the search is made of: an entry for each picture, and counts beside it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class WordsField(models.TextField):  # type: ignore[type-arg]
    """A document's words: a `tsvector` on PostgreSQL, else the text that is indexed."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "tsvector" if connection.vendor == "postgresql" else "text"

    def get_placeholder(
        self, value: Any, compiler: Any, connection: BaseDatabaseWrapper
    ) -> str:
        return "%s::tsvector" if connection.vendor == "postgresql" else "%s"


class SearchEntry(models.Model):
    """What is indexed of one picture that is not in the trash.

    No foreign key to the picture: an entry is taken out where its counts are, once its
    picture is gone; until then the page leaves it out.
    """

    image = models.UUIDField(primary_key=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    # The order of age as one number: see gallery.search.document.
    place = models.BigIntegerField(unique=True)
    words = WordsField()
    facets = models.TextField(help_text="JSON: [kind, value] of all that is counted")

    class Meta:
        indexes = [models.Index(fields=["owner", "-place"], name="search_order")]

    def __str__(self) -> str:
        return str(self.image)


class SearchMark(models.Model):
    """A picture that has changed since it was indexed. The database itself writes it.

    Never changed, only deleted once that change is in the index: a change that comes
    while another is being indexed has a mark of its own.
    """

    id = models.BigAutoField(primary_key=True)
    image = models.UUIDField()
    owner = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["owner", "id"], name="search_mark_owner")]

    def __str__(self) -> str:
        return str(self.image)


class Facet(models.Model):
    """How many of a person's pictures have this model, tag, month…"""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    kind = models.CharField(max_length=10)
    value = models.CharField(max_length=300)
    count = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "kind", "value"], name="facet_once"
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "kind", "-count"], name="facet_order"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}: {self.count}"

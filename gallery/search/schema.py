"""What the database itself does for the search: it marks what changed, and indexes.

Triggers, not signals: bulk updates, the administrator's SQL and a program of tomorrow
change rows too. They only note which picture has changed; the words are made in one
place, for both databases, by `indexing`. Installed after every `migrate`, since SQLite
loses a table's triggers when Django makes the table anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from gallery.search.document import STRETCH_BITS

FULL_TEXT = "gallery_words"


@dataclass(frozen=True, slots=True)
class Marking:
    """A trigger: which rows of a table are watched, and whose pictures they change."""

    name: str
    table: str
    event: str
    pictures: str
    watched: tuple[str, ...] = ()

    @property
    def when(self) -> str:
        return " OR ".join(f"OLD.{c} IS DISTINCT FROM NEW.{c}" for c in self.watched)

    @property
    def happens(self) -> str:
        return self.event + (f" OF {', '.join(self.watched)}" if self.watched else "")

    @property
    def insert(self) -> str:
        return f"INSERT INTO gallery_searchmark (image, owner) {self.pictures};"

    def for_postgres(self) -> list[str]:
        when = f"WHEN ({self.when}) " if self.watched else ""
        return [
            f"CREATE OR REPLACE FUNCTION {self.name}() RETURNS trigger LANGUAGE plpgsql"
            f" AS $$ BEGIN {self.insert} RETURN NULL; END $$",
            f"CREATE OR REPLACE TRIGGER {self.name} AFTER {self.happens}"
            f" ON {self.table} FOR EACH ROW {when}EXECUTE FUNCTION {self.name}()",
        ]

    def for_sqlite(self) -> list[str]:
        when = self.when.replace("IS DISTINCT FROM", "IS NOT")
        return [
            f"CREATE TRIGGER IF NOT EXISTS {self.name} AFTER {self.happens}"
            f" ON {self.table} {f'WHEN {when}' if when else ''}"
            f" BEGIN {self.insert} END"
        ]


IMAGE = (
    *("owner_id", "media", "mime_type", "width", "height", "prompt", "negative_prompt"),
    *("seed", "model", "workflow_title", "favourite", "rating", "notes", "created"),
    *("deleted_at", "kind"),
)
PROVENANCE = ("template_slug", "template_title", "loras")


def _rows_of(table: str, name: str) -> list[Marking]:
    """Rows that belong to one picture, as a tag on it does."""
    pictures = "SELECT id, owner_id FROM gallery_image WHERE id = {}.image_id"
    return [
        Marking(f"search_{name}_put", table, "INSERT", pictures.format("NEW")),
        Marking(f"search_{name}_gone", table, "DELETE", pictures.format("OLD")),
    ]


def _members(table: str, group: str) -> str:
    return (
        "SELECT i.id, i.owner_id FROM gallery_image i"
        f" JOIN {table} m ON m.image_id = i.id WHERE m.{group} = NEW.id"
    )


MARKINGS = [
    Marking(
        "search_image_put", "gallery_image", "INSERT", "SELECT NEW.id, NEW.owner_id"
    ),
    Marking(
        *("search_image_changed", "gallery_image", "UPDATE"),
        *("SELECT NEW.id, NEW.owner_id", IMAGE),
    ),
    Marking(
        "search_image_gone", "gallery_image", "DELETE", "SELECT OLD.id, OLD.owner_id"
    ),
    *_rows_of("gallery_tagged", "tagged"),
    *_rows_of("gallery_albumitem", "albumitem"),
    *_rows_of("gallery_provenance", "provenance"),
    Marking(
        *("search_provenance_changed", "gallery_provenance", "UPDATE"),
        "SELECT id, owner_id FROM gallery_image WHERE id = NEW.image_id",
        PROVENANCE,
    ),
    Marking(
        *("search_tag_changed", "gallery_tag", "UPDATE"),
        *(_members("gallery_tagged", "tag_id"), ("name",)),
    ),
    Marking(
        *("search_album_changed", "gallery_album", "UPDATE"),
        *(_members("gallery_albumitem", "album_id"), ("title", "owner_id")),
    ),
]
POSTGRES = [
    # Each word with its stretch of time: a list of the index is short, and has one
    # stretch's pictures only, however many have the word.
    "CREATE OR REPLACE FUNCTION gallery_words_by_time(words tsvector, place bigint)"
    " RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$"
    " SELECT replace(' ' || strip(words)::text, ' ''',"
    f" ' ''' || (place >> {STRETCH_BITS}) || ':')::tsvector $$",
    "CREATE INDEX IF NOT EXISTS search_words_by_time ON gallery_searchentry"
    # Without a list of pending words, which every search would have to look through.
    " USING gin (gallery_words_by_time(words, place)) WITH (fastupdate = off)",
    # No plan depends on how frequent a word is.
    "ALTER INDEX search_words_by_time ALTER COLUMN 1 SET STATISTICS 0",
    "ALTER TABLE gallery_searchentry ALTER COLUMN words SET STATISTICS 0",
]
_OUT = (
    f"INSERT INTO {FULL_TEXT} ({FULL_TEXT}, rowid, words)"
    " VALUES ('delete', OLD.place, OLD.words);"
)
_IN = f"INSERT INTO {FULL_TEXT} (rowid, words) VALUES (NEW.place, NEW.words);"
SQLITE = [
    # The text is the entry's own. The rowid is the order of age, in which FTS5 answers.
    f"CREATE VIRTUAL TABLE IF NOT EXISTS {FULL_TEXT} USING fts5("
    "words, content='gallery_searchentry', content_rowid='place',"
    " tokenize='ascii', columnsize=0)",
    "CREATE TRIGGER IF NOT EXISTS search_entry_put AFTER INSERT ON gallery_searchentry"
    f" BEGIN {_IN} END",
    "CREATE TRIGGER IF NOT EXISTS search_entry_gone AFTER DELETE ON gallery_searchentry"
    f" BEGIN {_OUT} END",
    "CREATE TRIGGER IF NOT EXISTS search_entry_changed"
    " AFTER UPDATE OF place, words ON gallery_searchentry"
    f" BEGIN {_OUT} {_IN} END",
]
ENTRY_TRIGGERS = ("search_entry_put", "search_entry_gone", "search_entry_changed")


def install(connection: BaseDatabaseWrapper) -> None:
    """Triggers and indexes; may be done again at any time."""
    if "gallery_searchmark" not in connection.introspection.table_names():
        return
    postgres = connection.vendor == "postgresql"
    statements = list(POSTGRES if postgres else SQLITE)
    for marking in MARKINGS:
        statements += marking.for_postgres() if postgres else marking.for_sqlite()
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def remove_triggers(connection: BaseDatabaseWrapper) -> None:
    """Before SQLite makes a table anew: it refuses while a trigger names the table."""
    if connection.vendor != "sqlite":
        return
    names = [*(marking.name for marking in MARKINGS), *ENTRY_TRIGGERS]
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


def before_migrating(using: str, plan: object = None, **_: object) -> None:
    if plan:
        remove_triggers(connections[using])


def after_migrating(using: str, **_: object) -> None:
    install(connections[using])

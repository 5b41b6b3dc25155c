"""The gallery's search: one language, one index, the same answers on every database.

`parsing` reads the language into the tree of `language`; `compiling` makes a full-text
query of it; `document` says what is indexed of a picture, `indexing` keeps it right,
`schema` lets the database mark what changed; `finding` answers, page by page.

Nothing is imported here: models are not there yet when the app is made ready. The names
below are looked up when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gallery.search.finding import Found, find
    from gallery.search.indexing import sweep

__all__ = ["Found", "find", "sweep"]


def __getattr__(name: str) -> Any:
    if name in ("Found", "find"):
        from gallery.search import finding

        return getattr(finding, name)
    if name == "sweep":
        from gallery.search import indexing

        return indexing.sweep
    raise AttributeError(name)

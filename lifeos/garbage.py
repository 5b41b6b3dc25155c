"""Python's collector of garbage, told what is none."""

from __future__ import annotations

import gc

THRESHOLD = 10_000


def spare_what_is_loaded() -> None:
    """Leave all that was made until now out of later collections.

    Modules, models and templates live as long as the process; to look through them
    again and again was a tenth of a request's time. To look after each 700 new objects,
    as Python does by itself, took a fourteenth of a page's.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(THRESHOLD, *gc.get_threshold()[1:])

"""A gallery of a million pictures: the server's time for a page, through the real view.

Django's test client calls the whole application, middleware and templates included, in
one process, as the person who has nine tenths of all pictures; the network and the
browser are left out. Words of prompts are distributed as in natural language (Zipf), so
that some are in half of all pictures and most are in a few. The ratio is to a gallery
of a thousand, in a database of its own. The queries of each page are counted, and have
to be as many in both.

The rows are made by `gallery_probe`, a process of its own on each database.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

from benchmarks.measure import Row, percentile, times
from tests.stack import Missing
from tests.stack.services import Postgres

TARGET, RATIO = 0.060, 1.5
SMALL = 1_000
LARGE = {"PostgreSQL": 1_000_000, "SQLite": 200_000}
ROUNDS = 60


class Seen(TypedDict):
    """Of one page: seconds of each round, queries of each round, tiles it showed."""

    seconds: list[float]
    queries: list[int]
    tiles: int


def run(quick: bool) -> Iterator[Row]:
    rounds = 8 if quick else ROUNDS
    sizes = dict.fromkeys(LARGE, 2_000) if quick else LARGE
    yield from on_database("SQLite", ["", ""], rounds, sizes["SQLite"])
    folder = Path(tempfile.mkdtemp(prefix="lifeos-bench-"))
    try:
        postgres: Any = Postgres(folder)
    except Missing as exc:
        sys.stderr.write(f"left out: {exc}\n")
        return
    postgres.start()
    names = ("small", "large")
    for name in names:
        postgres.create(name)
    urls = [postgres.url.rpartition("/")[0] + f"/{name}" for name in names]
    try:
        yield from on_database("PostgreSQL", urls, rounds, sizes["PostgreSQL"])
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def on_database(name: str, urls: list[str], rounds: int, size: int) -> Iterator[Row]:
    few, many = (
        probe(url, rounds, rows) for url, rows in zip(urls, (SMALL, size), strict=True)
    )
    for what, seen in many.items():
        yield compared(f"{what}, {size:,} pictures", name, seen, few[what])


def compared(what: str, where: str, seen: Seen, few: Seen) -> Row:
    """Raises AssertionError where the queries are not as many in both galleries.

    Nor are these two pages compared where one found nothing: it says what is in the
    way, with searches of its own.
    """
    queries = {*seen["queries"]}
    if bool(seen["tiles"]) == bool(few["tiles"]):
        queries |= {*few["queries"]}
    assert len(queries) == 1, f"{what}: {sorted(queries)} queries"
    row = times(what, where, seen["seconds"], TARGET)
    told = f"{row.figure}, {queries.pop()} queries"
    if seen["tiles"] != few["tiles"]:
        # Most of a page's time is its tiles: these two are not to be compared.
        told += f", {seen['tiles']} tiles ({few['tiles']} of {SMALL:,})"
        return Row(what, where, told, row.target, row.met)
    ratio = percentile(seen["seconds"], 0.5) / percentile(few["seconds"], 0.5)
    met = bool(row.met) and ratio <= RATIO
    told += f", {ratio:.2f} × that of {SMALL:,}"
    return Row(what, where, told, f"{row.target}, ≤ {RATIO} ×", met)


def probe(url: str, rounds: int, size: int) -> dict[str, Seen]:
    with tempfile.TemporaryDirectory(prefix="lifeos-bench-") as data:
        env = os.environ | {"LIFEOS_DATA": data, "LOG_LEVEL": "WARNING"}
        env.pop("REDIS_URL", None)
        env.pop("DATABASE_URL", None)
        if url:
            env["DATABASE_URL"] = url
        command = [sys.executable, "-m", "benchmarks.gallery_probe"]
        command += [str(rounds), str(size)]
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
        found: dict[str, Seen] = json.loads(done.stdout)
    return found

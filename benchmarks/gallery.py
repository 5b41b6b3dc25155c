"""A gallery of a million pictures: the server's time for a page, through the real view.

Django's test client calls the whole application, middleware and templates included, in
one process, as the person who has nine tenths of all pictures; the network and the
browser are left out. Words of prompts are distributed as in natural language (Zipf), so
that some are in half of all pictures and most are in a few. The ratio is to a gallery
of a thousand, in a database of its own. The queries of each page are counted, and have
to be as many in both.

Each gallery is asked by `gallery_probe`, a process of its own that has made its rows.
The two take turns, a request each, so that what the machine does meanwhile meets both.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
    """Of one page: seconds of each round, how many queries, tiles it showed."""

    seconds: list[float]
    queries: int
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
    with ExitStack() as stack:
        few, many = (
            stack.enter_context(probe(url, rows))
            for url, rows in zip(urls, (SMALL, size), strict=True)
        )
        for what in many.pages:
            seen = [p.count(what) for p in (few, many)]
            for number in range(rounds + 1):
                for one, p in zip(seen, (few, many), strict=True):
                    seconds = p.time(what)
                    # The first is for what is kept from then on.
                    if number:
                        one["seconds"].append(seconds)
            yield compared(f"{what}, {size:,} pictures", name, seen[1], seen[0])


def compared(what: str, where: str, seen: Seen, few: Seen) -> Row:
    """Raises AssertionError where the queries are not as many in both galleries.

    Nor are these two pages compared where one found nothing: it says what is in the
    way, with searches of its own.
    """
    queries = {seen["queries"]}
    if bool(seen["tiles"]) == bool(few["tiles"]):
        queries.add(few["queries"])
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


class Probe:
    """A `gallery_probe` that has filled its database."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pages: list[str] = self._answer()

    def count(self, what: str) -> Seen:
        counted = self._ask(f"{what}?")
        return {"seconds": [], "queries": counted["queries"], "tiles": counted["tiles"]}

    def time(self, what: str) -> float:
        return float(self._ask(what)["seconds"])

    def _ask(self, line: str) -> Any:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the probe has ended"
        return json.loads(line)


@contextmanager
def probe(url: str, size: int) -> Iterator[Probe]:
    with tempfile.TemporaryDirectory(prefix="lifeos-bench-") as data:
        env = os.environ | {"LIFEOS_DATA": data, "LOG_LEVEL": "WARNING"}
        env.pop("REDIS_URL", None)
        env.pop("DATABASE_URL", None)
        if url:
            env["DATABASE_URL"] = url
        command = [sys.executable, "-m", "benchmarks.gallery_probe", str(size)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True)
        try:
            yield Probe(process)
        finally:
            process.kill()
            process.wait()

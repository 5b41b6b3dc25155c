"""Runs benchmarks and prints their table: `python -m benchmarks [NAME…]`."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import (
    bridge_memory,
    compare,
    events,
    gallery,
    gpu_gap,
    latency,
    measure,
    sockets,
    throughput,
    tick,
    zip_memory,
)
from benchmarks.measure import Row

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
ALL: dict[str, Callable[[bool], Iterator[Row]]] = {
    "latency": latency.run,
    "events": events.run,
    "throughput": throughput.run,
    "compare": compare.run,
    "gpu-gap": gpu_gap.run,
    "sockets": sockets.run,
    "tick": tick.run,
    "gallery": gallery.run,
    "bridge-memory": bridge_memory.run,
    "zip-memory": zip_memory.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ALL))
    parser.add_argument("--quick", action="store_true", help="small, to try it out")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(ALL):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    # Ends the deployments as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    before = measure.load()
    rows: list[Row] = []
    for name in chosen.names or ALL:
        begun = time.monotonic()
        for row in ALL[name](chosen.quick):
            rows.append(row)
            print("  ".join(filter(None, row.cells)), file=sys.stderr, flush=True)
        seconds = time.monotonic() - begun
        print(f"  ({name}: {seconds:.0f} s)", file=sys.stderr, flush=True)
    day = datetime.now(tz=UTC).date()
    about = f"{day}, {measure.machine()}, load before it {before}"
    print(f"\n{about}\n\n{measure.as_text(rows)}")
    if chosen.write:
        write(f"{about}\n\n{measure.as_markdown(rows)}")
    return 0


def write(made: str) -> None:
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())

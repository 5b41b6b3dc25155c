"""Starts the scaled-out set for looking at it: `make scale`. Ctrl-C ends it."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.stack import PASSWORD, Missing, ScaledOut, Simulator


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speed", type=float, default=1.0, help="of the simulators")
    parser.add_argument("--keep", type=Path, help="folder for data and logs, kept")
    chosen = parser.parse_args()
    folder = chosen.keep or Path(tempfile.mkdtemp(prefix="lifeos-scale-"))
    try:
        run(folder, chosen.speed)
    except Missing as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    finally:
        if chosen.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def run(folder: Path, speed: float) -> None:
    names = ("gpu-1", "gpu-2", "gpu-3")
    simulators = [Simulator(name, speed=speed, gated=False) for name in names]
    for word in (signal.SIGTERM, signal.SIGINT):
        signal.signal(word, lambda *_: sys.exit(0))
    with ScaledOut(folder, simulators=simulators) as stack:
        say = sys.stdout.write
        say(f"Life-OS, scaled out, serves on {stack.url}\n")
        say(f"  administrator  admin, password: {PASSWORD}\n")
        for simulator in simulators:
            say(f"  {simulator.name}          {simulator.url}\n")
        say(f"  logs           {folder}\n")
        for name, process in stack.processes.items():
            say(f"  {name:<14} process {process.pid}\n")
        say("Ctrl-C ends it.\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())

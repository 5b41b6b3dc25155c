"""The benchmarks run and print figures; what they say is not checked here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from benchmarks import measure

ROOT = Path(__file__).resolve().parent.parent


def test_the_cheapest_one_prints_figures():
    command = [sys.executable, "-m", "benchmarks", "tick", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"one job found and taken.* p50 [\d.]+ ms, p95 [\d.]+", done.stdout
    )


def test_a_percentile_is_one_of_the_values():
    values = list(range(1, 101))
    assert measure.percentile(values, 0.5) == 50
    assert measure.percentile(values, 0.95) == 95
    assert measure.percentile([7], 0.95) == 7


def test_the_target_is_for_the_worst_where_it_says_so():
    seconds = [0.001] * 99 + [0.2]
    assert measure.times("x", "y", seconds, 0.05).met
    assert not measure.times("x", "y", seconds, 0.05, worst=True).met

"""Asks a service on the internet for known faults of all that is installed here.

`python -m tests.audit` fails for a known fault. What the service does not know, or
that it cannot be asked at all, is told, and fails with `--strict` only: no build waits
for a service that is away. pip-audit's own settings name another service, as
PIP_AUDIT_VULNERABILITY_SERVICE and PIP_AUDIT_OSV_URL do.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 120


def main(*arguments):
    known, unknown = audited()
    for line in known + unknown:
        sys.stdout.write(f"{line}\n")
    return int(bool(known or (unknown and "--strict" in arguments)))


def audited():
    """Sentences about known faults, and about what could not be found out."""
    answer = ask()
    if answer is None:
        return [], ["The service could not be asked: nothing is known of any package."]
    known = [
        f"{one['name']} {one['version']} has {fault['id']}, mended in "
        + (", ".join(fault["fix_versions"]) or "no version yet")
        for one in answer
        for fault in one.get("vulns", ())
    ]
    skipped = [one["name"] for one in answer if "skip_reason" in one]
    if not skipped:
        return known, []
    said = f"The service knows nothing of {len(skipped)} of {len(answer)} packages: "
    return known, [said + ", ".join(skipped[:5]) + ("…" if skipped[5:] else "")]


def ask():
    """pip-audit's answer for each installed package; None where it has none."""
    freeze = [sys.executable, "-m", "pip", "freeze"]
    pins = subprocess.run(freeze, stdout=subprocess.PIPE, text=True, check=True).stdout
    program = Path(sys.executable).with_name("pip-audit")
    command = [program, "--format=json", "--disable-pip", "--no-deps", "-r"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(pins)
        file.flush()
        try:
            done = subprocess.run(
                [*command, file.name],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS,
                check=False,
            )
            return json.loads(done.stdout)["dependencies"]
        except (subprocess.TimeoutExpired, json.JSONDecodeError):
            return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Puts the documents together for mkdocs: `make docs`.

They link to files of deploy/ and to the README, so all of them are copied into one tree
that looks like this repository.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / "build" / "docs-source"


def main() -> int:
    shutil.rmtree(TREE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", TREE / "docs", ignore=shutil.ignore_patterns("*.py"))
    shutil.copytree(ROOT / "deploy", TREE / "deploy")
    for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, TREE)
    shutil.copy(ROOT / "README.md", TREE / "index.md")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean", "-q"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

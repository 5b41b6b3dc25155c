"""Runs a command with a PostgreSQL and a Redis of its own in its environment.

`python -m tests.with_services pytest tests/generation` tests on them what otherwise
runs on SQLite and in memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from tests.stack import Missing
from tests.stack.services import Postgres, Redis


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="lifeos-services-") as folder:
        try:
            postgres, redis = Postgres(folder), Redis(folder)
        except Missing as exc:
            # In CI everything must be there; elsewhere a missing part is left out.
            sys.stderr.write(f"skipped: {exc}\n")
            return 1 if os.environ.get("CI") else 0
        postgres.start()
        redis.start()
        try:
            postgres.create()
            env = {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}
            command = [sys.executable, "-m", *sys.argv[1:]]
            return subprocess.run(command, env=os.environ | env, check=False).returncode
        finally:
            redis.stop()
            postgres.stop()


if __name__ == "__main__":
    sys.exit(main())

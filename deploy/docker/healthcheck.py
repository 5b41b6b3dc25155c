"""Whether the web process of this container lives; `HEALTHCHECK` of the image."""

from __future__ import annotations

import os
import sys
import urllib.request

port = os.environ.get("PORT", "8000")
try:
    with urllib.request.urlopen(
        f"http://127.0.0.1:{port}/healthz", timeout=4
    ) as answer:
        sys.exit(answer.status != 200)
except OSError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(1)

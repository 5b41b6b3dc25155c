"""The deployments to measure, each in a folder of its own that is removed after it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.stack import Embedded, Missing, ScaledOut, Simulator

DEPLOYMENTS: dict[str, Any] = {"embedded": Embedded, "scaled out": ScaledOut}
# Few people ask for what many would.
UNLIMITED = {
    "LIFEOS_API_READS_PER_MINUTE": "0",
    "LIFEOS_API_GENERATES_PER_MINUTE": "0",
}


class External:
    """A ComfyUI that runs already, in the place of a simulator."""

    def __init__(self, url: str) -> None:
        self.name, self.url, self.direct = "ComfyUI", url, url

    def start(self, folder: Path) -> None:
        """Nothing to do: somebody else has started it."""

    def ready(self) -> None:
        httpx.get(f"{self.url}/queue").raise_for_status()


def gpus(
    count: int, speed: float, options: Sequence[str] = (), *, gated: bool = False
) -> list[Any]:
    """Simulators at this pace; at 0 no time passes in them."""
    return [
        Simulator(f"gpu-{n}", speed=speed, options=options, gated=gated)
        for n in range(1, count + 1)
    ]


@contextmanager
def stage(name: str, simulators: Sequence[Any], **settings: str) -> Iterator[Any]:
    """A running deployment: "embedded" or "scaled out"."""
    folder = Path(tempfile.mkdtemp(prefix="lifeos-bench-"))
    settings = UNLIMITED | settings
    try:
        with DEPLOYMENTS[name](folder, simulators=simulators, **settings) as stack:
            yield stack
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def each(quick: bool) -> Iterator[str]:
    """The deployments that this machine can start."""
    yield "embedded"
    if quick:
        return
    folder = Path(tempfile.mkdtemp(prefix="lifeos-bench-"))
    try:
        ScaledOut(folder, simulators=[]).__exit__()
    except Missing as exc:
        sys.stderr.write(f"left out: {exc}\n")
    else:
        yield "scaled out"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def in_django(stack: Any, code: str) -> Any:
    """What the code prints as JSON, run in the deployment's own `manage.py shell`."""
    return json.loads(stack.manage("shell", "-v", "0", "-c", code).splitlines()[-1])


PEOPLE = """
import json
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from accounts.models import User
from generation.models import PersonLimits
from tests.stack import PASSWORD
found = {{}}
for number in range({count}):
    person = User.objects.create_user(f"person-{{number}}", password=PASSWORD)
    PersonLimits.objects.create(person=person, max_queued=1_000_000)
    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.create()
    found[person.username] = f"sessionid={{session.session_key}}"
print(json.dumps(found))
"""


def people(stack: Any, count: int) -> dict[str, str]:
    """So many accounts without limits: names and the cookies of their browsers."""
    found: dict[str, str] = in_django(stack, PEOPLE.format(count=count))
    return found


def real_server() -> str:
    """The address of a ComfyUI to measure instead of a simulator, or nothing."""
    return os.environ.get("BENCH_COMFYUI_URL", "").rstrip("/")

"""What docs/api.md and the example say is run, against a real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.receiver import receiving
from tests.stack import Embedded, until

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
EXAMPLE = DOCS / "examples" / "lifeos_client.py"


@pytest.fixture(scope="module")
def told():
    with receiving() as told:
        yield told


@pytest.fixture(scope="module")
def stack(tmp_path_factory, told):
    folder = tmp_path_factory.mktemp("stack")
    with Embedded(folder, speed=0, LIFEOS_WEBHOOK_ALLOW="127.0.0.1") as stack:
        yield stack


@pytest.fixture(scope="module")
def env(stack):
    code = (
        "from accounts.models import ApiKey, Scope, User;"
        "admin = User.objects.get(username='admin');"
        "print(ApiKey.issue(admin, 'docs', Scope.values)[1])"
    )
    key = stack.manage("shell", "-v", "0", "-c", code).strip()
    return {**os.environ, "LIFEOS_URL": stack.url, "LIFEOS_KEY": key}


@pytest.fixture(scope="module")
def client_module():
    sys.path.insert(0, str(EXAMPLE.parent))
    import lifeos_client

    yield lifeos_client
    sys.path.remove(str(EXAMPLE.parent))


def test_the_curl_page_runs_as_it_is_written(env, tmp_path):
    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / "api.md").read_text(), re.S)
    assert len(blocks) >= 5
    script = "set -eu\n" + "\n".join(blocks)
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "second.json").read_text())["jobs"]
    limits = json.loads((tmp_path / "limits.json").read_text())
    assert limits["pictures_per_day"]["used"] >= 1


def test_the_example_makes_a_picture(env, tmp_path):
    words = [sys.executable, str(EXAMPLE), "test-card", "--count", "2", "--out", "here"]
    done = subprocess.run(
        words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    saved = [tmp_path / line for line in done.stdout.split()]
    assert len(saved) == 2
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in saved)


def test_the_example_tells_what_is_wrong(env, tmp_path):
    words = [sys.executable, str(EXAMPLE), "text-to-image", ""]
    done = subprocess.run(
        words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "prompt:" in done.stderr


def test_the_example_verifies_what_the_server_sends(env, told, client_module):
    with client_module.LifeOS(env["LIFEOS_URL"], env["LIFEOS_KEY"]) as life:
        bearer = {"Authorization": f"Bearer {env['LIFEOS_KEY']}"}
        address = f"{env['LIFEOS_URL']}/api/webhooks/callback-secret"
        secret = httpx.post(address, headers=bearer).json()["secret"]
        [job_id] = life.generate("test-card", callback_url=told.url)
        assert life.finish(job_id).status == "done"
        until(lambda: told.calls, "the call")
        _, headers, body = told.calls[0]
        headers = {name.lower(): value for name, value in headers.items()}
        assert json.loads(body)["data"]["id"] == job_id
        verify = client_module.verify_webhook
        assert verify(secret, headers, body)
        assert not verify(secret, headers, body + b" ")
        assert not verify("whsec_AAAA", headers, body)
        assert not verify(secret, headers, body, tolerance=-1)


def test_a_waiting_call_returns_with_the_end_of_the_job(env, stack, client_module):
    """Through daphne, from outside: well before the time it would wait."""
    stack.simulators[0].gate.set("silent")
    try:
        with client_module.LifeOS(env["LIFEOS_URL"], env["LIFEOS_KEY"]) as life:
            [job_id] = life.generate("test-card")
            begun = time.monotonic()
            assert not life.job(job_id, wait=1).is_over
            assert 0.9 < time.monotonic() - begun < 10
            stack.simulators[0].gate.set("open")
            begun = time.monotonic()
            assert life.job(job_id, wait=50).status == "done"
            assert time.monotonic() - begun < 45
    finally:
        stack.simulators[0].gate.set("open")

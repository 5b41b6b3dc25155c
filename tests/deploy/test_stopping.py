"""SIGTERM: nothing that has begun is broken off, and nobody is turned away."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.stack.process import ROOT, Process, free_port, until
from tests.stack.visitor import PASSWORD


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    data = tmp_path_factory.mktemp("stopping")
    env = {**os.environ, "LIFEOS_DATA": str(data), "LIFEOS_ADMIN_PASSWORD": PASSWORD}
    for name in ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL"):
        env.pop(name, None)
    command = [sys.executable, "manage.py", "setup"]
    subprocess.run(command, env=env, cwd=ROOT, check=True, capture_output=True)
    return env


def web(env, folder, port):
    command = [sys.executable, "manage.py", "web", "--port", str(port), "--skip-checks"]
    process = Process("web", command, env, folder)
    process.start()
    until(lambda: httpx.get(f"http://127.0.0.1:{port}/healthz").is_success, "web")
    return process


def test_a_request_that_has_begun_is_answered(env, tmp_path):
    port = free_port()
    process = web(env, tmp_path, port)
    url = f"http://127.0.0.1:{port}"
    answers = []

    def sign_in():
        body = {"username": "admin", "password": PASSWORD}
        path = f"{url}/_allauth/app/v1/auth/login"
        answers.append(httpx.post(path, json=body, timeout=60).status_code)

    # Somebody writes for long: the sign-in has to wait for it.
    writer = sqlite3.connect(f"{env['LIFEOS_DATA']}/db.sqlite3", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    request = threading.Thread(target=sign_in)
    request.start()
    time.sleep(1.5)  # it is sent, and has come as far as it can
    process.signal(signal.SIGTERM)
    until(lambda: refused(port), "nothing new is taken")
    assert process.alive and not answers
    writer.execute("ROLLBACK")
    request.join(30)
    assert answers == [200]
    assert process.stop() == 0


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("words", [["web"], ["serve"]])
def test_who_cannot_listen_says_so_and_fails(env, words):
    """A unit that ends well is not started again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        env = env | {"PORT": str(taken.getsockname()[1])}
        command = [sys.executable, "manage.py", *words, "--skip-checks"]
        options = {"capture_output": True, "text": True, "timeout": 60}
        done = subprocess.run(command, env=env, cwd=ROOT, check=False, **options)
    assert done.returncode == 1
    assert "Address already in use" in done.stderr
    assert "Life-OS" not in done.stdout


def test_an_update_turns_nobody_away(env, tmp_path):
    """As lifeos-web.socket does it: the socket outlives the process."""
    held = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port = held.getsockname()[1]
    failures, answered, over = [], [], threading.Event()

    def visit():
        while not over.is_set():
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=60)
                answered.append(answer.status_code)
            except httpx.HTTPError as exc:
                failures.append(repr(exc))

    old = activated(env, tmp_path, held, "old")
    until(lambda: httpx.get(f"http://127.0.0.1:{port}/healthz").is_success, "old")
    visitor = threading.Thread(target=visit)
    visitor.start()
    until(lambda: len(answered) > 10, "visits")
    old.send_signal(signal.SIGTERM)
    assert old.wait(30) == 0
    before = len(answered)
    new = activated(env, tmp_path, held, "new")
    try:
        until(lambda: len(answered) > before + 10, "visits of the new one")
    finally:
        over.set()
        visitor.join()
        new.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            new.wait(20)
    assert failures == [] and set(answered) == {200}


def activated(env, folder, held, name):
    """Started as systemd does it: socket 3, and variables that say so."""
    script = 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec "$@"'
    command = ["sh", "-c", script, "sh", sys.executable, "manage.py", "web"]
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [*command, "--passed-socket", "--skip-checks"],
            env=env,
            cwd=ROOT,
            stdout=log,
            stderr=log,
            pass_fds=(3,),
            preexec_fn=lambda: os.dup2(held.fileno(), 3),
        )


@pytest.mark.parametrize("command", ["bridge", "run_huey", "serve"])
def test_the_others_end_well(env, tmp_path, command):
    words = [sys.executable, "manage.py", command, "--skip-checks"]
    process = Process(command, words, env | {"PORT": str(free_port())}, tmp_path)
    process.start()

    def works():
        # It has said what it does about SIGTERM: that is the last of its beginnings.
        status = Path(f"/proc/{process.pid}/status").read_text()
        caught = int(re.search(r"SigCgt:\s*(\w+)", status)[1], 16)
        return caught >> (signal.SIGTERM - 1) & 1

    until(works, f"{command} works")
    assert process.stop(patience=20) == 0, process.log()

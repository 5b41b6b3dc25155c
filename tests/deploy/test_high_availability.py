"""The set of deploy/setups/high-availability.md, each machine in its own namespace.

nginx in front, two machines with a web process, two with a bridge and a task consumer,
PostgreSQL, Redis, a bucket and two GPU servers, joined by links that can be cut.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import threading
import time

import httpx
import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.deploy.conftest import lacking
from tests.deploy.proxies import site, swap
from tests.faults.rounds import Round
from tests.stack import PASSWORD, Missing, Simulator
from tests.stack.deployments import Deployment
from tests.stack.machines import Forbidden, Network
from tests.stack.process import ROOT, Process, until
from tests.stack.services import Bucket, Postgres, Redis
from tests.stack.visitor import Page

ENV = ROOT / "deploy" / "setups" / "high-availability.env"
WORKERS = ("work-1", "work-2")


class HighlyAvailable(Deployment):
    """`webs`, `bridges` and `consumers` are on four machines with one folder each."""

    webs = ("web-1", "web-2")
    bridges = ("bridge-1", "bridge-2")
    consumers = ("tasks-1", "tasks-2")

    def __init__(self, folder, network):
        def machine(name):
            made = self.machines[name] = network.machine(name)
            return made

        self.network, self.machines = network, {}
        gpus = [
            Simulator(n, speed=4, gated=False, machine=machine(n))
            for n in ("gpu-1", "gpu-2")
        ]
        super().__init__(folder, simulators=gpus)
        self.postgres = Postgres(self.folder, machine("db"))
        self.redis = Redis(self.folder, machine("redis"))
        self.bucket = Bucket(self.folder, machine("s3"))
        for name in (*self.webs, *WORKERS):
            machine(name)
        self.nginx = site(
            self.folder / "nginx",
            lifeos=[f"{self.machines[name].address}:8000" for name in self.webs],
            comfyui=f"{gpus[0].machine.address}:{gpus[0].port}",
            # Its own machine's static files, as those of the first web process.
            data=self.folder / "web-1",
            machine=machine("front"),
        )
        self.url, self.secrets = self.nginx.url, self.folder / "secrets"

    def environment(self, name):
        """The file of the set-up, with what is other here put into its places."""
        text = swap(
            ENV.read_text(),
            {
                "https://lifeos.example.org": self.url,
                "lifeos.example.org": self.nginx.address,
                "/var/lib/lifeos": str(self.folder / name),
                "/etc/lifeos/secrets": str(self.secrets),
                "lifeos-pictures": self.bucket.options["bucket_name"],
                "https://ACCOUNT.r2.cloudflarestorage.com": self.bucket.url,
                "KEY_ID=example": f"KEY_ID={self.bucket.options['access_key']}",
                "https://gpu-1.example.org": self.simulators[0].url,
                "https://gpu-2.example.org": self.simulators[1].url,
            },
        )
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        here = {"HOST": self.machines[name].address, "PYTHONUNBUFFERED": "1"}
        inherited = {
            key: value
            for key, value in os.environ.items()
            if key in ("HOME", "LANG", "PATH", "TMPDIR")
        }
        return inherited | here | dict(line.split("=", 1) for line in lines)

    def _up(self):
        self._make_secrets()
        for service in (self.postgres, self.redis, self.bucket):
            service.start()
        self.postgres.create()
        self.env = self.environment("web-1") | {"LIFEOS_ADMIN_PASSWORD": PASSWORD}
        super()._up()

    def _make_secrets(self):
        """The same on every machine; the JWT's key made as Life-OS makes its own."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.secrets.mkdir()
        for name, value in (
            ("secret_key", secrets.token_urlsafe(50)),
            ("jwt_key", pem.decode()),
            ("database_url", self.postgres.url),
            ("redis_url", self.redis.url),
            ("s3_key", self.bucket.options["secret_key"]),
        ):
            (self.secrets / name).write_text(value)

    def _start_ours(self):
        shutil.copytree(self.folder / "web-1" / "static", self.folder / "web-2/static")
        for name in self.webs:
            self._on(name, name, "web")
        for name, machine in zip(self.bridges, WORKERS, strict=True):
            self._on(machine, name, "bridge")
        for name, machine in zip(self.consumers, WORKERS, strict=True):
            self._on(machine, name, "run_huey")
        self.nginx.start(self.nginx.port)

    def _on(self, machine, name, command):
        env, where = self.environment(machine), self.machines[machine]
        words = self._command(command)
        self.processes[name] = Process(name, words, env, self.folder, where)
        self.start(name)

    def ready(self):
        """As the load balancer asks: each web process by its own address."""
        for name in self.webs:
            where = f"http://{self.machines[name].address}:8000/readyz"
            until(lambda: httpx.get(where, timeout=5).is_success, name, every=0.2)  # noqa: B023

    def __exit__(self, *exc):
        for process in self.processes.values():
            process.kill()  # nothing of theirs is looked at any more
        super().__exit__(*exc)
        for service in (self.nginx, self.bucket, self.redis, self.postgres):
            service.stop()

    def stored_files(self):
        return sorted(self.bucket.root.glob("lifeos/images/**/original.*"))

    def sockets(self, name):
        where = f"http://{self.machines[name].address}:8000/metrics"
        told = httpx.get(where, timeout=10).text
        return float(re.search(r"^lifeos_open_sockets (\S+)", told, re.M)[1])

    def holder(self):
        """The number of a bridge that drives something now."""
        with psycopg.connect(self.postgres.url) as db:
            found = db.execute(
                "SELECT bridge FROM generation_attempt WHERE state <> 'ended'"
            )
            held = {name.split("-")[-2] for (name,) in found if name}
        for number in ("1", "2"):
            if str(self.processes[f"bridge-{number}"].pid) in held:
                return number
        return None


class Reader:
    """Somebody who reads on meanwhile: no request of theirs may fail."""

    def __init__(self, stack):
        self._stack, self._over = stack, threading.Event()
        self.seconds, self.failed = [], []
        self._thread = threading.Thread(target=self._read)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._over.set()
        self._thread.join()

    def _read(self):
        headers = {"Cookie": self._stack.visitor.cookies()}
        with httpx.Client(base_url=self._stack.url, headers=headers) as browser:
            while not self._over.wait(0.2):
                begun = time.monotonic()
                try:
                    answer = browser.get("/jobs/", timeout=30)
                except httpx.HTTPError as exc:
                    self.failed.append(repr(exc))
                    continue
                self.seconds.append(time.monotonic() - begun)
                if answer.status_code != 200:
                    self.failed.append(answer.status_code)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ha")
    with contextlib.ExitStack() as up, pytest.MonkeyPatch.context() as patch:
        try:
            deployment = HighlyAvailable(folder, up.enter_context(Network()))
        except Missing as exc:
            lacking(str(exc))
        except Forbidden as exc:
            pytest.skip(str(exc))
        patch.setenv("SSL_CERT_FILE", str(deployment.nginx.certificate))
        yield up.enter_context(deployment)


@pytest.fixture
def watched(stack):
    """A round of jobs, and open pages of which each web process has some."""
    for process in stack.processes.values():
        if not process.alive:
            process.start()
    stack.ready()
    with contextlib.ExitStack() as open_:
        pages = []
        while not all(stack.sockets(name) for name in stack.webs):
            assert len(pages) < 9
            pages.append(open_.enter_context(Page(stack.visitor)))
            stack.visitor.jobs()  # nginx asks them by turns
        yield Round(stack, pages[0]), pages


def check(stack, watched, reader):
    """Done once, seen by every page, and the pictures are what their sums say."""
    round_, pages = watched
    jobs = round_.check()
    for page in pages:
        seen = page.sequences
        until(lambda: all(j["id"] in seen for j in jobs), "events", every=0.1)  # noqa: B023
        assert page.wrong == []
    for job in jobs:
        (image,) = job["images"]
        sent = stack.visitor.request("GET", image["url"].removeprefix(stack.url))
        assert hashlib.sha256(sent.content).hexdigest() == image["sha256"]
    assert reader.failed == []
    # nginx asked a second process at most.
    lines = (stack.nginx.folder / "lifeos.log").read_text().splitlines()
    assert max(json.loads(line)["upstream"].count(",") for line in lines) <= 1


def test_a_web_a_bridge_and_a_consumer_are_killed(stack, watched):
    """And nobody starts them again: their twins do the work."""
    round_, pages = watched
    with Reader(stack) as reader:
        round_.submit(8, steps=20)
        round_.some_run()
        number = until(stack.holder, "a bridge drives")
        for name in ("web-1", f"bridge-{number}", f"tasks-{number}"):
            stack.kill(name)
        round_.submit(4)
        check(stack, watched, reader)
    assert sorted({page.connections for page in pages}) == [1, 2]


def test_a_machine_loses_its_link(stack, watched):
    """Its bridge and its consumer work on, cut off; the other machine's take over."""
    round_, pages = watched
    with Reader(stack) as reader:
        round_.submit(8, steps=20)
        round_.some_run()
        machine = stack.machines[f"work-{until(stack.holder, 'a bridge drives')}"]
        machine.cut()
        try:
            check(stack, watched, reader)
        finally:
            machine.join()
    assert {page.connections for page in pages} == {1}


def test_a_session_knows_where_its_person_is(stack):
    """LIFEOS_PROXY_COUNT fits: the address is the browser's, not nginx's."""
    with psycopg.connect(stack.postgres.url) as db:
        found = db.execute("SELECT DISTINCT host(ip) FROM usersessions_usersession")
        assert found.fetchall() == [(stack.network.here,)]

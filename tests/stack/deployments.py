"""Two ways to run the same code: one process, or as many as there is work for."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.stack.process import ROOT, Process, free_port, until
from tests.stack.services import Nginx, Postgres, Redis
from tests.stack.simulators import Simulator
from tests.stack.visitor import PASSWORD, Visitor

# A data folder as `setup` makes it on SQLite; tests/run.py names one for all its parts.
OURS = Path(tempfile.gettempdir(), f"lifeos-prepared-{os.getpid()}")
PREPARED = Path(os.environ.get("TEST_PREPARED", OURS))
atexit.register(shutil.rmtree, OURS, ignore_errors=True)


class Deployment:
    """Processes by name, GPU servers, and the first administrator as a visitor.

    `webs`, `bridges` and `consumers` name the processes that do this work.
    """

    name = ""
    webs: tuple[str, ...] = ()
    bridges: tuple[str, ...] = ()
    consumers: tuple[str, ...] = ()

    def __init__(self, folder, *, simulators=None, speed=1.0, gated=True, **settings):
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.data.mkdir(parents=True, exist_ok=True)
        # Where pictures end, as this machine sees it: here, or an S3 server's folder.
        self.files = self.data / "files"
        if simulators is None:
            simulators = [Simulator("gpu-1", speed=speed, gated=gated)]
        self.simulators = list(simulators)
        self.processes = {}
        self.env = {
            **os.environ,
            "LIFEOS_DATA": str(self.data),
            "LIFEOS_ADMIN_PASSWORD": PASSWORD,
            "COMFYUI_URL": ",".join(s.url for s in self.simulators),
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        # pytest-django's are this process's own.
        self.env.pop("DJANGO_SETTINGS_MODULE", None)

    # Life ---------------------------------------------------------------------

    def __enter__(self):
        try:
            self._up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        if hasattr(self, "visitor"):
            self.visitor.close()
        with ThreadPoolExecutor() as pool:
            stops = [p.stop for p in self.processes.values()]
            stops += [s.stop for s in self.simulators if hasattr(s, "process")]
            list(pool.map(lambda stop: stop(), stops))

    def _up(self):
        for simulator in self.simulators:
            simulator.start(self.folder)
        self._set_up()
        for simulator in self.simulators:
            simulator.ready()
        self._start_ours()
        self.visitor = Visitor(self.url)
        self.ready()
        self.visitor.sign_in()

    def _set_up(self):
        self.manage("setup")

    def _start_ours(self):
        raise NotImplementedError

    def _command(self, *words):
        return [sys.executable, "manage.py", *words]

    def manage(self, *words, **options):
        command = self._command(*words)
        options = {"capture_output": True, "text": True} | options
        done = subprocess.run(command, env=self.env, cwd=ROOT, check=False, **options)
        assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def _spawn(self, name, command):
        process = Process(name, command, self.env, self.folder)
        self.processes[name] = process
        process.start()

    def ready(self):
        """All servers are seen and everything answers."""

        def answers():
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200

        until(answers, "ready")

    # From outside -------------------------------------------------------------

    def kill(self, name):
        self.processes[name].kill()

    def start(self, name):
        self.processes[name].start()

    def log(self, name):
        return self.processes[name].log()

    def person(self, name, password=PASSWORD):
        """Another account, signed in."""
        code = (
            "from accounts.models import User;"
            f"User.objects.create_user({name!r}, password={password!r})"
        )
        self.manage("shell", "-v", "0", "-c", code)
        visitor = Visitor(self.url, name)
        visitor.sign_in()
        return visitor

    def executions(self):
        """How often each prompt really ran, over all servers."""
        return {
            prompt: entry["count"]
            for simulator in self.simulators
            for prompt, entry in simulator.executions().items()
        }

    def stored_files(self):
        """The originals in our storage, by their folders."""
        return sorted(self.files.glob("images/**/original.*"))


class Embedded(Deployment):
    """`manage.py serve`: web, bridge and tasks in one process, on SQLite."""

    name = "embedded"
    webs = bridges = consumers = ("serve",)

    def __init__(self, folder, **options):
        self.port = free_port()
        super().__init__(folder, **options)
        self.url = f"http://127.0.0.1:{self.port}"
        self.env["PORT"] = str(self.port)
        self.env.pop("REDIS_URL", None)
        self.env.pop("DATABASE_URL", None)

    def _set_up(self):
        """Most of what a start costs, and the same for all: done once and copied."""
        if "DATABASE_URL" in self.env or any(self.data.iterdir()):
            super()._set_up()
        elif PREPARED.exists():
            shutil.copytree(PREPARED, self.data, dirs_exist_ok=True)
        else:
            super()._set_up()
            # Another part of the suite may do the same now; whose is taken is all one.
            fresh = PREPARED.with_name(f"{PREPARED.name}-{os.getpid()}")
            shutil.copytree(self.data, fresh)
            with contextlib.suppress(OSError):
                fresh.rename(PREPARED)

    def _start_ours(self):
        self._spawn("serve", self._command("serve"))


class ScaledOut(Deployment):
    """Two web processes behind nginx, two bridges, two consumers; the services."""

    name = "scaled out"
    webs = ("web-1", "web-2")
    bridges = ("bridge-1", "bridge-2")
    consumers = ("tasks-1", "tasks-2")

    def __init__(self, folder, **options):
        super().__init__(folder, **options)
        self.postgres = Postgres(self.folder)
        self.redis = Redis(self.folder)
        self.ports = [free_port() for _ in self.webs]
        self.nginx = Nginx(self.folder, self.ports)
        self.url = self.nginx.url
        self.env |= {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.redis.url}
        self.env["LIFEOS_PROXY_COUNT"] = "1"

    def _up(self):
        self.postgres.start()
        self.postgres.create()
        self.redis.start()
        super()._up()

    def _start_ours(self):
        for name, port in zip(self.webs, self.ports, strict=True):
            self._spawn(name, self._command("web", "--port", str(port)))
        for name in self.bridges:
            self._spawn(name, self._command("bridge"))
        for name in self.consumers:
            self._spawn(name, self._command("run_huey"))
        self.nginx.start()

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.nginx.stop()
        self.redis.stop()
        self.postgres.stop()

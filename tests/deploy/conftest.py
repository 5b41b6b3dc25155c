"""Life-OS's real processes behind nginx with the files of deploy/."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.deploy.proxies import site
from tests.stack import Embedded, Missing
from tests.stack.process import free_port


def lacking(message):
    """In CI everything must be there; elsewhere a missing part skips."""
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def tool(name, *places):
    """A program's path; without it the test is skipped, or fails in CI."""
    folder = Path(sys.executable).parent
    for place in (folder / name, *map(Path, places), shutil.which(name)):
        if place and Path(place).exists():
            return str(place)
    return lacking(f"{name} is not installed")


class BehindNginx(Embedded):
    """One process behind nginx with TLS, as deploy/network/nginx/README.md says."""

    def __init__(self, folder, **options):
        super().__init__(folder, **options)
        self.port_behind = self.port
        self.nginx = site(
            self.folder / "nginx",
            lifeos=[f"127.0.0.1:{self.port}"],
            comfyui=f"127.0.0.1:{self.simulators[0].port}",
            data=self.data,
        )
        self.direct, self.url = self.url, self.nginx.url
        self.env |= {
            "ALLOWED_HOSTS": "localhost",
            "CSRF_TRUSTED_ORIGINS": self.url,
            "LIFEOS_HTTPS": "True",
            "LIFEOS_PROXY_COUNT": "1",
            "LIFEOS_ACCEL_PREFIX": "/_files/",
            "LIFEOS_LOG_FORMAT": "json",
        }

    def _start_ours(self):
        super()._start_ours()
        self.nginx.start(self.nginx.port)

    def ready(self):
        through, self.url = self.url, self.direct
        try:
            super().ready()  # nginx does not show /readyz to anybody
        finally:
            self.url = through

    def more_web(self, name, *options):
        """Another web process of the same installation; its port."""
        port = free_port()
        self._spawn(name, self._command("web", "--port", str(port), *options))
        return port

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.nginx.stop()


@pytest.fixture(scope="session")
def behind(tmp_path_factory):
    """With `admin` (staff) and `alice` (not)."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            stack = BehindNginx(tmp_path_factory.mktemp("behind"), gated=False, speed=4)
        except Missing as exc:
            lacking(str(exc))
        # Both clients of the tests look here for whom to trust.
        patch.setenv("SSL_CERT_FILE", str(stack.nginx.certificate))
        with stack:
            stack.alice = stack.person("alice")
            yield stack

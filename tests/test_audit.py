"""The audit of what is installed, by pip-audit, against a service of our own."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests import audit

FAULT = {
    "id": "PYSEC-0000-1",
    "affected": [
        {
            "package": {"name": "django", "ecosystem": "PyPI"},
            "ranges": [
                {
                    "type": "ECOSYSTEM",
                    "events": [{"introduced": "0"}, {"fixed": "99.1"}],
                }
            ],
        }
    ],
}


@pytest.fixture
def service(monkeypatch):
    """Speaks as api.osv.dev does. A test gives it faults by a package's name."""
    faults = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = faults.get(asked["package"]["name"].lower())
            content = json.dumps({"vulns": [found]} if found else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", f"http://127.0.0.1:{server.server_port}/")
    yield faults
    server.shutdown()
    server.server_close()


def test_no_known_fault(service, capfd):
    assert audit.main("--strict") == 0
    assert capfd.readouterr().out == ""


def test_a_known_fault_is_told_and_fails(service, capfd):
    service["django"] = FAULT
    assert audit.main() == 1
    said = capfd.readouterr().out
    assert "has PYSEC-0000-1, mended in 99.1" in said
    assert said.count("\n") == 1


def test_a_service_that_is_away_is_told(monkeypatch, capfd):
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", "http://127.0.0.1:1/")
    assert audit.main() == 0
    assert "could not be asked" in capfd.readouterr().out
    assert audit.main("--strict") == 1

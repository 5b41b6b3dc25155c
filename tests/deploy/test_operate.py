"""Probes, numbers, logs, reports of errors: what the people see who run it."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from django.test import RequestFactory
from django.utils import timezone
from prometheus_client import generate_latest
from prometheus_client.registry import CollectorRegistry

from generation import context
from generation.models import Attempt, Job
from lifeos import draining, health, logs, metrics
from lifeos.metrics import rows as rows_module
from lifeos.metrics.rows import Rows
from tests import make
from tests.deploy.conftest import tool
from tests.stack.process import ROOT, Process, free_port, until

# Probes ---------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_probe_needs_no_name_and_no_tls(client, settings):
    settings.ALLOWED_HOSTS = ["lifeos.example.org"]
    settings.SECURE_SSL_REDIRECT = True
    for path in ("/healthz", "/readyz", "/metrics"):
        assert client.get(path, headers={"Host": "10.0.0.3:8000"}).status_code in (
            200,
            503,
        )
        assert client.post(path, headers={"Host": "10.0.0.3:8000"}).status_code == 405
    assert client.get("/jobs/", headers={"Host": "10.0.0.3:8000"}).status_code == 400


@pytest.fixture
def ready(db):
    return make.server(name="gpu-1")


def reasons(client):
    answer = client.get("/readyz")
    return answer.status_code, answer.json()["reasons"]


def test_ready_is_ready(client, ready):
    assert reasons(client) == (200, [])


def test_why_it_is_not_ready(client, ready, settings, tmp_path, monkeypatch):
    ready.enabled = False
    ready.save(update_fields=["enabled"])
    assert reasons(client) == (503, ["No ComfyUI server is online."])
    ready.enabled = True
    ready.save(update_fields=["enabled"])

    def hangs():
        threading.Event().wait(2)

    monkeypatch.setattr(health, "_look_at_storage", hangs)
    monkeypatch.setattr(health, "STORAGE_SECONDS", 0.1)
    assert reasons(client) == (503, ["The storage does not answer within 0 s."])
    monkeypatch.undo()
    monkeypatch.setattr(draining, "begun", lambda: True)
    assert reasons(client) == (503, ["The process is shutting down."])


# Who may read the numbers ---------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "forwarded", "allowed"),
    [
        ("127.0.0.1", "", True),
        ("192.168.1.5", "", True),
        ("::1", "", True),
        ("::ffff:10.0.0.1", "", True),
        ("", "", True),
        ("8.8.8.8", "", False),
        ("127.0.0.1", "8.8.8.8", False),
        # It says itself that it is near, and nginx says that it is not.
        ("127.0.0.1", "127.0.0.1, 8.8.8.8", False),
        ("8.8.8.8", "127.0.0.1", False),
        ("127.0.0.1", "nonsense", False),
        ("127.0.0.1", "192.168.1.7", True),
    ],
)
def test_the_numbers_stay_inside(address, forwarded, allowed):
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().get("/metrics", headers=headers, REMOTE_ADDR=address)
    assert metrics.allowed(request) is allowed


def test_the_networks_can_be_named(settings):
    settings.LIFEOS_METRICS_NETWORKS = ["8.8.8.0/24"]
    request = RequestFactory().get("/metrics", REMOTE_ADDR="8.8.8.8")
    assert metrics.allowed(request)
    assert not metrics.allowed(RequestFactory().get("/metrics"))


# The numbers ----------------------------------------------------------------------


def numbers(collector):
    registry = CollectorRegistry()
    registry.register(collector)
    lines = generate_latest(registry).decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def ended(server, job, outcome="succeeded", ago=10.0, ran=30.0):
    now = timezone.now()
    end = now - timedelta(seconds=ago)
    return Attempt.objects.create(
        job=job,
        server=server,
        number=job.attempts.count() + 1,
        client_id="c",
        bridge="b",
        lease_until=now,
        state="ended",
        outcome=outcome,
        started_at=end - timedelta(seconds=ran),
        finished_at=end,
    )


def test_the_queue_and_the_servers_in_numbers(
    alice, ready, django_assert_max_num_queries
):
    collector = Rows()
    now = timezone.now()
    for seconds in (100, 50):
        job = make.job(alice)
        Job.objects.filter(pk=job.pk).update(created=now - timedelta(seconds=seconds))
    running = make.job(alice, status="running")
    ended(ready, running, "lost", ago=100, ran=60)
    ended(ready, running, ago=10, ran=30)
    with django_assert_max_num_queries(8):
        found = numbers(collector)
    assert found['lifeos_jobs{status="queued"}'] == 2
    assert found['lifeos_jobs{status="saving"}'] == 0
    assert 99 < found['lifeos_oldest_job_seconds{status="queued"}'] < 130
    assert found['lifeos_server_up{server="gpu-1"}'] == 1
    assert found['lifeos_gpu_busy_ratio{server="gpu-1"}'] == pytest.approx(
        0.3, abs=0.02
    )
    assert found['lifeos_ready{check="database"}'] == 1
    assert found['lifeos_disk_bytes{kind="free"}'] > 0
    assert found["lifeos_database_bytes"] >= 0


def counted(outcome):
    return rows_module.ATTEMPTS.labels("gpu-1", outcome)._value.get()


def test_each_attempt_is_counted_once_even_if_it_comes_late(alice, ready):
    collector = Rows()
    before = counted("failed"), counted("succeeded")
    job = make.job(alice)
    ended(ready, job, "failed", ago=400)  # before this process began
    ended(ready, job, "succeeded", ago=-5)
    numbers(collector)
    numbers(collector)
    assert (counted("failed"), counted("succeeded")) == (before[0], before[1] + 1)
    # Another process wrote this one a little later than its time says.
    ended(ready, job, "failed", ago=-1)
    numbers(collector)
    numbers(collector)
    assert counted("failed") == before[0] + 1


def test_labels_are_names_of_ours(client, as_alice):
    as_alice.get("/gallery/?q=secret-prompt")
    client.get("/a-made-up-address-6f1c/")
    text = client.get("/metrics").content.decode()
    assert 'view="gallery:image-list"' in text
    assert "secret-prompt" not in text and "6f1c" not in text


def value_names(port):
    """The metrics that Prometheus has seen, and those that come with a first job."""
    address = f"http://127.0.0.1:{port}/api/v1/label/__name__/values"
    seen = httpx.get(address).raise_for_status().json()["data"]
    first = ["lifeos_attempts_total", "lifeos_job_run_seconds_bucket"]
    return [*seen, *first]


def test_prometheus_reads_it(behind, tmp_path):
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [
            {
                "job_name": "lifeos",
                "static_configs": [{"targets": [f"127.0.0.1:{behind.port}"]}],
            }
        ],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    port = free_port()
    words = [f"--config.file={tmp_path}/prometheus.yml"]
    words += [f"--storage.tsdb.path={tmp_path}/data"]
    words += [f"--web.listen-address=127.0.0.1:{port}"]
    process = Process(
        "prometheus", [tool("prometheus"), *words], dict(os.environ), tmp_path
    )
    process.start()
    try:

        def value(query):
            address = f"http://127.0.0.1:{port}/api/v1/query"
            answer = httpx.get(address, params={"query": query}).raise_for_status()
            return [row["value"][1] for row in answer.json()["data"]["result"]]

        until(lambda: value('up{job="lifeos"}') == ["1"], "Prometheus has scraped it")
        assert value("lifeos_server_up") == ["1"]
        assert value('lifeos_jobs{status="queued"}') == ["0"]
        # Every plot of the dashboard asks for something that there is to ask for.
        dashboard = ROOT / "deploy" / "monitoring" / "grafana-dashboard.json"
        panels = json.loads(dashboard.read_text())["panels"]
        plots = [target["expr"] for panel in panels for target in panel["targets"]]
        assert len(plots) > 15
        names = set(value_names(port))
        for plot in plots:
            value(plot)
            assert set(re.findall(r"lifeos_\w+", plot)) <= names, plot
    finally:
        process.stop()


# Logs -----------------------------------------------------------------------------


def line(message="hello", **extra):
    record = logging.getLogger("test").makeRecord(
        "test", logging.INFO, __file__, 1, message, (), None, extra=extra
    )
    logs.ContextFilter().filter(record)
    return json.loads(logs.JsonFormatter().format(record))


def test_whatever_a_job_causes_names_it():
    assert "job" not in line()
    with context.about("b0a1"):
        assert line()["job"] == "b0a1"
        assert line(job="other")["job"] == "other"
    assert "job" not in line()


def test_the_answer_names_its_lines_in_the_log(client, db):
    answer = client.get("/accounts/login/", headers={"X-Request-ID": "abc-1"})
    assert answer["X-Request-ID"] == "abc-1"
    made_up = client.get("/accounts/login/", headers={"X-Request-ID": "a b\u00e4<"})
    assert len(made_up["X-Request-ID"]) == 32


# Reports --------------------------------------------------------------------------

SETTLE = """
import django
django.setup()
from django.conf import settings
settings.ALLOWED_HOSTS = ["testserver"]
# There is no database here, and none is needed to fail.
settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
"""
FAILS = """
from unittest.mock import patch
from django.test import Client
from generation import views
client = Client(raise_request_exception=False, headers={"X-Request-ID": "walk-1"})
client.cookies["sessionid"] = "secret-cookie"
with patch("allauth.account.views.LoginView.dispatch", side_effect=ValueError("boom")):
    answer = client.post("/accounts/login/?q=secret-query", {"prompt": "secret-prompt"})
    assert answer.status_code == 500, answer
"""


def child(code, tmp_path, **env):
    env = {**os.environ, "LIFEOS_DATA": str(tmp_path), **env}
    env["DJANGO_SETTINGS_MODULE"] = "lifeos.settings"
    done = subprocess.run(
        [sys.executable, "-c", SETTLE + code],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Collector:
    """Takes what Sentry's and OpenTelemetry's libraries send."""

    def __init__(self):
        got = self.got = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    import gzip

                    body = gzip.decompress(body)
                got.append((self.path, body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *words):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.close()


def test_sentry_hears_where_it_failed_and_nothing_that_people_wrote(
    collector, tmp_path
):
    pytest.importorskip("sentry_sdk")
    code = FAILS + "import sentry_sdk; sentry_sdk.flush(10)"
    child(code, tmp_path, SENTRY_DSN=f"http://key@127.0.0.1:{collector.port}/1")
    sent = b"".join(body for _, body in collector.got)
    assert b"boom" in sent and b"walk-1" in sent
    assert b"secret" not in sent


def test_opentelemetry_gets_spans_without_content(collector, tmp_path):
    pytest.importorskip("opentelemetry")
    code = FAILS + "from opentelemetry import trace;"
    code += "trace.get_tracer_provider().force_flush()"
    address = f"http://127.0.0.1:{collector.port}"
    child(code, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=address)
    assert {path for path, _ in collector.got} == {"/v1/traces"}
    sent = b"".join(body for _, body in collector.got)
    assert b"lifeos" in sent and b"walk-1" in sent
    assert b"secret" not in sent


def test_neither_is_even_loaded_unless_asked_for(tmp_path):
    code = "import sys; print('sentry_sdk' in sys.modules,"
    code += " 'opentelemetry.instrumentation.django' in sys.modules)"
    assert child(code, tmp_path).split() == ["False", "False"]
